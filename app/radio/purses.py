"""Purses: who may spend how much of the hour's airtime, in each sub-band. Nothing is sent but through `pay`.

Alerts may spend all that the law leaves; what people write leaves a reserve for alerts; imports and repairs leave half
of the hour to people. Time is an argument. The counting of an hour is app/radio/airtime.py's.
"""

import math
from collections.abc import Mapping

from app.errors import ForbiddenError
from app.radio.airtime import AirtimeBudget, airtime_ms
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
        band, sent_ms = band_of(profile), airtime_ms(profile.modulation, payload_bytes)
        end_ms = now_ms + math.ceil(sent_ms)
        # Counted at its end: what began in one minute may end in the next, and leaves the hour only then.
        self._budget(band).spend(sent_ms, end_ms)
        self._meter(band, priority).spend(sent_ms, end_ms)
        self._busy_until_ms[band] = end_ms
        return sent_ms

    def ready_at_ms(self, profile: Profile, payload_bytes: int, priority: Priority, now_ms: int) -> int | None:
        """When a frame may go: now or later; None when the region's rules or the reserve never let it."""
        if check(profile, payload_bytes) is not None:
            return None
        band = band_of(profile)
        budget = self._budget(band)
        # One radio sends one frame at a time.
        start_ms = max(now_ms, self._busy_until_ms.get(band, now_ms))
        sent_ms = airtime_ms(profile.modulation, payload_bytes)
        return budget.ready_at_ms(sent_ms, start_ms, RESERVES[priority] * budget.limit_ms)

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
