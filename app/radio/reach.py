"""Reach: which of the neighbors hear each other, by the lists that they told. Pure; a part of the flooding machine.

Spec: docs/protocol/radio.md, "Hellos".
"""

from collections.abc import Iterable

from app.radio.frame import NodeIndex

LISTS_MIN = 3
CENTRAL = 0.75
"""Whom so many of the neighbors hear, by the lists that came, is heard by the others as well: lists get lost too."""


class Reach:
    """The lists of all neighbors."""

    def __init__(self) -> None:
        self._hears: dict[NodeIndex, frozenset[NodeIndex]] = {}

    def hear(self, node: NodeIndex, listed: frozenset[NodeIndex]) -> None:
        """A node told whom it hears."""
        self._hears[node] = listed

    def are_near(self, one: NodeIndex, other: NodeIndex) -> bool:
        """Whether they hear each other: links mostly go both ways."""
        if one == other or other in self._hears.get(one, ()) or one in self._hears.get(other, ()):
            return True
        return self._is_central(one) and self._is_central(other)

    def far_from(self, said: Iterable[NodeIndex], nodes: Iterable[NodeIndex]) -> frozenset[NodeIndex]:
        """Those of the nodes that none of those who said something reaches."""
        speakers = tuple(said)
        return frozenset(node for node in nodes if not any(self.are_near(node, speaker) for speaker in speakers))

    def _is_central(self, node: NodeIndex) -> bool:
        lists = [listed for teller, listed in self._hears.items() if teller != node]
        return len(lists) >= LISTS_MIN and sum(node in listed for listed in lists) >= CENTRAL * len(lists)
