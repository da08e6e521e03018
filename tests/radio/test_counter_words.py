"""Every word that the node's page counts under is explained to keepers in docs/reference.md, and no other is."""

import re
from collections.abc import Iterator
from pathlib import Path

from app.radio.dialects import meshtastic
from app.radio.mesh import REFUSALS

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "docs/reference.md").read_text("utf-8").partition("## What the radio's page counts\n")[2]
WORDS = re.compile(r'\b(?:DecodeError|Rejected|_reject|Fault|_fail_sending)\(\s*"([a-z -]+)"|_rejected\["([a-z -]+)"\]')
RETURNED = re.compile(r'return "((?:text|too many)[a-z ]+)"|return [^\n]*else "([a-z]+)"\n')
"""Why a guest's text or reading was not taken."""
ELSEWHERE = {"stale", "leap", "stranger"}
"""Said in control.py, as what `admit` returns, and in errors.py."""
TO_PHONES = {"over"}
"""What the door says only to who posts; the air's is counted as expired."""
CORE = ("envelope", "record", "compression", "bodies")
"""What the door decodes of an envelope."""


def sources() -> Iterator[tuple[Path, re.Pattern[str]]]:
    for path in (ROOT / "app/radio").rglob("*.py"):
        if path.stem not in ("modem", "ether"):  # these are radios, not nodes
            yield path, WORDS
    for stem in CORE:
        yield ROOT / f"app/core/{stem}.py", WORDS
    yield ROOT / "app/acceptance.py", WORDS
    yield ROOT / "app/radio/notes.py", RETURNED
    yield ROOT / "app/radio/guest.py", RETURNED


def test_every_word_on_the_page_is_explained() -> None:
    counted = {word for path, words in sources() for match in words.findall(path.read_text("utf-8")) for word in match}
    counted = counted - {""} - TO_PHONES | REFUSALS | set(meshtastic._OBSTACLES) | ELSEWHERE
    table = SECTION.partition("\n## ")[0]
    words = [cell for line in table.splitlines() if line.startswith("| *") for cell in [line.split("|")[1]]]
    explained = {word for cell in words for word in re.findall(r"\*+([a-z -]+)\*+", cell)}
    assert counted == explained
