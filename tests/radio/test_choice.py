"""The keeper's word for a radio."""

import pytest

from app.errors import InputError
from app.radio.choice import RadioChoice, parse_choice
from app.radio.dialects.catalog import DialectName


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("auto", RadioChoice(None)),
        ("auto,rnode", RadioChoice(None, DialectName.RNODE)),
        ("/dev/ttyUSB0", RadioChoice("/dev/ttyUSB0")),
        ("/dev/serial0,rui3", RadioChoice("/dev/serial0", DialectName.RUI3)),
    ],
)
def test_a_port_and_perhaps_a_dialect(text: str, choice: RadioChoice) -> None:
    assert parse_choice(text) == choice


@pytest.mark.parametrize("text", ["", ",kiss", "/dev/ttyUSB0,", "/dev/ttyUSB0,morse", "/dev/tty\0"])
def test_anything_else_is_explained(text: str) -> None:
    with pytest.raises(InputError):
        parse_choice(text)
