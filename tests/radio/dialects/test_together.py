"""All raw dialects on one channel: radios behind different modems hear each other, whatever their keepers bought."""

import itertools
import random

from app.radio.dialects.dialect import Dialect, Fault, Ready, Sent
from app.radio.dialects.kiss import Kiss
from app.radio.dialects.meshtastic import Meshtastic
from app.radio.dialects.rnode import Rnode
from app.radio.dialects.rui3 import Rui3
from app.radio.frame import FRAME_BYTES_MAX
from app.radio.modem import Modem
from app.radio.profile import EU868
from tests.radio.emulators.bench import Bench
from tests.radio.emulators.meshtastic import Meshtastic as MeshtasticRadio
from tests.radio.emulators.rnode import Rnode as RnodeRadio
from tests.radio.emulators.rui3 import Rui3 as Rui3Radio

NAMES = ["kiss", "rnode", "rui3"]


def test_three_firmwares_hear_each_other() -> None:
    bench = Bench(NAMES, loss_db=dict.fromkeys(itertools.permutations(NAMES, 2), 110.0), cut=True)
    stations = {
        "kiss": bench.add(Kiss(EU868), Modem("kiss", bench.ether, bench.rng)),
        "rnode": bench.add(Rnode(EU868), RnodeRadio("rnode", bench.ether, bench.rng)),
        "rui3": bench.add(Rui3(EU868, bench.rng), Rui3Radio("rui3", bench.ether, bench.rng, ECHO="1")),
    }
    bench.run(10_000)
    assert all(station.events == [Ready()] for station in stations.values())
    for size in (1, 60, FRAME_BYTES_MAX):
        for speaker in NAMES:
            frame = bench.rng.randbytes(size)
            stations[speaker].dialect.send(frame, bench.now_ms)
            bench.run(6_000)
            for listener in NAMES:
                if listener != speaker:
                    assert stations[listener].heard[-1] == frame, (speaker, listener, size)
    assert all(station.sent == [True] * 3 for station in stations.values())
    assert all(station.radio.violations == [] for station in stations.values())


def test_every_dialect_has_the_one_shape() -> None:
    rng = random.Random(1)
    dialects: list[Dialect] = [Kiss(EU868), Rnode(EU868), Rui3(EU868, rng), Meshtastic(rng)]
    for dialect in dialects:
        assert not dialect.is_ready
        assert not dialect.is_clear(0)
        assert (dialect.poll(0), list(dialect.events()), dialect.deadline_ms()) == (b"", [], None)
        dialect.receive(b"before it is open", 0)
        dialect.close()
        assert list(dialect.events()) == []
    assert [dialect.frame_bytes_max for dialect in dialects] == [254, 508, 238, 231]
    assert [dialect.floods_itself for dialect in dialects] == [False, False, False, True]
    assert all(dialect.airtime_ms(200) > dialect.airtime_ms(20) > 0 for dialect in dialects)


def test_a_frame_that_is_too_large_fails_at_once_and_nothing_else() -> None:
    bench = Bench(["rnode", "rui3", "meshtastic"])
    stations = [
        bench.add(Rnode(EU868), RnodeRadio("rnode", bench.ether, bench.rng)),
        bench.add(Rui3(EU868, bench.rng), Rui3Radio("rui3", bench.ether, bench.rng)),
        bench.add(Meshtastic(bench.rng), MeshtasticRadio("meshtastic", bench.ether, bench.rng)),
    ]
    bench.run(10_000)
    for station in stations:
        dialect = station.dialect
        assert isinstance(dialect, Rnode | Rui3 | Meshtastic)
        dialect.send(bytes(dialect.frame_bytes_max + 1), bench.now_ms)
        assert dialect.events() == [Fault("too large"), Sent(ok=False)]
        assert dialect.is_ready
