"""What happens to a village besides bad hours: a node is copied, a season passes, somebody joins late."""

import shutil
from typing import TYPE_CHECKING

from app.clock import MINUTE_MS, minutes_of
from app.core.record import Kind, Lifetime
from tests.people import Person
from tests.sim.station import Station

if TYPE_CHECKING:
    from tests.sim.village import Village

COPY, NEWCOMER = "copy", "newcomer"
"""Names of the stations that are added."""
DAY_MS = 24 * 60 * MINUTE_MS
AGAIN_MS = 10 * MINUTE_MS
OFF = 0.3
"""The share of stations that are off for the season: time off does not count as lived, so they keep things longer."""


async def copy_station(village: "Village") -> None:
    """A keeper restores a backup on a second Pi and lets both run: one key, one index, the same log numbers.

    The copy stands at the end of the road, beside the last station. That is not the one that is copied: each of the two
    takes the other's frames for echoes of its own, and learns of what the other has from a third.
    """
    original = village.rng.choice(village.stations[:-1])
    if not original.is_on:
        village.after(AGAIN_MS, lambda: copy_station(village))
        return
    await original.cut()
    twin = Station(village, original.index, COPY, village.folder / COPY, original.seed)
    shutil.copytree(original.folder, twin.folder)
    if village.is_healing:
        twin.clock.off_ms = 0
    village.copied = original.index
    village.stations.append(twin)
    village.log(f"{original.name} is copied: both run now")
    for station in (original, twin):
        await station.start()
        phone = Person(village.space_id, f"Phone of {station.name}", village.rng.randbytes(32))
        village.write(phone.introduce(minutes_of(village.wall_ms)), station, 1_000)
        text = f"Written at {station.name}".encode()
        minutes = minutes_of(village.wall_ms)
        village.write(phone.say(Kind.POST, text, Lifetime.LONG, minutes).encode(), station, 2_000)


async def pass_season(village: "Village", days: int) -> None:
    """Nothing is said for so long; then somebody joins, and all write on. What is over goes, and nothing else."""
    on = [station for station in village.stations if village.rng.random() >= OFF]
    for station in village.stations:
        if station not in on:
            await station.cut()
    soon_ms = village.now_ms + (days - 1) * DAY_MS
    over = {name for name, end_ms in village.claims_ms.items() if max(end_ms, village.ends_ms[name] or 0) < soon_ms}
    village.now_ms += days * DAY_MS
    village.log(f"{days} days pass; {len(over)} envelopes are over")
    for station in village.stations:
        if station not in on:
            await station.start()
    for station in on:
        await station.expire()
        left = over & station.held.keys() - {await station.newest()}
        village.require(not left, f"{station.name} still holds {len(left)} envelopes that are over")
    await _join(village)
    for station in village.stations:
        phone = Person(village.space_id, f"Spring at {station.name}", village.rng.randbytes(32))
        village.write(phone.introduce(minutes_of(village.wall_ms)), station, village.rng.randrange(60_000))


async def _join(village: "Village") -> None:
    index = len(village.roster)
    newcomer = Station(village, index, NEWCOMER, village.folder / NEWCOMER, village.rng.randbytes(32))
    newcomer.clock.off_ms = 0
    await newcomer.found()
    village.stations.append(newcomer)
    await newcomer.start()
    await newcomer.introduce()
