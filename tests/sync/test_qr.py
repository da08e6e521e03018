"""QR codes: the drawing and the print show the same modules, and small ones."""

import re

from app.sync.invitation import encode_peer_invitation
from app.sync.qr import BORDER, draw_qr, print_qr
from tests.sync.test_invitation import TYPICAL

CODE = encode_peer_invitation(TYPICAL)


def dark_of_drawing(text: str) -> set[tuple[int, int]]:
    """The dark modules of the path, each as (row, column)."""
    runs = re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", draw_qr(text).path)
    assert "".join(f"M{x} {y}h{n}v1h-{n}z" for x, y, n in runs) == draw_qr(text).path
    return {(int(y), int(x) + step) for x, y, length in runs for step in range(int(length))}


def dark_of_print(text: str) -> set[tuple[int, int]]:
    """The same of the block characters: two rows each, light where the block is."""
    light = {"█": (True, True), "▀": (True, False), "▄": (False, True), " ": (False, False)}
    return {
        (2 * row + half, column)
        for row, line in enumerate(print_qr(text).splitlines())
        for column, character in enumerate(line)
        for half in (0, 1)
        if not light[character][half]
    }


def test_drawing_and_print_show_the_same() -> None:
    size = draw_qr(CODE).size
    assert {(row, column) for row, column in dark_of_print(CODE) if row < size} == dark_of_drawing(CODE)


def test_there_is_a_quiet_border_and_the_three_eyes() -> None:
    drawing, dark = draw_qr(CODE), dark_of_drawing(CODE)
    assert min(min(cell) for cell in dark) == BORDER
    assert max(max(cell) for cell in dark) == drawing.size - BORDER - 1
    last = drawing.size - BORDER - 7
    for top, left in ((BORDER, BORDER), (BORDER, last), (last, BORDER)):
        assert {(top, left + step) for step in range(7)} <= dark
        assert {(top + 1, left + step) for step in range(1, 6)} & dark == set()


def test_a_typical_code_fits_a_narrow_screen() -> None:
    """Version 5: 37 modules, which a phone's camera reads from another phone."""
    assert draw_qr(CODE).size <= 37 + 2 * BORDER
