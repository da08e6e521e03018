"""The hour's airtime as it stood when it was last written down: how much of which class, and how long before that."""

from collections.abc import Iterable

import msgspec

from app.store.database import Database


class SpentAirtime(msgspec.Struct, frozen=True):
    """Airtime of one class, spent `ago_ms` before it was written down, or longer."""

    priority: int
    ago_ms: int
    ms: float


class AirtimeStore:
    """Reads and writes what was spent, sub-band by sub-band."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def spent(self, band: str) -> list[SpentAirtime]:
        """What was written down last of a sub-band."""
        rows = await self._database.read("SELECT class, ago_ms, ms FROM radio_airtime WHERE band = ?", (band,))
        return [SpentAirtime(*row) for row in rows]

    async def save(self, band: str, spent: Iterable[SpentAirtime]) -> None:
        """Write down all of a sub-band, in place of what stood there; the same class and age add up."""
        async with self._database.write() as tx:
            await tx.execute("DELETE FROM radio_airtime WHERE band = ?", (band,))
            await tx.executemany(
                "INSERT INTO radio_airtime VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET ms = ms + ?4",
                [(band, one.priority, one.ago_ms, one.ms) for one in spent],
            )
