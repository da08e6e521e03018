"""What the demo tells of the ether's journal."""

import json
from pathlib import Path

from app.core.envelope import envelope_id
from app.demo.journal import Journal, in_words
from app.demo.village import PLACES
from app.radio.dialects import on_air
from app.radio.frame import EnvelopeFrame, Frame, LinkKeys, NodeIndex, ReceiptFrame, encode_frame
from app.radio.parcel import prefix_of

LINK = LinkKeys(b"s" * 16, (b"k" * 32,))
ENVELOPE = bytes([0x12]) + bytes(120)
LABELS = {envelope_id(ENVELOPE): "the notice"}
AT = {"north-valley": "heard", "hill-farm": "weak"}


def line(frame: Frame | bytes, at: dict[str, str] = AT) -> str:
    packet = frame if isinstance(frame, bytes) else on_air.wrap(encode_frame(frame, LINK), 1)
    entry = {"start_ms": 1, "sender": "market-square", "bytes": len(packet), "airtime_ms": 800.4}
    return json.dumps({**entry, "packet": packet.hex(), "at": at}) + "\n"


def told(tmp_path: Path, *lines: str) -> list[str]:
    path = tmp_path / "journal.jsonl"
    path.write_text("".join(lines))
    return [in_words(heard, PLACES, LABELS) for heard in Journal(path).read()]


def test_an_envelope_and_its_way(tmp_path: Path) -> None:
    me = NodeIndex(0)
    sent, passed = (EnvelopeFrame(me, hops, me, 1, ENVELOPE) for hops in (0, 1))
    both = {"north-valley": "heard", "hill-farm": "heard"}
    assert told(tmp_path, line(sent), line(passed, both), line(sent, {"north-valley": "collision"})) == [
        "Market Square sends the notice (131 bytes, 800 ms on air, hop 1): North Valley heard it",
        "Market Square passes on the notice (131 bytes, 800 ms on air, hop 2): North Valley and Hill Farm heard it",
        "Market Square sends the notice (131 bytes, 800 ms on air, hop 1): North Valley missed it (collision)",
    ]


def test_receipts_and_hellos_and_noise(tmp_path: Path) -> None:
    ours, other = prefix_of(envelope_id(ENVELOPE)), prefix_of(envelope_id(b"other"))
    frames = [ReceiptFrame(NodeIndex(0), 1, prefixes) for prefixes in ((), (ours,), (other,), (ours, other, other))]
    words = [words.split(" (")[0] for words in told(tmp_path, *map(line, frames), line(b"noise"))]
    assert words == [
        "Market Square says hello",
        "Market Square says “on my disk: the notice”",
        "Market Square says “on my disk: another record”",
        "Market Square says “on my disk: the notice, 2 other records”",
        "Market Square says something that is none of ours",
    ]


def test_it_reads_on_where_it_stopped_and_waits_for_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    assert journal.read() == []
    whole = line(ReceiptFrame(NodeIndex(0), 1, ()))
    path.write_text(whole + whole[:20])
    assert len(journal.read()) == 1
    with path.open("a") as file:
        file.write(whole[20:])
    assert len(journal.read()) == 1
    assert journal.read() == []
