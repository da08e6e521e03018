"""The keeper's one-time links and sessions. Only hashes of tokens are stored."""

import hashlib

from app.store.database import Database

LINK_MS = 24 * 3_600_000
"""A link that was printed and forgotten is dead after a day."""
SESSION_MS = 12 * 3_600_000
SESSIONS_MAX = 16
"""More than a keeper has screens; the oldest goes."""


class KeeperStore:
    """Links are redeemed once for a session; both run out by themselves."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_link(self, token: str, now_ms: int) -> None:
        """Remember a fresh one-time token."""
        async with self._database.write() as tx:
            await tx.execute("DELETE FROM keeper_links WHERE expires_ms <= ?", (now_ms,))
            await tx.execute("INSERT INTO keeper_links VALUES (?, ?)", (_hashed(token), now_ms + LINK_MS))

    async def redeem(self, token: str, session: str, now_ms: int) -> bool:
        """Exchange the link's token for a session token; False when it was used before, ran out, or never was."""
        async with self._database.write() as tx:
            rows = await tx.execute_fetchall(
                "DELETE FROM keeper_links WHERE token_hash = ? RETURNING expires_ms", (_hashed(token),)
            )
            if not any(expires_ms > now_ms for (expires_ms,) in rows):
                return False
            await tx.execute("INSERT INTO keeper_sessions VALUES (?, ?)", (_hashed(session), now_ms + SESSION_MS))
            await tx.execute(
                "DELETE FROM keeper_sessions WHERE token_hash NOT IN"
                " (SELECT token_hash FROM keeper_sessions WHERE expires_ms > ? ORDER BY expires_ms DESC LIMIT ?)",
                (now_ms, SESSIONS_MAX),
            )
            return True

    async def is_open(self, session: str, now_ms: int) -> bool:
        """True while this session may act."""
        row = await self._database.read_one(
            "SELECT 1 FROM keeper_sessions WHERE token_hash = ? AND expires_ms > ?",
            (_hashed(session), now_ms),
        )
        return row is not None

    async def close(self, session: str) -> None:
        async with self._database.write() as tx:
            await tx.execute("DELETE FROM keeper_sessions WHERE token_hash = ?", (_hashed(session),))


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
