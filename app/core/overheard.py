"""Texts from radios of another kind, as notes on the board: a line in each says what it is, and which message it was.

Several nodes may hear one message and each make a record of it. All nodes read the same name out of these records, and
show the latest only, as of an imported thing. Pure.
"""

import re

SOURCE = "Meshtastic text"
"""Where such notes come from, as the boards keep it."""
UNSIGNED_MARK = "unsigned, from a Meshtastic radio"
_MARKED = re.compile(rf"{UNSIGNED_MARK} \((![0-9a-f]{{8}} [0-9a-f]{{8}})\)")


def source_id(sender: int, packet: int) -> str:
    """A message's name: the radio's number as Meshtastic writes it, and the number that it gave its message."""
    return f"!{sender:08x} {packet:08x}"


def note_of(sender_name: str, text: str, name: str) -> str:
    """The body of a note: who said what in the first line, the mark in the second, what is left below."""
    first, _, rest = text.strip().partition("\n")
    body = f"{sender_name}: {first}\n{UNSIGNED_MARK} ({name})"
    return f"{body}\n\n{rest.strip()}" if rest.strip() else body


def source_id_of(body: bytes) -> str | None:
    """The message that a post's second line names; None for any other post."""
    lines = body.decode("utf-8", "replace").strip().split("\n", 2)
    marked = _MARKED.fullmatch(lines[1]) if len(lines) > 1 else None
    return None if marked is None else marked[1]
