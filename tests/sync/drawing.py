"""Any message, drawn from the limits that its type states."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from msgspec import inspect

from app.sync import message as wire

MESSAGES: tuple[type[Any], ...] = wire.Message.__args__


def messages(*kinds: type[Any]) -> st.SearchStrategy[Any]:
    """Messages of these kinds, or of all."""
    return st.one_of([_drawing(inspect.type_info(kind)) for kind in kinds or MESSAGES])


def _drawing(info: Any) -> st.SearchStrategy[Any]:
    return _DRAW[type(info)](info)


def _int(info: inspect.IntType) -> st.SearchStrategy[int]:
    most = info.le if info.le is not None else (info.lt or 0) - 1
    return st.integers(info.ge, most)


def _tuple(info: inspect.VarTupleType) -> st.SearchStrategy[tuple[Any, ...]]:
    least = info.min_length or 0
    return st.lists(_drawing(info.item_type), min_size=least, max_size=min(4, info.max_length or 4)).map(tuple)


def _bytes(info: inspect.BytesType) -> st.SearchStrategy[bytes]:
    least = info.min_length or 0
    return st.binary(min_size=least, max_size=min(least + 40, info.max_length or 40))


def _struct(info: inspect.StructType) -> st.SearchStrategy[Any]:
    return st.builds(info.cls, *[_drawing(field.type) for field in info.fields])


_DRAW: dict[type[Any], Callable[[Any], st.SearchStrategy[Any]]] = {
    inspect.IntType: _int,
    inspect.BytesType: _bytes,
    inspect.StrType: lambda info: st.text(max_size=info.max_length),
    inspect.BoolType: lambda _: st.booleans(),
    inspect.NoneType: lambda _: st.none(),
    inspect.EnumType: lambda info: st.sampled_from(list(info.cls)),
    inspect.UnionType: lambda info: st.one_of([_drawing(one) for one in info.types]),
    inspect.VarTupleType: _tuple,
    inspect.StructType: _struct,
}
