"""Requests, gone runs and requests by name: exact encodings, limits that hold, total decoders."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DecodeError
from app.radio.control import BODY_BYTES_MAX
from app.radio.frame import LOG_NUMBER_MAX
from app.radio.request import (
    ANSWER_ENTRIES_MAX,
    ANYONE,
    COMPARE_FRAMES_MAX,
    COMPARE_HAVE_MAX,
    KEY_BYTES,
    REQUEST_BODY_BYTES_MAX,
    REQUEST_NUMBERS_MAX,
    REQUEST_RUNS_MAX,
    WANTED_KEYS_MAX,
    Compare,
    Gone,
    Request,
    Wanted,
    decode_compare,
    decode_gone,
    decode_request,
    decode_wanted,
    encode_compare,
    encode_gone,
    encode_request,
    encode_wanted,
    fitted,
    spans_of,
)
from app.radio.span import Portion, Span, total
from tests.radio.test_span import any_spans

Said = Request | Gone | Compare | Wanted
Encode = Callable[[Any], bytes]
Decode = Callable[[bytes], Said]
indices = st.integers(0, 254)
portion_lists = st.dictionaries(indices, any_spans.filter(bool), min_size=1, max_size=12).map(
    lambda logs: tuple(Portion(index, spans) for index, spans in sorted(logs.items()))
)
requests = st.builds(
    Request,
    indices | st.just(ANYONE),
    portion_lists.map(lambda all_: fitted(all_, 200, REQUEST_RUNS_MAX)),
    st.integers(0, ANSWER_ENTRIES_MAX),
)
compares = st.builds(
    Compare,
    indices,
    indices,
    st.integers(1, LOG_NUMBER_MAX),
    st.integers(0, COMPARE_HAVE_MAX),
    st.integers(1, COMPARE_FRAMES_MAX),
)
keys = st.sets(st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES), min_size=1, max_size=WANTED_KEYS_MAX)
wanteds = st.builds(Wanted, indices, indices, keys.map(lambda found: tuple(sorted(found))))
gones = st.builds(Gone, portion_lists)

CODECS = [
    (requests, encode_request, decode_request),
    (gones, encode_gone, decode_gone),
    (compares, encode_compare, decode_compare),
    (wanteds, encode_wanted, decode_wanted),
]


@pytest.mark.parametrize(("values", "encode", "decode"), CODECS)
def test_what_is_said_comes_back_from_its_bytes(
    values: st.SearchStrategy[Said], encode: Encode, decode: Decode
) -> None:
    @given(values)
    def check(value: Said) -> None:
        assert decode(encode(value)) == value

    check()


@pytest.mark.parametrize(("values", "encode", "decode"), CODECS)
def test_any_bytes_are_a_value_or_an_error(values: st.SearchStrategy[Said], encode: Encode, decode: Decode) -> None:
    @given(st.binary(max_size=211))
    def check(data: bytes) -> None:
        try:
            value = decode(data)
        except DecodeError:
            return
        assert encode(value) == data

    check()


@given(portion_lists, st.integers(4, 120), st.integers(1, 40))
def test_what_is_fitted_fits_and_comes_first(portions: tuple[Portion, ...], bytes_max: int, runs_max: int) -> None:
    taken = fitted(portions, bytes_max, runs_max)
    assert len(encode_gone(Gone(taken))) <= bytes_max
    flat = [(portion.index, span) for portion in portions for span in portion.spans]
    kept = [(portion.index, span) for portion in taken for span in portion.spans]
    assert len(kept) <= runs_max
    assert set(kept) <= set(flat)
    assert kept == flat[: len(kept)] or len(portions) > 1


def test_a_claim_without_end_is_asked_for_in_pieces() -> None:
    (portion,) = fitted([Portion(7, (Span(1, LOG_NUMBER_MAX),))], REQUEST_BODY_BYTES_MAX, REQUEST_RUNS_MAX)
    assert total(portion.spans) == REQUEST_NUMBERS_MAX
    (whole,) = fitted([Portion(7, (Span(1, LOG_NUMBER_MAX),))], REQUEST_BODY_BYTES_MAX, 1, numbers_max=None)
    assert total(whole.spans) == LOG_NUMBER_MAX


def test_sixty_four_gone_runs_fit_a_frame() -> None:
    spans = tuple(Span(first, first + 3) for first in range(100, 100 + 64 * 6, 6))
    assert len(encode_gone(Gone((Portion(3, spans),)))) <= BODY_BYTES_MAX


def test_a_full_request_by_name_fits_a_frame() -> None:
    names = tuple(bytes([number]) * KEY_BYTES for number in range(WANTED_KEYS_MAX))
    assert len(encode_wanted(Wanted(1, 2, names))) <= BODY_BYTES_MAX


def test_a_log_that_is_not_named_has_no_runs() -> None:
    assert spans_of((Portion(3, (Span(1, 2),)),), 4) == ()


@pytest.mark.parametrize(
    ("decode", "data", "code"),
    [
        (decode_request, "", "truncated"),
        (decode_request, "0500", "empty"),
        (decode_request, "05000301", "truncated"),
        (decode_request, "050003000000", "empty"),
        (decode_request, "0500ff010001", "order"),
        (decode_request, "0500040100010301 0001", "order"),
        (decode_request, "050003010000", "run"),
        (decode_request, "050003020001 0001", "run"),
        (decode_request, "050003010081 20", "limit"),
        (decode_request, "0500 0321 0001" + "0101" * 32, "limit"),
        (decode_request, "052103010001", "limit"),
        (decode_gone, "", "empty"),
        (decode_compare, "0503000000010001ff", "truncated"),
        (decode_compare, "ff03000000010001", "limit"),
        (decode_compare, "05ff000000010001", "number"),
        (decode_compare, "0503000000000001", "number"),
        (decode_compare, "0503100000000001", "number"),
        (decode_compare, "0503000000012801", "limit"),
        (decode_compare, "0503000000010000", "limit"),
        (decode_compare, "0503000000010005", "limit"),
        (decode_wanted, "0503", "truncated"),
        (decode_wanted, "0503" + "00" * 7, "truncated"),
        (decode_wanted, "0503" + "00" * 8 * 25, "truncated"),
        (decode_wanted, "0503" + "00" * 16, "order"),
        (decode_wanted, "ff03" + "00" * 8, "order"),
        (decode_wanted, "05ff" + "00" * 8, "number"),
    ],
)
def test_what_is_no_request(decode: Decode, data: str, code: str) -> None:
    with pytest.raises(DecodeError) as refusal:
        decode(bytes.fromhex(data))
    assert refusal.value.code == code
