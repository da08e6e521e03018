"""A member's log behind the seam of sync: reads from the store, and the door for all that arrives."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from app.acceptance import Acceptance, Door, Outcome
from app.core.bodies import NODE_INDEX_MAX
from app.core.envelope import ENVELOPE_ID_BYTES, EnvelopeId, envelope_id, epoch_of
from app.core.keys import EpochKeys
from app.errors import DecodeError
from app.radio.frame import LOG_NUMBER_MAX
from app.radio.span import Span, Spans, common, minus, normal
from app.store import Store
from app.store.envelopes import Origin
from app.sync.log import Placed, Vector

SOURCE = "sync"
FULL = "limit"
"""The door's word for what it has no room for now: that may come again."""
FIND_MAX = 250
"""Names in one query; SQLite takes 32,766 values."""
NAMES_PER_READ = 20_000
"""A few MB of rows at a time; all names of a million envelopes are 16 MB once packed."""
UNWANTED_MAX = 10_000
"""Envelopes that were refused, by name: a blind peer cannot know that they are forged, and must not offer them anew."""


class MemberLog:
    """The `Log` of a node that has the community's key. `on_own_ahead` is told of own numbers that it does not know."""

    def __init__(
        self,
        store: Store,
        door: Door,
        epochs: Sequence[EpochKeys],
        me: int,
        on_own_ahead: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._door = door
        self._epochs = epochs
        self._me = me
        self._on_own_ahead = on_own_ahead
        self._unwanted: dict[EnvelopeId, int] = {}
        self._cached_vector: tuple[int, Vector] | None = None
        self._cached_keys: tuple[int, Mapping[int, bytes]] | None = None

    async def append(self, arrived: Sequence[Placed], via: int) -> Sequence[bool]:
        fresh = [placed for placed in arrived if envelope_id(placed.envelope) not in self._unwanted]
        origins = [Origin(SOURCE, placed.index, placed.number, via) for placed in fresh]
        answers = await self._door.accept_all(
            [(placed.envelope, origin) for placed, origin in zip(fresh, origins, strict=True)]
        )
        held = {id(placed): _is_held(answer) for placed, answer in zip(fresh, answers, strict=True)}
        for placed, answer in zip(fresh, answers, strict=True):
            if not _is_held(answer) and not (isinstance(answer, DecodeError) and answer.code == FULL):
                self._forget(placed.envelope)
        return [held.get(id(placed), False) for placed in arrived]

    async def vector(self) -> Vector:
        version = await self._store.database.data_version()
        if self._cached_vector is None or self._cached_vector[0] != version:
            runs: dict[int, list[Span]] = defaultdict(list)
            for index, first, last in await self._store.log.runs():
                runs[index].append(Span(first, last))
            self._cached_vector = version, {index: normal(spans) for index, spans in runs.items()}
        return self._cached_vector[1]

    async def missing(self, theirs: Vector) -> Vector:
        ours = await self.vector()
        lacking = {
            index: minus(common(spans, (Span(1, LOG_NUMBER_MAX),)), ours.get(index, ()))
            for index, spans in theirs.items()
            if 0 <= index <= NODE_INDEX_MAX
        }
        self._watch_own(theirs, ours)
        return {index: spans for index, spans in lacking.items() if spans}

    async def get(self, index: int, span: Span, limit: int) -> Sequence[Placed]:
        found = await self._store.log.within(index, span.first, span.last, limit)
        return [Placed(index, number, envelope) for number, envelope in found]

    async def drop(self, index: int, span: Span) -> None:
        await self._store.log.let_go(index, span.first, span.last)

    async def keys(self) -> Mapping[int, bytes]:
        version = await self._store.database.data_version()
        if self._cached_keys is None or self._cached_keys[0] != version:
            packed: dict[int, bytearray] = defaultdict(bytearray)
            names = await self._store.log.names(b"", NAMES_PER_READ)
            while names:
                for epoch, name in names:
                    packed[epoch] += name
                names = await self._store.log.names(names[-1][1], NAMES_PER_READ)
            keys = {epoch: bytes(ids) for epoch, ids in packed.items()}
            for epoch, also in (await self._others()).items():
                keys[epoch] = _merged(keys.get(epoch, b""), also)
            self._cached_keys = version, keys
        return self._cached_keys[1]

    async def find(self, ids: Sequence[EnvelopeId]) -> Sequence[Placed]:
        found: list[Placed] = []
        for start in range(0, len(ids), FIND_MAX):
            found += [Placed(*row) for row in await self._store.log.named(ids[start : start + FIND_MAX])]
        return found

    async def _others(self) -> dict[int, set[bytes]]:
        """What is here, or known, and not among the stored ones: by epoch, the names."""
        others: dict[int, set[bytes]] = defaultdict(set)
        for envelope in await self._store.log.parked():
            epoch = epoch_of(envelope, self._epochs)
            if epoch is not None:
                others[epoch].add(envelope_id(envelope))
        for name, epoch in self._unwanted.items():
            others[epoch].add(name)
        return others

    def _forget(self, envelope: bytes) -> None:
        """Refused for good, or over: counted as known in the check, so that it is not sent each time."""
        epoch = epoch_of(envelope, self._epochs)
        if epoch is not None and len(self._unwanted) < UNWANTED_MAX:
            self._unwanted[envelope_id(envelope)] = epoch
            self._cached_keys = None

    def _watch_own(self, theirs: Vector, ours: Vector) -> None:
        highest = _highest(theirs.get(self._me, ()))
        if highest > _highest(ours.get(self._me, ())):
            self._on_own_ahead(highest)


def _is_held(answer: Acceptance | DecodeError) -> bool:
    return isinstance(answer, Acceptance) and answer.outcome is not Outcome.OVER


def _merged(packed: bytes, also: set[bytes]) -> bytes:
    names = {packed[at : at + ENVELOPE_ID_BYTES] for at in range(0, len(packed), ENVELOPE_ID_BYTES)}
    return b"".join(sorted(names | also))


def _highest(spans: Spans) -> int:
    return spans[-1].last if spans else 0
