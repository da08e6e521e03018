"""A blind node's log behind the seam of sync: what the hint knows as the community's is stored as it comes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from app.core.bodies import NODE_INDEX_MAX
from app.core.envelope import EnvelopeId, check_size, envelope_id, epoch_of
from app.core.keys import EpochKeys
from app.core.record import decode_byte0
from app.errors import DecodeError
from app.radio.frame import LOG_NUMBER_MAX
from app.radio.span import Span, common, minus
from app.store.blind import BlindStore, Held
from app.sync.log import Placed, Vector

FIND_MAX = 250
"""Names in one query; SQLite takes 32,766 values."""
NAMES_PER_READ = 20_000
"""A few MB of rows at a time; all names of a million envelopes are 16 MB once packed."""
_NUMBERS = (Span(1, LOG_NUMBER_MAX),)


class BlindLog:
    """The `Log` of a node that has K_relay and K_link only. `epochs` newest first."""

    def __init__(self, store: BlindStore, epochs: Sequence[EpochKeys]) -> None:
        self._store = store
        self._epochs = tuple(epochs)
        self._cached_vector: tuple[int, Vector] | None = None
        self._cached_keys: tuple[int, Mapping[int, bytes]] | None = None

    def learn(self, epochs: Sequence[EpochKeys]) -> None:
        """From now on these are the epochs, newest first."""
        self._epochs = tuple(epochs)

    async def append(self, arrived: Sequence[Placed], via: int) -> Sequence[bool]:
        checked = [self._check(placed) for placed in arrived]
        ours = [held for held in checked if held is not None]
        stored = iter(await self._store.append(ours) if ours else ())
        return [held is not None and next(stored) for held in checked]

    async def vector(self) -> Vector:
        version = await self._store.database.data_version()
        if self._cached_vector is None or self._cached_vector[0] != version:
            self._cached_vector = version, await self._store.runs()
        return self._cached_vector[1]

    async def missing(self, theirs: Vector) -> Vector:
        ours = await self.vector()
        lacking = {
            index: minus(common(spans, _NUMBERS), ours.get(index, ()))
            for index, spans in theirs.items()
            if 0 <= index <= NODE_INDEX_MAX
        }
        return {index: spans for index, spans in lacking.items() if spans}

    async def get(self, index: int, span: Span, limit: int) -> Sequence[Placed]:
        return [Placed(index, number, envelope) for number, envelope in await self._store.within(index, span, limit)]

    async def drop(self, index: int, span: Span) -> None:
        await self._store.drop(index, span)

    async def keys(self) -> Mapping[int, bytes]:
        version = await self._store.database.data_version()
        if self._cached_keys is None or self._cached_keys[0] != version:
            packed: dict[int, bytearray] = defaultdict(bytearray)
            names = await self._store.names(b"", NAMES_PER_READ)
            while names:
                for epoch, name in names:
                    packed[epoch] += name
                names = await self._store.names(names[-1][1], NAMES_PER_READ)
            self._cached_keys = version, {epoch: bytes(ids) for epoch, ids in packed.items()}
        return self._cached_keys[1]

    async def find(self, ids: Sequence[EnvelopeId]) -> Sequence[Placed]:
        found: list[Placed] = []
        for start in range(0, len(ids), FIND_MAX):
            found += [Placed(*row) for row in await self._store.named(ids[start : start + FIND_MAX])]
        return found

    def _check(self, placed: Placed) -> Held | None:
        """The envelope with its epoch; None for what cannot be one, or is somebody else's."""
        if not (0 <= placed.index <= NODE_INDEX_MAX and 1 <= placed.number <= LOG_NUMBER_MAX):
            return None
        try:
            check_size(placed.envelope)
            lifetime = decode_byte0(placed.envelope[0])
        except DecodeError:
            return None
        epoch = epoch_of(placed.envelope, self._epochs)
        if epoch is None:
            return None
        name = envelope_id(placed.envelope)
        return Held(name, placed.envelope, epoch, lifetime, placed.index, placed.number)
