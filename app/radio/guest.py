"""What a node does in another network, while its radio is a guest there: texts, weather, announcements. A shell.

Texts of neighbors become notes on the bulletin board, stations' readings an hourly report; and when the keeper turned
that on, the titles of notices that entered here are said aloud. All of it is rate-limited, and waits behind people.
"""

import asyncio
import logging
import random
from collections import deque

import msgspec

from app.acceptance import WEATHER_SOURCE, Draft
from app.clock import minutes_of
from app.core import overheard
from app.core.record import Kind, Lifetime
from app.core.weather import Quantity, Stations, WeatherReport, decode_report
from app.errors import StoreError
from app.founding import Node
from app.radio.dialects.dialect import TelemetryHeard, TextHeard, WeatherReading
from app.radio.dialects.meshtastic import MeshtasticSettings
from app.radio.notes import Note, Notes
from app.store.envelopes import Entry

LOOK_S = 5.0
"""How often it is looked what is due."""
REPORT_DELAY_MINUTES = 10
"""Several nodes hear the same station: each waits a while of its own, and looks whether another has reported."""
ANNOUNCEMENTS_MAX = 16
"""Titles that wait to be said; beyond it the oldest is left out: it stands on the board all the same."""

_QUANTITIES = {
    "temperature_c": Quantity.TEMPERATURE,
    "humidity_percent": Quantity.HUMIDITY,
    "pressure_hpa": Quantity.PRESSURE,
    "illuminance_lux": Quantity.ILLUMINANCE,
    "wind_direction_deg": Quantity.WIND_DIRECTION,
    "wind_speed_m_s": Quantity.WIND_SPEED,
    "wind_gust_m_s": Quantity.WIND_GUST,
    "wind_lull_m_s": Quantity.WIND_LULL,
    "rain_1h_mm": Quantity.RAIN_1H,
    "rain_24h_mm": Quantity.RAIN_24H,
    "radiation_ur_h": Quantity.RADIATION,
    "soil_moisture_percent": Quantity.SOIL_MOISTURE,
    "soil_temperature_c": Quantity.SOIL_TEMPERATURE,
}
_log = logging.getLogger(__name__)


class Guest:
    """The other network's news for one node, and the node's for the other network."""

    def __init__(
        self, node: Node, rng: random.Random, look_s: float = LOOK_S, wake: asyncio.Event | None = None
    ) -> None:
        self.settings = MeshtasticSettings()
        self._wake = wake
        self._node = node
        self._notes = Notes(rng)
        self._stations = Stations()
        self._announcements: deque[str] = deque(maxlen=ANNOUNCEMENTS_MAX)
        self._look_s = look_s
        self._delay_minutes = rng.randrange(REPORT_DELAY_MINUTES)

    def hear(self, event: TextHeard | TelemetryHeard, now_ms: int) -> str | None:
        """None when it is taken, else why not, in a word."""
        match event:
            case TextHeard():
                return self._notes.hear(event, now_ms)
            case TelemetryHeard(sender, name, _, reading):
                # Stations' clocks are often wrong; a reading is from when it was heard.
                minutes = minutes_of(self._node.clock.now_ms())
                is_taken = self._stations.hear(f"!{sender:08x}", name, values_of(reading), minutes)
                return None if is_taken else "weather"

    async def offer(self, entry: Entry) -> None:
        """A new entry of the store: what a person wrote at this node is worth an announcement."""
        is_own = entry.entry_index == self._node.identity.index
        if not (self.settings.announces and is_own and entry.kind == Kind.POST and not entry.background):
            return
        standing = await self._node.store.boards.get(entry.record_id)
        if standing is not None and standing.ref is None:
            self._announcements.append(f"{standing.title} – {standing.author}")

    def next_announcement(self) -> str | None:
        """The next text to say, if there is one."""
        return self._announcements[0] if self._announcements else None

    def announced(self) -> None:
        """It was said."""
        self._announcements.popleft()

    async def run(self) -> None:
        """Put up what is due, until cancelled."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                _log.error("What the radio heard was not put up: %s", error.message)
            await asyncio.sleep(self._look_s)

    async def look(self) -> None:
        """Put up what is due now."""
        await self.read_settings()
        clock = self._node.clock
        drafts = [await self._note(note) for note in self._notes.take(clock.monotonic_ms())]
        reports = self._stations.take(minutes_of(clock.now_ms()) - self._delay_minutes)
        drafts += [await self._report(report) for report in reports]
        new = [draft for draft in drafts if draft is not None]
        if new:
            await self._node.door.publish(new, "meshtastic")

    async def read_settings(self) -> None:
        """What the keeper chose; the radio takes over what has changed."""
        identity = await self._node.store.node.identity()
        if identity is None:
            return
        channel, hops, announces = identity.meshtastic_channel, identity.meshtastic_hops, identity.radio_announces
        settings = MeshtasticSettings(channel, hops, announces=announces)
        if settings != self.settings:
            self.settings = settings
            if self._wake is not None:
                self._wake.set()

    async def _note(self, note: Note) -> Draft | None:
        """None when another node has put it up. If both did, the boards show one."""
        if note.source_id in await self._node.store.boards.imported(overheard.SOURCE):
            return None
        return Draft(Kind.POST, Lifetime.SHORT, note.body.encode())

    async def _report(self, report: WeatherReport) -> Draft | None:
        """None when another node has reported that hour."""
        known = (await self._node.store.boards.imported(WEATHER_SOURCE)).get(report.station)
        if known is not None and decode_report(known[1]).hour >= report.hour:
            return None
        return Draft(Kind.READING, Lifetime.NORMAL, report.encode())


def values_of(reading: WeatherReading) -> dict[Quantity, float]:
    """What a sensor said, by quantity."""
    values = msgspec.structs.asdict(reading)
    return {quantity: values[name] for name, quantity in _QUANTITIES.items() if values[name] is not None}
