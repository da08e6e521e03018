"""Meshes of repair machines converge: with loss, partitions, crashes, expiry, twins and liars, and then fall silent."""

import random
from collections.abc import Callable

import pytest

from app.radio.blend import Place, blended, encode_blend
from app.radio.control import ControlFrame, Message, open_control, seal_control
from app.radio.frame import LOG_NUMBER_MAX, NodeIndex
from app.radio.means import Output, SendBlend, SendControl, SendEntry
from app.radio.parcel import Rejected
from app.radio.profile import EU868
from app.radio.request import Gone, Request
from app.radio.span import Span, minus, normal
from app.radio.vector import Vector
from tests.radio.repair_mesh import HOUR_MS, LINK, Mesh, Node, entry
from tests.radio.repair_parts import claim, portion

MINUTE_MS = 60_000
ENTRY_MS = EU868.frame_airtime_ms(214)


def write(mesh: Mesh, count: int, writers: int | None = None) -> None:
    """So many posts by nodes that the dice choose; nobody floods them."""
    for _ in range(count):
        node = mesh.nodes[mesh.rng.randrange(writers or len(mesh.nodes))]
        number = 1 + max((known.number for known in node.entries.values() if known.index == node.index), default=0)
        node.write(entry(node.index, number))
        mesh.run(mesh.rng.randint(0, 20_000))


def watch(mesh: Mesh) -> list[str]:
    """What was announced without being on the announcer's disk, or known there to be gone. It stays empty."""
    wrong: list[str] = []

    def spy(_: Node, data: bytes) -> None:
        frame = open_control(data, LINK)
        if not isinstance(frame.message, Vector) or frame.sender >= len(mesh.nodes):
            return
        node = mesh.nodes[frame.sender]
        for log in frame.message.logs:
            there = normal(
                Span(known.number, known.number) for known in node.entries.values() if known.index == log.index
            )
            gone = normal(span for index, span in node.gone if index == log.index)
            hearsay = minus((Span(1, log.highest),), node.log.missing(log.index, Span(1, log.highest)))
            if minus(log.known, normal((*there, *gone, *hearsay))):
                wrong.append(f"{frame.sender} claims {log}")

    mesh.spies.append(spy)
    return wrong


def quiet(mesh: Mesh, hours: int = 6) -> list[Output]:
    """What is still sent when all agree, after what was under way."""
    mesh.run(2 * HOUR_MS)
    since_ms = mesh.now_ms
    mesh.run(hours * HOUR_MS)
    return [output for at_ms, _, output in mesh.sent if at_ms >= since_ms]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("loss", [0.0, 0.1, 0.3])
def test_nodes_in_range_of_each_other_come_to_hold_the_same(seed: int, loss: float) -> None:
    mesh = Mesh(5, seed, loss)
    wrong = watch(mesh)
    write(mesh, 20)
    assert mesh.run_until(mesh.agrees, 12 * HOUR_MS)
    assert wrong == []
    assert mesh.own_log_ahead() == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("loss", [0.1, 0.3])
def test_so_they_do_without_blends(seed: int, loss: float) -> None:
    mesh = Mesh(5, seed, loss, blends=False)
    write(mesh, 20)
    assert mesh.run_until(mesh.agrees, 12 * HOUR_MS)
    assert mesh.airtime_ms(SendBlend) == 0


def flooded(seed: int, *, blends: bool) -> float:
    """On air until all of ten nodes have 20 envelopes that each lost 30 % of: in airtimes of 20 envelopes."""
    mesh = Mesh(10, seed, 0.3, duty=1.0, blends=blends)
    mesh.run(3 * HOUR_MS)
    since_ms = mesh.now_ms
    for number in range(1, 21):
        mesh.nodes[0].write(entry(0, number))
        for node in mesh.nodes[1:]:
            if mesh.rng.random() >= mesh.loss:
                node.write(entry(0, number))
        mesh.run(5000)
    assert mesh.run_until(mesh.agrees, 12 * HOUR_MS)
    return 1 + mesh.airtime_ms(object, since_ms) / (20 * ENTRY_MS)


def test_ten_listeners_at_30_percent_loss_cost_about_twice_the_envelopes_with_blends() -> None:
    with_blends = [flooded(seed, blends=True) for seed in range(6)]
    assert sum(with_blends) / 6 <= 2.2
    assert sum(flooded(seed, blends=False) for seed in range(3)) / 3 >= 1.4 * sum(with_blends[:3]) / 3


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_a_chain_carries_everything_to_its_ends(seed: int, loss: float) -> None:
    mesh = Mesh(5, seed, loss)
    mesh.connect_chain()
    write(mesh, 12)
    assert mesh.run_until(mesh.agrees, 24 * HOUR_MS)


@pytest.mark.parametrize("seed", range(8))
def test_villages_that_were_apart_for_a_day_hold_the_same_soon_after(seed: int) -> None:
    mesh = Mesh(6, seed, 0.3)
    mesh.connect_groups((0, 1, 2), (3, 4, 5))
    write(mesh, 24)
    mesh.run(24 * HOUR_MS)
    assert not mesh.agrees()
    mesh.links.add(frozenset((2, 3)))
    assert mesh.run_until(mesh.agrees, 12 * HOUR_MS)


@pytest.mark.parametrize("seed", range(6))
def test_links_that_come_and_go_and_power_that_fails_lose_nothing(seed: int) -> None:
    mesh = Mesh(5, seed, 0.2)
    written: set[bytes] = set()
    for _ in range(12):
        nodes = range(len(mesh.nodes))
        mesh.links = {frozenset((a, b)) for a in nodes for b in nodes if a < b and mesh.rng.random() < 0.4}
        write(mesh, 2)
        mesh.run(mesh.rng.randint(0, 40) * MINUTE_MS)
        mesh.nodes[mesh.rng.randrange(5)].crash()
        before = written
        written = {name for node in mesh.nodes for name in node.entries}
        assert before <= written
    mesh.connect_all()
    assert mesh.run_until(mesh.agrees, 12 * HOUR_MS)
    assert set(mesh.nodes[0].entries) == written
    assert not any(
        isinstance(event, Rejected) and event.reason == "leap" for node in mesh.nodes for event in node.events
    )


@pytest.mark.parametrize("seed", range(4))
def test_when_all_agree_they_nearly_fall_silent(seed: int) -> None:
    mesh = Mesh(6, seed, 0.1)
    write(mesh, 15)
    assert mesh.run_until(mesh.agrees, 12 * HOUR_MS)
    outputs = quiet(mesh, 6)
    assert not any(isinstance(output, SendEntry) for output in outputs)
    # Six hours are eleven intervals of 34 minutes; one vector each serves all, and a few are not heard.
    assert len(outputs) <= 30
    assert sum(output.airtime_ms for output in outputs) <= 12_000


def test_without_loss_each_entry_goes_on_air_once_for_all_who_lack_it() -> None:
    for seed in range(4):
        mesh = Mesh(8, seed, 0.0)
        write(mesh, 16)
        assert mesh.run_until(mesh.agrees, 12 * HOUR_MS)
        assert mesh.airtime_ms(SendEntry) <= 1.4 * 16 * ENTRY_MS
        assert mesh.airtime_ms(SendControl) <= 1.0 * 16 * ENTRY_MS


def test_what_floods_reached_everyone_costs_two_vectors() -> None:
    for seed in range(4):
        mesh = Mesh(10, seed, 0.0)
        mesh.run(4 * HOUR_MS)
        since_ms = mesh.now_ms
        for number in range(1, 21):
            for node in mesh.nodes:
                node.write(entry(0, number))
            mesh.run(5000)
        mesh.run(5 * MINUTE_MS)
        assert mesh.airtime_ms(SendControl, since_ms) <= 0.1 * 20 * ENTRY_MS
        assert mesh.airtime_ms(SendEntry, since_ms) == 0


@pytest.mark.parametrize("seed", range(4))
def test_a_newcomer_learns_what_lives_and_is_told_what_is_gone(seed: int) -> None:
    mesh = Mesh(4, seed, 0.1)
    mesh.connect_groups((0, 1, 2))
    for node in mesh.nodes[:3]:
        for number in range(1, 301):
            node.write(entry(0, number))
        for first in range(2, 290, 30):
            node.expire(0, Span(first, first + 28))
    mesh.connect_all()
    living = set(mesh.nodes[0].entries)
    assert mesh.run_until(lambda: set(mesh.nodes[3].entries) == living, 12 * HOUR_MS)
    mesh.run_until(lambda: mesh.nodes[3].log.vector()[0].contiguous == 300, 6 * HOUR_MS)
    assert mesh.nodes[3].log.vector()[0].contiguous == 300
    outputs = quiet(mesh, 6)
    said = [open_control(output.frame, LINK).message for output in outputs if isinstance(output, SendControl)]
    assert not any(isinstance(message, Request) for message in said)
    assert len({checks(node) for node in mesh.nodes}) == 1


def checks(node: Node) -> int | None:
    """The checksum that a node announces for log 0, sooner or later."""
    for hours in range(1, 9):
        for output in node.repair.poll(node.mesh.now_ms + hours * HOUR_MS):
            assert isinstance(output, SendControl)
            message = open_control(output.frame, LINK).message
            assert isinstance(message, Vector)
            return next(log.checksum for log in message.logs if log.index == 0)
    raise AssertionError("it never speaks")


@pytest.mark.parametrize("seed", range(4))
def test_two_nodes_with_one_index_lose_nothing(seed: int) -> None:
    mesh = Mesh(5, seed, 0.1)
    mesh.connect_groups((0, 1), (2, 3, 4))
    for number in range(1, 9):
        mesh.nodes[0].write(entry(7, number, 0 if number <= 4 else 1))
        mesh.nodes[2].write(entry(7, number, 0 if number <= 4 else 2))
        mesh.run(MINUTE_MS)
    mesh.run(4 * HOUR_MS)
    mesh.connect_all()
    assert mesh.run_until(mesh.agrees, 24 * HOUR_MS)
    assert len(mesh.nodes[4].entries) == 12


def hostile(mesh: Mesh, act: Callable[[random.Random], list[Message]], every_ms: int, index: int = 200) -> None:
    """A member that says what it likes, heard by all."""
    counter = 0

    def speak() -> None:
        nonlocal counter
        for message in act(mesh.rng):
            counter += 1
            frame = seal_control(ControlFrame(NodeIndex(index), counter, message), LINK)
            for node in mesh.nodes:
                node.repair.receive(frame, mesh.now_ms)
        mesh.after(every_ms, speak)

    mesh.after(1, speak)


LIES: dict[str, Callable[[random.Random], list[Message]]] = {
    "claims all": lambda _: [claim(*((index, LOG_NUMBER_MAX) for index in range(20)))],
    "has nothing": lambda rng: [claim((rng.randrange(5), 1))],
    "calls all gone": lambda _: [Gone(tuple(portion(index, (1, LOG_NUMBER_MAX)) for index in range(5)))],
    "asks for all": lambda rng: [Request(rng.randrange(5), tuple(portion(index, (1, 4096)) for index in range(5)))],
}


@pytest.mark.parametrize("lie", LIES)
def test_a_liar_among_them_costs_airtime_within_its_purse_and_loses_nothing(lie: str) -> None:
    mesh = Mesh(5, 3, 0.1)
    hostile(mesh, LIES[lie], 90_000)
    mesh.connect_groups((0, 1), (2, 3, 4))
    write(mesh, 16)
    mesh.run(4 * HOUR_MS)
    mesh.connect_all()
    # Whoever believed a liar asks again after a day.
    assert mesh.run_until(mesh.agrees, 60 * HOUR_MS)
    since_ms = mesh.now_ms
    mesh.run(2 * HOUR_MS)
    assert mesh.airtime_ms(object, since_ms) <= 5 * 3 * mesh.neighbor_ms_per_hour


def test_forged_blends_spoil_a_while_and_lose_nothing() -> None:
    mesh = Mesh(5, 3, 0.1)

    def forge() -> None:
        places = {Place(index, mesh.rng.randint(1, 6)): mesh.rng.randbytes(205) for index in range(2)}
        frame = encode_blend(blended(NodeIndex(200), mesh.rng.randrange(65536), places), LINK)
        for node in mesh.nodes:
            node.hear_blend(frame)
        mesh.after(60_000, forge)

    mesh.after(1, forge)
    write(mesh, 16)
    assert mesh.run_until(mesh.agrees, 24 * HOUR_MS)
    assert all(entry(known.index, known.number) == known for node in mesh.nodes for known in node.entries.values())


def test_what_a_liar_called_gone_is_found_where_it_lives() -> None:
    mesh = Mesh(3, 5, 0.0)
    mesh.connect_groups((0, 1))
    for number in range(1, 6):
        mesh.nodes[0].write(entry(0, number))
    victim = mesh.nodes[2]
    victim.write(entry(0, 6))
    lies: list[Message] = [Request(0, (portion(0, (1, 5)),)), Gone((portion(0, (1, 5)),))]
    for counter, lie in enumerate(lies, start=1):
        victim.repair.receive(seal_control(ControlFrame(NodeIndex(200), counter, lie), LINK), mesh.now_ms)
    assert victim.log.vector()[0].contiguous == 6
    mesh.run(HOUR_MS)
    assert len(victim.entries) == 1
    mesh.connect_all()
    assert mesh.run_until(mesh.agrees, 26 * HOUR_MS)


def test_replayed_frames_of_last_month_change_nothing() -> None:
    mesh = Mesh(4, 6, 0.0)
    recorded: list[bytes] = []
    mesh.spies.append(lambda _, data: recorded.append(data))
    write(mesh, 10)
    assert mesh.run_until(mesh.agrees, 12 * HOUR_MS)
    quiet(mesh, 1)
    mesh.spies.clear()
    sent = len(mesh.sent)
    for node in mesh.nodes:
        node.crash()
        for data in recorded:
            node.repair.receive(data, mesh.now_ms)
    mesh.run(HOUR_MS)
    kinds = {
        type(open_control(output.frame, LINK).message)
        for _, _, output in mesh.sent[sent:]
        if isinstance(output, SendControl)
    }
    assert kinds == {Vector}
    assert all(isinstance(output, SendControl) for _, _, output in mesh.sent[sent:])


def test_a_week_s_catch_up_costs_little_more_than_its_entries() -> None:
    mesh = Mesh(2, 7, 0.0, duty=0.1)
    for number in range(1, 201):
        mesh.nodes[0].write(entry(0, number))
    assert mesh.run_until(mesh.agrees, 24 * HOUR_MS)
    assert mesh.airtime_ms(SendEntry) <= 1.01 * 200 * ENTRY_MS
    assert mesh.airtime_ms(SendControl) <= 0.1 * 200 * ENTRY_MS
