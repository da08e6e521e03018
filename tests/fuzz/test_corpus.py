"""What fuzzing found is read again by every run of the tests: what broke a decoder once does so never again."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.__main__ import CORPUS, INPUT_BYTES_MAX
from tests.fuzz.targets import TARGETS

CORPUS_BYTES_MAX = 256 * 1024
"""The corpus is kept small: it is read on every run, and by people."""
KEPT = sorted(path for path in CORPUS.rglob("*") if path.is_file())


def test_the_corpus_is_small_and_belongs_to_targets() -> None:
    assert {path.parent.name for path in KEPT} <= set(TARGETS)
    assert sum(path.stat().st_size for path in KEPT) <= CORPUS_BYTES_MAX


@pytest.mark.parametrize("name", TARGETS)
def test_each_decoder_takes_what_was_found(name: str) -> None:
    for path in KEPT:
        if path.parent.name == name:
            TARGETS[name](Path(path).read_bytes())


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.binary(max_size=INPUT_BYTES_MAX))
def test_each_decoder_takes_any_bytes(name: str, data: bytes) -> None:
    TARGETS[name](data)
