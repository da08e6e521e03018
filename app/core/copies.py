"""How safe what is here is: how many machines hold it, in one sentence and as parts of a plot. Pure."""

from collections.abc import Mapping

import msgspec

Copies = Mapping[int, int]
"""By the number of machines that hold it, this node counted: how many things there are."""
SAFE = 3
"""From here on one fire and one broken disk at a time cost nothing."""


class Part(msgspec.Struct, frozen=True):
    """Things with the same number of copies; the last part stands for `SAFE` and more. `percent` is of all things."""

    copies: int
    count: int
    percent: float
    words: str


def sentence(records: Copies, photos: Copies) -> str:
    """“Everything is on 3 machines; 12 photos on 2.”"""
    there = [count for kinds in (records, photos) for count, things in kinds.items() if things]
    if not there:
        return "There is nothing to keep yet."
    usual = max({*there}, key=lambda count: (records.get(count, 0) + photos.get(count, 0), count))
    rest = [
        f"{_counted(things, kind)} {_on(count)}"
        for kind, kinds in (("record", records), ("photo", photos))
        for count, things in sorted(kinds.items())
        if things and count < usual
    ]
    more = " or more" if max(there) > usual else ""
    return f"Everything is {_on(usual)}{more}" + "".join(f"; {words}" for words in rest) + "."


def parts(kinds: Copies, kind: str) -> list[Part]:
    """The plot's parts, fewest copies first; none where there is nothing."""
    total = sum(kinds.values())
    counts = [(copies, kinds.get(copies, 0)) for copies in range(1, SAFE)]
    counts.append((SAFE, sum(things for copies, things in kinds.items() if copies >= SAFE)))
    return [
        Part(copies, things, round(100 * things / total, 1), f"{_counted(things, kind)} {_on(copies)}{_more(copies)}")
        for copies, things in counts
        if things
    ]


def _more(copies: int) -> str:
    return " or more" if copies == SAFE else ""


def _on(copies: int) -> str:
    return "on this node alone" if copies == 1 else f"on {copies} machines"


def _counted(things: int, kind: str) -> str:
    return f"{things:,} {kind}{'' if things == 1 else 's'}"
