"""Peers in words, the same on the keeper's page and in `tntn peer list`. Pure."""

from collections.abc import Mapping

import msgspec

from app.clock import ago_words
from app.store.peers import Peer
from app.sync.message import Role

ID_CHARACTERS = 8
"""As much of a peer's id as tells the peers of a node apart."""


class PeerWords(msgspec.Struct, frozen=True):
    """A peer as a person reads it. `remarks` are sentences."""

    name: str
    role: str
    state: str
    seen: str
    holds: str
    id: str
    remarks: tuple[str, ...]


def peer_words(peer: Peer, now_ms: int, holds: Mapping[int, int] | None, total: int, *, runs: bool) -> PeerWords:
    """`holds`: how many of `total` envelopes each node has, None where no account is kept; `runs`: this node does."""
    is_connected = runs and peer.connected_ms is not None
    return PeerWords(
        name=peer.name,
        role=role_words(peer),
        state="connected" if is_connected else "away" if runs else "not known",
        seen="now" if is_connected else _seen(peer, now_ms),
        holds="–" if holds is None else f"{holds.get(peer.index, 0):,} of {total:,}{_proof(peer, now_ms)}",
        id=peer.peer_id.hex()[:ID_CHARACTERS],
        remarks=tuple(_remarks(peer, is_connected=is_connected)),
    )


def role_words(peer: Peer) -> str:
    """“member”, “blind, no photos, 500 MB”."""
    words = ["blind" if peer.role is Role.BLIND else "member"]
    if not peer.photos:
        words.append("no photos")
    if peer.quota_mb is not None:
        words.append(f"{peer.quota_mb / 1000:g} GB" if peer.quota_mb >= 1000 else f"{peer.quota_mb} MB")
    return ", ".join(words)


def _seen(peer: Peer, now_ms: int) -> str:
    if peer.seen_ms is None:
        return "never"
    return ago_words(max(0, now_ms - peer.seen_ms))


def _proof(peer: Peer, now_ms: int) -> str:
    if peer.proved_ms is None or peer.proved_ms < (peer.unproved_ms or 0):
        return ""
    return f", proved {ago_words(max(0, now_ms - peer.proved_ms))}"


def _remarks(peer: Peer, *, is_connected: bool) -> list[str]:
    remarks = []
    if peer.fault is not None and not is_connected:
        remarks.append(peer.fault)
    if peer.unproved_ms is not None and peer.unproved_ms >= (peer.proved_ms or 0):
        remarks.append("It could not prove that it holds what it says. Do not count on it, and look at its disk.")
    if peer.replaced:
        remarks.append(
            f"A later connection took the place of one that stood, {_times(peer.replaced)} so far. If that goes on, two"
            " machines run with one certificate: remove this peer, and pair the right one anew."
        )
    return remarks


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
