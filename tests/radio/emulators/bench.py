"""A bench: any dialects before any emulated radios, on one ether and one virtual clock."""

import random
from collections.abc import Mapping
from typing import Any, Protocol

from app.radio.dialects.dialect import Dialect, Event, Heard, Sent
from app.radio.ether import Arrival, Ether, Transmission
from app.radio.field import Field, line


class Emulator(Protocol):
    """The surface that `Field` drives."""

    name: str
    violations: list[str]

    def receive(self, data: bytes) -> None: ...
    def output(self) -> bytes: ...
    def poll(self, now_ms: float) -> None: ...
    def deadline_ms(self, now_ms: float) -> int | None: ...
    def finish(self) -> None: ...
    def hear(self, arrival: Arrival) -> None: ...


class Station:
    """A dialect with its radio."""

    def __init__(self, dialect: Dialect, radio: Any) -> None:
        self.dialect = dialect
        self.radio = radio
        self.events: list[Event] = []
        self.is_plugged_in = False

    @property
    def heard(self) -> list[bytes]:
        return [event.frame for event in self.events if isinstance(event, Heard)]

    @property
    def sent(self) -> list[bool]:
        return [event.ok for event in self.events if isinstance(event, Sent)]


class Bench:
    """Stations by name. `cut` delivers the radios' bytes in random pieces, as a serial port may."""

    def __init__(
        self,
        names: list[str],
        *,
        seed: int = 1,
        loss_db: Mapping[tuple[str, str], float] | None = None,
        cut: bool = False,
        frame_loss: float = 0.0,
    ) -> None:
        self.rng = random.Random(seed)
        self.now_ms = 0
        self.stations: dict[str, Station] = {}
        self.transmissions: list[Transmission] = []
        self._cut = cut
        self._field = Field([], line(names, 110.0) if loss_db is None else loss_db, self.rng, frame_loss)

    @property
    def ether(self) -> Ether:
        return self._field.ether

    def add(self, dialect: Dialect, radio: Any) -> Station:
        """Put a dialect before a radio and plug it in."""
        station = Station(dialect, radio)
        self.stations[radio.name] = station
        self._field.modems[radio.name] = radio
        self.plug_in(station)
        return station

    def plug_in(self, station: Station) -> None:
        station.is_plugged_in = True
        station.dialect.open(self.now_ms)

    def pull_out(self, station: Station) -> None:
        station.is_plugged_in = False
        station.dialect.close()
        station.events += station.dialect.events()

    def pull_out_quietly(self, station: Station) -> None:
        """The line is dead, and nobody has noticed."""
        station.is_plugged_in = False

    def run(self, ms: int) -> None:
        """Let this much time pass."""
        until_ms = self.now_ms + ms
        while True:
            self._carry()
            due_ms = self._deadline_ms()
            if self.now_ms >= until_ms:
                return
            self.now_ms = min(until_ms, max(self.now_ms + 1, until_ms if due_ms is None else due_ms))

    def _carry(self) -> None:
        for _ in range(3):  # question, answer, and what follows at once
            for station in self.stations.values():
                if station.is_plugged_in:
                    station.radio.receive(station.dialect.poll(self.now_ms))
            self.transmissions += [transmission for transmission, _ in self._field.poll(self.now_ms)]
            for station in self.stations.values():
                data = station.radio.output()
                if station.is_plugged_in:
                    for piece in self._pieces(data):
                        station.dialect.receive(piece, self.now_ms)
                    station.events += station.dialect.events()

    def _pieces(self, data: bytes) -> list[bytes]:
        if not self._cut:
            return [data]
        pieces = []
        while data:
            size = self.rng.randrange(1, 9)
            pieces.append(data[:size])
            data = data[size:]
        return pieces

    def _deadline_ms(self) -> int | None:
        plugged_in = [station.dialect for station in self.stations.values() if station.is_plugged_in]
        deadlines = [self._field.deadline_ms(self.now_ms), *(dialect.deadline_ms() for dialect in plugged_in)]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)
