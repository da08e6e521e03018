"""Purses: who may spend how much of the hour's airtime, in each sub-band. Nothing is sent but through `pay`.

Alerts may spend all that the law leaves; what people write leaves a reserve for alerts; imports and repairs leave half
of the hour to people. Time is an argument. The counting of an hour is app/radio/airtime.py's.
"""

import math
from collections.abc import Iterable

import msgspec

from app.errors import ForbiddenError
from app.radio.airtime import HOUR_MS, AirtimeBudget, airtime_ms
from app.radio.parcel import Priority
from app.radio.regions import Band, Profile, band_of, check

RESERVES = {Priority.ALERT: 0.0, Priority.PEOPLE: 0.1, Priority.BACKGROUND: 0.5}
"""The share of the hour that must remain after a frame of each class: for those more urgent than it."""


class Spending(msgspec.Struct, frozen=True):
    """Airtime of one class, spent `ago_ms` ago or longer."""

    priority: Priority
    ago_ms: int
    ms: float


class _Frame(msgspec.Struct, frozen=True):
    """The last frame that was counted, and until when the radio was busy before it."""

    ms: float
    end_ms: int
    priority: Priority
    busy_until_ms: int | None


class Purses:
    """The airtime of one radio, sub-band by sub-band; a change of profile finds its old spending again."""

    def __init__(self) -> None:
        self._budgets: dict[Band, AirtimeBudget] = {}
        self._by_priority: dict[tuple[Band, Priority], AirtimeBudget] = {}
        self._busy_until_ms: dict[Band, int] = {}
        self._last: dict[Band, _Frame] = {}

    def pay(self, profile: Profile, payload_bytes: int, priority: Priority, now_ms: int) -> float:
        """Spends a frame's airtime and returns it, in ms. ForbiddenError with the reason when it may not go now."""
        ready_ms = self.ready_at_ms(profile, payload_bytes, priority, now_ms)
        if ready_ms is None:
            raise ForbiddenError(self._never(profile, payload_bytes, priority))
        if ready_ms > now_ms:
            seconds = math.ceil((ready_ms - now_ms) / 1000)
            raise ForbiddenError(f"The airtime of this hour is spent. The next frame may go in {seconds} s.")
        sent_ms = airtime_ms(profile.modulation, payload_bytes)
        self.spend(profile, sent_ms, priority, now_ms)
        return sent_ms

    def spend(self, profile: Profile, ms: float, priority: Priority, now_ms: int) -> None:
        """Counts a transmission that starts now, whatever it may. Ask first."""
        band = band_of(profile)
        end_ms = now_ms + math.ceil(ms)
        # Counted at its end: what began in one minute may end in the next, and leaves the hour only then.
        self._budget(band).spend(ms, end_ms)
        self._meter(band, priority).spend(ms, end_ms)
        self._last[band] = _Frame(ms, end_ms, priority, self._busy_until_ms.get(band))
        self._busy_until_ms[band] = end_ms

    def give_back(self, profile: Profile) -> float:
        """The last frame stayed here after all. Returns its airtime, 0 when it was given back before."""
        band = band_of(profile)
        last = self._last.pop(band, None)
        if last is None:
            return 0.0
        self._budget(band).give_back(last.ms, last.end_ms)
        self._meter(band, last.priority).give_back(last.ms, last.end_ms)
        del self._busy_until_ms[band]
        if last.busy_until_ms is not None:
            self._busy_until_ms[band] = last.busy_until_ms
        return last.ms

    def ready_at_ms(self, profile: Profile, payload_bytes: int, priority: Priority, now_ms: int) -> int | None:
        """When a frame may go: now or later; None when the region's rules or the reserve never let it."""
        if check(profile, payload_bytes) is not None:
            return None
        sent_ms = airtime_ms(profile.modulation, payload_bytes)
        return self.affordable_at_ms(profile, sent_ms, RESERVES[priority] * self.limit_ms(profile), now_ms)

    def affordable_at_ms(self, profile: Profile, ms: float, reserve_ms: float, now_ms: int) -> int | None:
        """When the hour lets so much go with the reserve left over; None if never."""
        band = band_of(profile)
        # One radio sends one frame at a time.
        start_ms = max(now_ms, self._busy_until_ms.get(band, now_ms))
        return self._budget(band).ready_at_ms(ms, start_ms, reserve_ms)

    def spent_ms(self, profile: Profile, now_ms: int) -> dict[Priority, float]:
        """Airtime of the last hour in the profile's sub-band, by class: for the picture on the keeper's page."""
        band = band_of(profile)
        return {priority: self._meter(band, priority).spent_ms(now_ms) for priority in Priority}

    def limit_ms(self, profile: Profile) -> float:
        """The hour's airtime in the profile's sub-band."""
        return self._budget(band_of(profile)).limit_ms

    def spending(self, profile: Profile, now_ms: int) -> list[Spending]:
        """The hour to be written down: `carry_over` takes it from there."""
        band = band_of(profile)
        return [
            Spending(priority, ago_ms, ms)
            for priority in Priority
            for ago_ms, ms in self._meter(band, priority).by_age(now_ms)
        ]

    def carry_over(self, profile: Profile, spending: Iterable[Spending], now_ms: int) -> None:
        """What a node wrote down before it stopped. Nobody knows how long it was off: it counts as if not at all."""
        band = band_of(profile)
        for spent in spending:
            self._budget(band).spend(spent.ms, now_ms - spent.ago_ms)
            self._meter(band, spent.priority).spend(spent.ms, now_ms - spent.ago_ms)

    def _budget(self, band: Band) -> AirtimeBudget:
        return self._budgets.setdefault(band, AirtimeBudget(band.share))

    def _meter(self, band: Band, priority: Priority) -> AirtimeBudget:
        return self._by_priority.setdefault((band, priority), AirtimeBudget(band.share))

    def _never(self, profile: Profile, payload_bytes: int, priority: Priority) -> str:
        reserve = RESERVES[priority]
        return check(profile, payload_bytes) or (
            f"This frame never fits: {reserve:.0%} of the hour's airtime is kept for what is more urgent."
        )


class Meter(AirtimeBudget):
    """The purses of one radio on its profile, in the shape in which the flooding machine asks for airtime.

    Radios differ in what goes before a frame on air, so the caller brings the milliseconds; whether a frame is lawful
    at all is `regions.check`'s to say. `Purses` outlives it: a change of profile finds its old spending again.
    `total_ms` is all that was ever spent through it.
    """

    def __init__(self, profile: Profile, purses: Purses | None = None) -> None:
        super().__init__(band_of(profile).share)
        self._profile = profile
        self._purses = purses or Purses()
        self.total_ms = 0.0

    def spend(self, ms: float, now_ms: int, purse: int = Priority.PEOPLE) -> None:
        """Counts a transmission that starts now, in its class's purse."""
        self.total_ms += ms
        self._purses.spend(self._profile, ms, Priority(purse), now_ms)

    def take_back(self) -> None:
        """The frame that was counted last did not go out."""
        self.total_ms -= self._purses.give_back(self._profile)

    def spending(self, now_ms: int) -> list[Spending]:
        """The hour to be written down."""
        return self._purses.spending(self._profile, now_ms)

    def carry_over(self, spending: Iterable[Spending], now_ms: int) -> None:
        """What was written down before the node stopped."""
        self._purses.carry_over(self._profile, spending, now_ms)

    @property
    def band(self) -> str:
        """The sub-band and whose rules hold there, as a name."""
        return f"{self._profile.region} {band_of(self._profile).name}"

    def spent_ms(self, now_ms: int) -> float:
        """Airtime of the last hour, all classes together."""
        return sum(self.by_priority(now_ms).values())

    def by_priority(self, now_ms: int) -> dict[Priority, float]:
        """Airtime of the last hour by class."""
        return self._purses.spent_ms(self._profile, now_ms)

    def ready_at_ms(self, ms: float, now_ms: int, reserve_ms: float = 0.0) -> int | None:
        """When `ms` can be spent with the reserve left over: now or later; None if it never fits."""
        return self._purses.affordable_at_ms(self._profile, ms, reserve_ms, now_ms)

    def reported(self, percent: float, now_ms: int) -> None:
        """What the radio says it spent of its last hour: what it repeats of itself counts against our airtime too."""
        unknown_ms = percent / 100 * HOUR_MS - self.spent_ms(now_ms)
        if unknown_ms > 0:
            self.spend(unknown_ms, now_ms)
