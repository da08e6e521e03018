"""Counts that may be told to anybody: rounded, so that nobody can be picked out of them (DESIGN §10)."""

import msgspec

ROUNDED_TO = 5
"""No count is nearer than this, and none below it is told at all."""


class Crowd(msgspec.Struct, frozen=True):
    """How many there are, roughly. `about` is None where there are fewer than five, none among them."""

    about: int | None

    @property
    def words(self) -> str:
        """“about 15”, “fewer than 5”."""
        return f"fewer than {ROUNDED_TO}" if self.about is None else f"about {self.about:,}"


def crowd_of(count: int) -> Crowd:
    """The count, to the nearest five."""
    return Crowd(None if count < ROUNDED_TO else (count + ROUNDED_TO // 2) // ROUNDED_TO * ROUNDED_TO)
