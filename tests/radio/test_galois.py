"""GF(256): the field's laws, and elimination that gives back what was mixed."""

import json
import random

from hypothesis import given
from hypothesis import strategies as st

from app.radio.galois import INVERSE, TIMES, add, combine, eliminate, scale
from tests.radio.fragment_reference import VECTORS, multiply

elements = st.integers(0, 255)
rows = st.binary(min_size=1, max_size=40)


def test_all_65536_products() -> None:
    assert all(TIMES[left][right] == multiply(left, right) for left in range(256) for right in range(256))


def test_the_products_in_the_vectors() -> None:
    for left, right, product in json.loads(VECTORS.read_text())["multiplication"]:
        assert TIMES[left][right] == product


def test_everything_but_zero_has_an_inverse() -> None:
    assert all(TIMES[value][INVERSE[value]] == 1 for value in range(1, 256))
    assert INVERSE[0] == 0


@given(elements, elements, elements)
def test_multiplication_distributes_over_addition(a: int, b: int, c: int) -> None:
    assert TIMES[a][b ^ c] == TIMES[a][b] ^ TIMES[a][c]
    assert TIMES[a][TIMES[b][c]] == TIMES[TIMES[a][b]][c]


@given(rows, elements)
def test_a_row_added_twice_is_gone(row: bytes, constant: int) -> None:
    scaled = scale(constant, row)
    assert add(add(row, scaled), scaled) == row
    assert combine([(constant, row), (0, row)], len(row)) == scaled
    assert combine([], len(row)) == bytes(len(row))


@given(st.integers(1, 12), st.integers(0, 6), st.integers(0, 2**32))
def test_elimination_gives_back_what_was_mixed(width: int, spare: int, seed: int) -> None:
    rng = random.Random(seed)
    truth = [rng.randbytes(9) for _ in range(width)]
    weights = [rng.randbytes(width) for _ in range(width + spare)]
    weights += [weights[0]] * 2
    mixed = [(row, combine(zip(row, truth, strict=True), 9)) for row in weights]
    rng.shuffle(mixed)
    solved = eliminate(mixed)
    independent = [mixed[position][0] for _, position in solved]
    assert len(eliminate([(row, b"") for row in independent])) == len(solved)
    if len(solved) == width:
        assert [data for data, _ in solved] == truth


def test_dependent_rows_are_named_once() -> None:
    mixed = [(b"\1\1", b"\5"), (b"\2\2", TIMES[2][5].to_bytes()), (b"\0\0", b"\0")]
    assert [position for _, position in eliminate(mixed)] == [0]
    assert eliminate([]) == []
