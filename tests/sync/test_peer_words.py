"""Peers in words."""

from msgspec.structs import replace

from app.store.peers import Peer
from app.sync.message import Role
from app.sync.peer_words import PeerWords, peer_words, role_words

NAS = Peer(b"\x1a" * 32, b"", "Cellar", 7, Role.BLIND, True, 20_000, (), 0)


def words(peer: Peer, *, runs: bool = True) -> PeerWords:
    return peer_words(peer, 10_000_000, {7: 1_234}, 10_000, runs=runs)


def test_a_connected_peer() -> None:
    found = words(replace(NAS, connected_ms=5, seen_ms=5, fault="It was away."))
    assert found == PeerWords("Cellar", "blind, 20 GB", "connected", "now", "1,234 of 10,000", "1a1a1a1a", ())


def test_a_peer_that_is_away_and_why() -> None:
    found = words(replace(NAS, seen_ms=10_000_000 - 180_000, fault="It does not answer."))
    assert (found.state, found.seen, found.remarks) == ("away", "3 min ago", ("It does not answer.",))
    assert words(NAS).seen == "never"
    assert words(replace(NAS, seen_ms=99_000_000)).seen == "just now"  # the clock went back since


def test_what_a_process_that_ended_said_does_not_hold() -> None:
    found = words(replace(NAS, connected_ms=5, seen_ms=9_999_000), runs=False)
    assert (found.state, found.seen) == ("not known", "just now")


def test_twins_are_told() -> None:
    assert "once so far" in words(replace(NAS, replaced=1)).remarks[0]
    assert "1,200 times so far" in words(replace(NAS, replaced=1200)).remarks[0]


def test_roles_and_what_does_not_travel() -> None:
    assert role_words(replace(NAS, role=Role.MEMBER, quota_mb=None)) == "member"
    assert role_words(replace(NAS, quota_mb=2500)) == "blind, 2.5 GB"
    assert role_words(replace(NAS, quota_mb=999)) == "blind, 999 MB"
    assert role_words(replace(NAS, photos=False)) == "blind, no photos, 20 GB"


def test_a_blind_node_keeps_no_account() -> None:
    assert peer_words(NAS, 0, None, 0, runs=True).holds == "–"


def test_what_was_proved_and_what_was_not() -> None:
    assert words(replace(NAS, proved_ms=10_000_000 - 7_200_000)).holds == "1,234 of 10,000, proved 2 h ago"
    failed = words(replace(NAS, proved_ms=5, unproved_ms=6))
    assert failed.holds == "1,234 of 10,000"
    assert "could not prove" in failed.remarks[0]
    assert words(replace(NAS, proved_ms=6, unproved_ms=5)).remarks == ()
