"""Whole sessions over dictionaries: whatever the order of things, and wherever links are cut, nodes end up alike."""

import pytest

from app.core.envelope import envelope_id
from app.sync.message import Check, Entries, Known, Ranges, Roots, Want
from tests.sync.sim import World, an_envelope, furnish


@pytest.mark.parametrize("seed", range(60))
def test_two_nodes_end_up_alike(seed: int) -> None:
    print(f"seed {seed}")
    world = World(seed)
    furnish(world, world.rng.choice((0, 1, 5, 60, 300)))
    one, two = world.link(0, 1)
    world.run()
    assert world.alike
    assert one.settled[-1] and two.settled[-1]
    for end in (one, two):
        theirs = world.nodes[end.peer_index].names.keys()
        assert end.node.custody[end.peer_index] <= theirs
        taken = {envelope_id(sealed) for message in end.other.sent if isinstance(message, Entries)
                 for run in message.runs for sealed in run.envelopes}  # fmt: skip
        assert end.node.custody[end.peer_index] | taken == theirs


@pytest.mark.parametrize("seed", range(20))
def test_three_in_a_line_pass_on_what_comes(seed: int) -> None:
    print(f"seed {seed}")
    world = World(seed, nodes=3)
    furnish(world, 80)
    world.link(0, 1)
    world.link(2, 1)
    for _ in range(30):
        for _ in range(world.rng.randrange(20)):
            world.step()
        node = world.rng.choice(world.nodes)
        node.hears(node.post(an_envelope(world.rng)))
    world.run()
    assert world.alike


def test_a_link_may_be_cut_at_any_moment() -> None:
    def begin() -> World:
        world = World(7)
        furnish(world, 40)
        world.link(0, 1)
        return world

    whole = begin().run()
    assert whole > 40
    for at in range(whole):
        world = begin()
        for _ in range(at):
            world.step()
        held = [set(node.names) for node in world.nodes]
        world.cut(world.links[0])
        world.link(1, 0)
        world.run()
        assert world.alike, at
        assert all(before <= node.names.keys() for before, node in zip(held, world.nodes, strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_links_that_are_cut_again_and_again_make_progress(seed: int) -> None:
    print(f"seed {seed}")
    world = World(seed, nodes=3)
    furnish(world, 400)
    for _ in range(40):
        link = world.link(*world.rng.choice([(0, 1), (1, 0), (1, 2), (2, 1)]))
        for _ in range(world.rng.randrange(60)):
            world.step()
        if world.rng.random() < 0.3:
            node = world.rng.choice(world.nodes)
            node.hears(node.post(an_envelope(world.rng)))
        world.cut(link)
    world.link(0, 1)
    world.link(1, 2)
    world.run()
    world.wait(3_600_000)
    assert world.alike


@pytest.mark.parametrize("seed", range(10))
def test_two_sessions_of_one_pair_do_no_harm(seed: int) -> None:
    print(f"seed {seed}")
    world = World(seed)
    furnish(world, 200)
    world.link(0, 1)
    world.link(1, 0)
    world.run()
    assert world.alike


@pytest.mark.parametrize("seed", range(10))
def test_what_a_copied_node_wrote_at_one_place_is_held_by_all(seed: int) -> None:
    print(f"seed {seed}")
    world = World(seed)
    for number in range(1, 300):
        for node in world.nodes:
            node.post(an_envelope(world.rng), (9, number))
    one, _ = world.link(0, 1)
    world.run()
    assert world.alike and len(world.nodes[0].names) == 598
    assert one.settled[-1]


def test_two_envelopes_at_one_place_are_read_across_the_limit_of_a_read() -> None:
    world = World(1)
    for number in range(1, 400):
        for _ in range(world.rng.choice((1, 1, 2, 4))):
            world.nodes[0].post(an_envelope(world.rng), (3, number))
    one, two = world.link(1, 0)
    world.run()
    assert world.alike
    sent = sum(len(run.envelopes) for message in two.sent if isinstance(message, Entries) for run in message.runs)
    assert sent == len(world.nodes[0].names)
    assert not [message for message in one.sent if isinstance(message, Roots | Ranges)]


def test_nothing_changed_costs_two_short_messages_every_five_minutes() -> None:
    world = World(3)
    furnish(world, 100)
    one, two = world.link(0, 1)
    world.run()
    world.wait(40 * 60_000)  # pauses grow after a check that found something, and are short again after one that didn't
    before = one.sent_bytes + two.sent_bytes
    sent = len(one.sent), len(two.sent)
    world.wait(5 * 60_000)
    assert [type(message) for message in one.sent[sent[0] :]] == [Check]
    assert [type(message) for message in two.sent[sent[1] :]] == [Check]
    assert one.sent_bytes + two.sent_bytes - before == 50


def test_a_new_entry_is_pushed_at_once_and_acknowledged() -> None:
    world = World(4)
    furnish(world, 500)
    one, two = world.link(0, 1)
    world.run()
    before = one.sent_bytes + two.sent_bytes
    placed = world.nodes[1].post(an_envelope(world.rng, 300))
    world.nodes[1].hears(placed)
    world.run()
    assert envelope_id(placed.envelope) in world.nodes[0].names
    assert envelope_id(placed.envelope) in world.nodes[1].custody[0]
    assert one.sent_bytes + two.sent_bytes - before <= 300 + 24


def test_an_entry_that_the_shell_did_not_tell_of_is_found_by_the_next_check() -> None:
    world = World(5)
    furnish(world, 50)
    world.link(0, 1)
    world.run()
    world.nodes[1].post(an_envelope(world.rng))
    world.nodes[0].post(an_envelope(world.rng))
    world.run()
    assert not world.alike
    world.wait(90 * 60_000)
    assert world.alike


def test_a_crowd_of_news_is_passed_on_though_not_all_of_it_waits_in_memory() -> None:
    world = World(6)
    one, two = world.link(0, 1)
    world.run()
    checks = len([message for message in one.sent if isinstance(message, Check)])
    fresh = [world.nodes[0].post(an_envelope(world.rng, 900)) for _ in range(5000)]
    one.news(fresh)
    assert len(one.session._batches._news) <= 500
    world.run()
    assert world.alike
    assert len([message for message in one.sent if isinstance(message, Check)]) == checks
    assert not two.reads


def test_ten_thousand_posts_cost_little_more_than_their_bytes() -> None:
    world = World(8)
    for _ in range(10_000):
        world.nodes[0].post(an_envelope(world.rng, 300))
    one, two = world.link(1, 0)
    world.run()
    assert world.alike
    overhead = (one.sent_bytes + two.sent_bytes) / 10_000 - 300
    print(f"{overhead:.2f} bytes each")
    assert overhead < 3.2


def test_more_runs_than_a_message_holds_are_asked_for_in_pieces() -> None:
    world = World(9)
    for number in range(36_000):
        placed = world.nodes[0].post(world.rng.randbytes(95), (number % 4, 1 + number // 4))
        if placed.number % 2:
            world.nodes[1].put(placed)
    one, two = world.link(1, 0)
    world.run()
    assert world.alike
    wants = [sum(len(log.runs) // 2 for log in message.logs) for message in one.sent if isinstance(message, Want)]
    assert wants[0] > wants[1] > wants[2] == 0
    assert len([message for message in two.sent if isinstance(message, Entries)]) <= 18_000 / 250 + 4


def test_what_the_vector_has_no_room_for_is_found_by_the_check() -> None:
    world = World(9)
    for number in range(20_000):
        world.nodes[0].post(world.rng.randbytes(95), (number % 4, 1 + 2 * (number // 4)))
    one, two = world.link(1, 0)
    world.run()
    assert world.alike
    assert len([message for message in two.sent if isinstance(message, Known)]) == 1
    assert [message for message in one.sent if isinstance(message, Ranges)]


def test_what_a_node_refuses_is_not_sent_again_and_again() -> None:
    world = World(10)
    furnish(world, 100)
    unwelcome = [world.nodes[0].post(an_envelope(world.rng)) for _ in range(30)]
    world.nodes[1].refuses = {envelope_id(placed.envelope) for placed in unwelcome}
    one, _ = world.link(0, 1)
    world.run()
    before = one.sent_bytes
    assert not one.settled[-1]
    world.wait(24 * 3_600_000)
    sent = [message for message in one.sent if isinstance(message, Entries)]
    times = sum(
        envelope == unwelcome[0].envelope for message in sent for run in message.runs for envelope in run.envelopes
    )
    assert times <= 2
    assert one.sent_bytes - before < 60_000
    world.nodes[1].refuses.clear()
    world.cut(world.links[0])
    world.link(0, 1)
    world.run()
    assert world.alike


def test_a_silent_peer_is_let_go() -> None:
    world = World(11)
    furnish(world, 10)
    one, two = world.link(0, 1)
    two.session.receive = lambda message, now_ms: []  # type: ignore[method-assign]
    world.wait(59_000)
    assert one.closed is None
    world.wait(60_000)
    assert one.closed == "silent"
