"""A peer that lies: an honest session whose messages are changed, repeated, left out, or invented on their way out."""

import random
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import inspect

from app.core.envelope import EnvelopeId
from app.errors import PeerError
from app.sync.effects import Effect, Send
from app.sync.message import Hello, Leaf, Message, Ranges, decode_body, encode_body
from tests.sync.drawing import MESSAGES
from tests.sync.sim import EPOCHS, End

MANY = 40


class LyingEnd(End):
    """The other side of an honest one. `rate`: how often it lies."""

    rate = 0.3
    lies = 0

    def _do(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send) and not isinstance(effect.message, Hello):
                for message in self._instead(effect.message):
                    super()._do([Send(message)])
            else:
                super()._do([effect])

    def choices(self) -> list[Callable[[], None]]:
        return [lambda happens=happens: self._whatever_comes(happens) for happens in super().choices()]  # type: ignore[misc]

    def _whatever_comes(self, happens: Callable[[], None]) -> None:
        """Its own lies confuse it, too."""
        try:
            happens()
        except (PeerError, AssertionError, KeyError):
            self.reads.clear()

    def _instead(self, message: Message) -> list[Message]:
        rng = self.world.rng
        if rng.random() >= self.rate:
            return [message]
        self.lies += 1
        return rng.choice((self._changed, self._twice, self._nothing, self._invented))(message)

    def _changed(self, message: Message) -> list[Message]:
        fields = inspect.type_info(type(message)).fields  # type: ignore[attr-defined]
        if not fields:
            return [message]
        field = self.world.rng.choice(fields)
        return [msgspec.structs.replace(message, **{field.name: invent(field.type, self.world.rng)})]

    def _twice(self, message: Message) -> list[Message]:
        return [message, message]

    def _nothing(self, _: Message) -> list[Message]:
        return []

    def _invented(self, message: Message) -> list[Message]:
        return [message, an_invention(self.world.rng)]


class GreedyEnd(LyingEnd):
    """Says in every check that it holds nothing at all, and takes whatever it is sent."""

    def _instead(self, message: Message) -> list[Message]:
        if not isinstance(message, Ranges):
            return [message]
        self.lies += 1
        return [Ranges(message.run, (), tuple(Leaf(epoch, 0, b"\0", b"\0", b"") for epoch in range(EPOCHS)), b"")]


def an_invention(rng: random.Random) -> Message:
    """Some message within all limits that its type states."""
    message: Message = decode_body(encode_body(invent(inspect.type_info(rng.choice(MESSAGES)), rng)))
    return message


def invent(info: Any, rng: random.Random) -> Any:
    """A value of this type."""
    value: Any
    match info:
        case inspect.IntType():
            most = info.le if info.le is not None else info.lt - 1  # type: ignore[operator]
            value = rng.choice((info.ge, most, rng.randint(info.ge, most), min(most, info.ge + rng.randrange(5))))  # type: ignore[arg-type,operator]
        case inspect.BytesType():
            least = info.min_length or 0
            value = rng.randbytes(rng.randint(least, min(info.max_length or MANY, least + rng.choice((0, 8, 2000)))))
        case inspect.StrType():
            value = "x" * rng.randint(0, info.max_length or 0)
        case inspect.BoolType():
            value = rng.random() < 0.5
        case inspect.NoneType():
            value = None
        case inspect.EnumType():
            value = rng.choice(list(info.cls))
        case inspect.UnionType():
            value = invent(rng.choice(info.types), rng)
        case inspect.VarTupleType():
            least = info.min_length or 0
            value = tuple(
                invent(info.item_type, rng)
                for _ in range(rng.randint(least, min(info.max_length or MANY, least + rng.choice((0, 3, MANY)))))
            )
        case inspect.StructType():
            value = info.cls(*[invent(field.type, rng) for field in info.fields])
        case _:
            raise AssertionError(info)
    return value


def held_by(end: End) -> set[EnvelopeId]:
    """What this side's node has now."""
    return set(end.node.names)
