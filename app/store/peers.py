"""Peers: whose certificates are pinned, what they are to us, when they were last there; and invitations."""

from collections.abc import Sequence
from typing import Any

import msgspec

from app.errors import ConflictError, NotFoundError
from app.store.database import Database, Row
from app.sync.message import Role

PEERS_MAX = 254
"""As many as the roster has nodes."""
INVITATIONS_MAX = 16
"""Codes that are out at one time; each is one more certificate that gets as far as the pairing."""
FAULT_CHARACTERS_MAX = 200
_COLUMNS = (
    "peer_id, certificate, name, node_index, role, photos, quota_mb, addresses, added_ms, connected_ms, seen_ms,"
    " replaced, fault, proved_ms, unproved_ms"
)


class Peer(msgspec.Struct, frozen=True):
    """A machine that may connect. `peer_id` is the SHA-256 of its sync key; `addresses` are `host:port`."""

    peer_id: bytes
    certificate: bytes
    name: str
    index: int
    role: Role
    photos: bool
    quota_mb: int | None
    addresses: tuple[str, ...]
    added_ms: int
    connected_ms: int | None = None
    seen_ms: int | None = None
    replaced: int = 0
    fault: str | None = None
    proved_ms: int | None = None
    unproved_ms: int | None = None


class OpenInvitation(msgspec.Struct, frozen=True):
    """An invitation that is out, known by the certificate that its holder shows."""

    certificate: bytes
    role: Role
    photos: bool
    quota_mb: int | None
    expires_ms: int
    spent_by: bytes | None = None


class PeerStore:
    """Reads and writes peers, in a member's database as in a blind node's."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def seed(self, fresh: bytes) -> bytes:
        """The seed of this machine's sync key: `fresh` when it had none yet."""
        async with self.database.write() as tx:
            await tx.execute("INSERT OR IGNORE INTO sync_key (id, seed) VALUES (1, ?)", (fresh,))
            rows = list(await tx.execute_fetchall("SELECT seed FROM sync_key"))
        return bytes(rows[0][0])

    async def port(self) -> int | None:
        """Where this machine listens for peers, None before it did."""
        row = await self.database.read_one("SELECT port FROM sync_key")
        return None if row is None else row[0]

    async def listens(self, port: int) -> None:
        """Remember the port: invitations that are made beside the running node name it."""
        async with self.database.write() as tx:
            await tx.execute("UPDATE sync_key SET port = ?1 WHERE port IS NOT ?1", (port,))

    async def pin(self, peer: Peer) -> None:
        """Let a machine in from now on; one that was known already keeps its history. ConflictError when full."""
        async with self.database.write() as tx:
            rows = await tx.execute_fetchall("SELECT count(*) FROM peers WHERE peer_id <> ?", (peer.peer_id,))
            if next(iter(rows))[0] >= PEERS_MAX:
                raise ConflictError(f"There is room for {PEERS_MAX} peers. Remove one first.")
            await tx.execute(
                "INSERT INTO peers (peer_id, certificate, name, node_index, role, photos, quota_mb, addresses,"
                " added_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (peer_id) DO UPDATE SET"
                " certificate = excluded.certificate, name = excluded.name, node_index = excluded.node_index,"
                " role = excluded.role, photos = excluded.photos, quota_mb = excluded.quota_mb,"
                " addresses = excluded.addresses",
                (
                    *(peer.peer_id, peer.certificate, peer.name, peer.index, peer.role, peer.photos, peer.quota_mb),
                    *("\n".join(peer.addresses), peer.added_ms),
                ),
            )

    async def remove(self, peer_id: bytes) -> None:
        """It gets in no more. NotFoundError when there is none of this id."""
        async with self.database.write() as tx:
            removed = await tx.execute("DELETE FROM peers WHERE peer_id = ?", (peer_id,))
            if removed.rowcount == 0:
                raise NotFoundError("There is no peer of this name.")

    async def all(self) -> list[Peer]:
        """All peers, by name."""
        rows = await self.database.read(f"SELECT {_COLUMNS} FROM peers ORDER BY name, peer_id")
        return [_peer(row) for row in rows]

    async def connected(self, peer_id: bytes, now_ms: int, *, replaces: bool = False) -> None:
        """A session with it stands; `replaces` when it took the place of one that stood."""
        await self._set(
            "connected_ms = ?1, seen_ms = ?1, fault = NULL, replaced = replaced + ?2", peer_id, now_ms, replaces
        )

    async def disconnected(self, peer_id: bytes, now_ms: int, fault: str | None) -> None:
        """The last session with it ended; `fault` is a sentence, None when the link was merely cut."""
        await self._set(
            "connected_ms = NULL, seen_ms = ?1, fault = ?2", peer_id, now_ms, fault and fault[:FAULT_CHARACTERS_MAX]
        )

    async def unreachable(self, peer_id: bytes, fault: str) -> None:
        """It could not be reached, and no session stands."""
        await self._set("fault = ?1", peer_id, fault[:FAULT_CHARACTERS_MAX], None)

    async def moved(self, peer_id: bytes, index: int) -> None:
        """It has another place in the roster: it was restored from a backup."""
        await self._set("node_index = ?1", peer_id, index, None)

    async def judged(self, peer_id: bytes, now_ms: int, *, proved: bool) -> None:
        """It answered a challenge: it holds what it said, or it doesn't."""
        await self._set("proved_ms = ?1" if proved else "unproved_ms = ?1", peer_id, now_ms, None)

    async def nobody_is_connected(self) -> None:
        """At a start: what a process said that was killed does not hold."""
        async with self.database.write() as tx:
            await tx.execute("UPDATE peers SET connected_ms = NULL WHERE connected_ms IS NOT NULL")

    async def invite(self, invitation: OpenInvitation, now_ms: int) -> None:
        """Remember an invitation. ConflictError when too many are out."""
        async with self.database.write() as tx:
            await tx.execute("DELETE FROM peer_invitations WHERE expires_ms <= ?", (now_ms,))
            rows = await tx.execute_fetchall("SELECT count(*) FROM peer_invitations WHERE spent_by IS NULL")
            if next(iter(rows))[0] >= INVITATIONS_MAX:
                raise ConflictError(f"{INVITATIONS_MAX} invitations are out already. Wait until one is used or old.")
            await tx.execute(
                "INSERT INTO peer_invitations (certificate, role, photos, quota_mb, expires_ms) VALUES (?, ?, ?, ?, ?)",
                (
                    *(invitation.certificate, invitation.role, invitation.photos, invitation.quota_mb),
                    invitation.expires_ms,
                ),
            )

    async def invitations(self, now_ms: int) -> list[OpenInvitation]:
        """Those that have not run out, used ones among them."""
        rows = await self.database.read(
            "SELECT certificate, role, photos, quota_mb, expires_ms, spent_by FROM peer_invitations"
            " WHERE expires_ms > ?",
            (now_ms,),
        )
        return [OpenInvitation(row[0], Role(row[1]), bool(row[2]), *row[3:]) for row in rows]

    async def spend(self, certificate: bytes, peer_id: bytes) -> None:
        """The invitation is this machine's from now on. ConflictError when another one used it."""
        async with self.database.write() as tx:
            spent = await tx.execute(
                "UPDATE peer_invitations SET spent_by = ?2 WHERE certificate = ?1"
                " AND (spent_by IS NULL OR spent_by = ?2)",
                (certificate, peer_id),
            )
            if spent.rowcount == 0:
                raise ConflictError("This invitation was used already, by another machine. Ask for a new one.")

    async def data_version(self) -> int:
        """Changes when anybody, this process or another, wrote something."""
        return await self.database.data_version()

    async def _set(self, columns: str, peer_id: bytes, *values: Any) -> None:
        async with self.database.write() as tx:
            await tx.execute(f"UPDATE peers SET {columns} WHERE peer_id = ?3", (*values, peer_id))


def find_peer(peers: Sequence[Peer], called: str) -> Peer:
    """The peer of this name, or whose id begins so. NotFoundError for none, ConflictError for several."""
    found = [peer for peer in peers if peer.name == called]
    found = found or [peer for peer in peers if len(called) >= 4 and peer.peer_id.hex().startswith(called.lower())]
    if not found:
        raise NotFoundError(f"There is no peer called {called!r}. `tntn peer list` names them.")
    if len(found) > 1:
        raise ConflictError(f"Several peers are called {called!r}. Take the beginning of the id in `tntn peer list`.")
    return found[0]


def _peer(row: Row) -> Peer:
    peer_id, certificate, name, index, role, photos, quota_mb, addresses, *rest = row
    return Peer(
        *(peer_id, certificate, name, index, Role(role), bool(photos), quota_mb),
        *(tuple(addresses.split("\n")) if addresses else (), *rest),
    )
