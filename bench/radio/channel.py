"""One channel with bare radios on a virtual clock, and what went over it. Who speaks on it is somebody else's."""

import heapq
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from app.radio.ether import Arrival, Ether, Outcome, Transmission, Tuning
from app.radio.profile import Profile
from app.radio.transceiver import Transceiver


class Speaker(Protocol):
    """Whoever has a radio."""

    radio: Transceiver

    def hear(self, arrival: Arrival) -> None: ...

    def finish(self) -> None: ...

    def step(self) -> None: ...

    def deadline_ms(self) -> int | None: ...


class Spent(msgspec.Struct, frozen=True):
    """What a stretch of time cost: bytes and ms on air, frames by what they carried, and bytes likewise."""

    frames: int
    bytes: int
    airtime_ms: float
    frames_by_kind: dict[str, int]
    bytes_by_kind: dict[str, int]


class Channel:
    """Speakers on one ether."""

    def __init__(
        self,
        profile: Profile,
        names: Sequence[str],
        losses_db: Mapping[tuple[str, str], float],
        rng: random.Random,
        frame_loss: float,
        kind_of: Callable[[bytes], str],
    ) -> None:
        self.profile = profile
        self.rng = rng
        self.now_ms = 0
        self.ether = Ether(losses_db, rng, frame_loss)
        tuning = Tuning(profile.frequency_hz, profile.modulation, profile.radio_dbm)
        self.radios = {name: Transceiver(name, self.ether, tuning, rng) for name in names}
        self.speakers: dict[str, Speaker] = {}
        self._kind_of = kind_of
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._queued = 0
        self._due: dict[str, int | None] = {}
        self._begin()

    def after(self, delay_ms: int, work: Callable[[], None]) -> None:
        """Do something later."""
        self._queued += 1
        heapq.heappush(self._queue, (self.now_ms + delay_ms, self._queued, work))

    def touch(self, name: str) -> None:
        """Something happened to this speaker: let it act now."""
        self._due[name] = self.now_ms

    def run(self, until: Callable[[], bool], limit_ms: int) -> bool:
        """Let time pass; whether it came so far."""
        end_ms = self.now_ms + limit_ms
        while not until():
            if self.now_ms >= end_ms:
                return False
            self._step()
            times = [due for due in self._due.values() if due is not None]
            times += [time for time in (self.ether.deadline_ms(),) if time is not None]
            times += [self._queue[0][0]] if self._queue else []
            self.now_ms = max(self.now_ms, min([*times, end_ms]))
        return True

    def run_for(self, ms: int) -> None:
        """Let so much time pass."""
        end_ms = self.now_ms + ms
        self.run(lambda: self.now_ms >= end_ms, ms + 1)

    def take_spent(self) -> Spent:
        """What went over the air since the last call."""
        spent = Spent(
            self._frames.total(), self._bytes.total(), self._airtime_ms, dict(self._frames), dict(self._bytes)
        )
        self._begin()
        return spent

    def _begin(self) -> None:
        self._airtime_ms = 0.0
        self._frames: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()

    def _step(self) -> None:
        while self._queue and self._queue[0][0] <= self.now_ms:
            heapq.heappop(self._queue)[2]()
        for transmission, arrivals in self.ether.poll(self.now_ms):
            self._land(transmission, arrivals)
        for name, due_ms in list(self._due.items()):
            if due_ms is not None and due_ms <= self.now_ms:
                self._serve(name)

    def _land(self, transmission: Transmission, arrivals: list[Arrival]) -> None:
        kind = self._kind_of(transmission.packet)
        self._frames[kind] += 1
        self._bytes[kind] += len(transmission.packet)
        self._airtime_ms += transmission.airtime_ms
        self.radios[transmission.sender].finish()
        self.speakers[transmission.sender].finish()
        self.touch(transmission.sender)
        for arrival in arrivals:
            if arrival.outcome is Outcome.HEARD:
                self.speakers[arrival.receiver].hear(arrival)
                self.touch(arrival.receiver)

    def _serve(self, name: str) -> None:
        speaker, radio = self.speakers[name], self.radios[name]
        speaker.step()
        radio.poll(self.now_ms)
        times = [radio.deadline_ms(), speaker.deadline_ms() if radio.is_clear else None]
        due_ms = min((time for time in times if time is not None), default=None)
        self._due[name] = None if due_ms is None else max(due_ms, self.now_ms + 1)
