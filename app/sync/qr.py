"""QR codes of invitations: for a terminal, and as the path of a drawing. The only module that knows the library."""

import io

import msgspec
import segno

BORDER = 2
"""Modules of quiet around it: readers find it with two, and it fits a phone's screen."""


class QrDrawing(msgspec.Struct, frozen=True):
    """`path` is the `d` of an SVG path in a square of `size` units; what it fills is dark."""

    size: int
    path: str


def draw_qr(text: str) -> QrDrawing:
    """The code as runs of dark modules."""
    matrix = _code(text).matrix
    pieces = []
    for y, row in enumerate(matrix, BORDER):
        x = 0
        while x < len(row):
            run = next((at for at in range(x, len(row)) if row[at] != row[x]), len(row)) - x
            if row[x]:
                pieces.append(f"M{x + BORDER} {y}h{run}v1h-{run}z")
            x += run
    return QrDrawing(len(matrix) + 2 * BORDER, "".join(pieces))


def print_qr(text: str) -> str:
    """The code in block characters, two modules high each: light on dark, as terminals are."""
    output = io.StringIO()
    _code(text).terminal(output, border=BORDER, compact=True)
    return output.getvalue()


def _code(text: str) -> segno.QRCode:
    return segno.make_qr(text, error="m")
