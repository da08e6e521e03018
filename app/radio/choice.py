"""Which radio a keeper wants: `auto`, a port, or a port and a dialect. Pure."""

import msgspec

from app.errors import InputError
from app.radio.dialects.catalog import DialectName

AUTO = "auto"


class RadioChoice(msgspec.Struct, frozen=True):
    """A `port` of None stands for the first radio that is found, a `dialect` of None for what the probe says."""

    port: str | None
    dialect: DialectName | None = None


def parse_choice(text: str) -> RadioChoice:
    """`auto`, `PORT`, `PORT,DIALECT` or `auto,DIALECT`. InputError names the dialects when it is none of them."""
    port, comma, dialect = text.partition(",")
    if not port or "\0" in port:
        raise InputError("Name the radio's serial port, such as /dev/ttyUSB0, or say auto.", "radio")
    where = None if port == AUTO else port
    if not comma:
        return RadioChoice(where)
    if dialect not in list(DialectName):
        known = ", ".join(DialectName)
        raise InputError(f"The radio's dialect is one of {known}. Leave it out, and the radio is asked.", "radio")
    return RadioChoice(where, DialectName(dialect))
