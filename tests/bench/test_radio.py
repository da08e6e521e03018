"""The radio benchmark: its posts are what it says, and its channel brings them to everybody."""

from app.radio.dialects.on_air import HEADER_BYTES
from app.radio.field import in_earshot, line
from app.radio.frame import envelope_frame_bytes
from app.radio.profile import EU868
from bench.radio import POST_BYTES_GOAL, catch_up, peers, spread
from bench.radio.posts import envelopes


def test_posts_differ_and_fit_their_goal() -> None:
    posts = envelopes(200)
    assert len(set(posts)) == 200
    assert all(HEADER_BYTES + envelope_frame_bytes(len(post), 20) <= POST_BYTES_GOAL for post in posts)


def test_everything_on_the_air_is_counted_by_kind() -> None:
    names = ["a", "b", "c"]
    cost = spread(names, in_earshot(names), 0.0, 2, 1)
    assert cost.delivered == 1
    assert cost.bytes_per_post >= cost.bytes_by_kind["posts"] >= 150
    assert abs(sum(cost.bytes_by_kind.values()) - cost.bytes_per_post) < 0.5


def test_who_was_away_catches_up_within_the_law() -> None:
    week = catch_up(20)
    assert week["delivered"] == 1
    assert week["bytes"] >= week["least_bytes"]
    assert week["airtime_s"] >= week["least_airtime_s"]


def test_meshtastics_flooding_reaches_a_chain_without_loss_and_repairs_nothing() -> None:
    chain = ["a", "b", "c", "d"]
    spent, arrived = peers.meshtastic(EU868, chain, line(chain), 0.0, 3, 1)
    assert arrived > 0.8
    assert spent.bytes >= 3 * 3 * peers.MESHTASTIC_SIGNED_BYTES
    _, lossy = peers.meshtastic(EU868, chain, line(chain), 0.4, 6, 1)
    assert lossy < 1
