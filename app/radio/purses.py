"""Purses: who may spend how much of the hour's airtime, in each sub-band. Nothing is sent but through `pay`.

Alerts may spend all that the law leaves; what people write leaves a reserve for alerts; imports and repairs leave half
of the hour to people. Time is an argument. The counting of an hour is app/radio/airtime.py's.
"""

import math
from collections.abc import Mapping

from app.errors import ForbiddenError
from app.radio.airtime import HOUR_MS, AirtimeBudget, airtime_ms
from app.radio.parcel import Priority
from app.radio.regions import Band, Profile, band_of, check

RESERVES = {Priority.ALERT: 0.0, Priority.PEOPLE: 0.1, Priority.BACKGROUND: 0.5}
"""The share of the hour that must remain after a frame of each class: for those more urgent than it."""


class Purses:
    """The airtime of one radio, sub-band by sub-band; a change of profile finds its old spending again."""

    def __init__(self) -> None:
        self._budgets: dict[Band, AirtimeBudget] = {}
        self._by_priority: dict[tuple[Band, Priority], AirtimeBudget] = {}
        self._busy_until_ms: dict[Band, int] = {}

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
        self._busy_until_ms[band] = end_ms

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

    def carry_over(self, profile: Profile, spent_ms: Mapping[Priority, float], now_ms: int) -> None:
        """What a node wrote down before it lost power. Its clock may have stood still: it counts as spent just now."""
        band = band_of(profile)
        for priority, ms in spent_ms.items():
            self._budget(band).spend(ms, now_ms)
            self._meter(band, priority).spend(ms, now_ms)

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
    """

    def __init__(self, profile: Profile, purses: Purses | None = None) -> None:
        super().__init__(band_of(profile).share)
        self._profile = profile
        self._purses = purses or Purses()

    def spend(self, ms: float, now_ms: int, purse: int = Priority.PEOPLE) -> None:
        """Counts a transmission that starts now, in its class's purse."""
        self._purses.spend(self._profile, ms, Priority(purse), now_ms)

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
