"""What the demo shows: the journey of one post with `--once`, or a network that stays up."""

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import quote

from app.core.envelope import EnvelopeId
from app.demo import HTTP_BASE, HTTPS_BASE
from app.demo.journal import Journal, in_words
from app.demo.phone import Kept, Phone
from app.demo.village import PLACES, Place, Village, ports_from
from app.errors import InputError, PeerError

JOURNEY_S = 40.0
"""The post crosses in about eight seconds; a collision costs ten more each."""
POLL_S = 0.1
BOARD_PAGES_MAX = 100
EVERYTHING_AGREES, BOARDS_DIFFER = 0, 1
NAME = "Ada Whitcombe"
NOTICE = (
    "Cider press on Saturday\nWe press apples at the mill from nine. Bring your own jugs; "
    "what is left over goes to the school. Two more hands are welcome!"
)


def run(options: argparse.Namespace) -> int:
    """`tntn demo`: 0 when the boards agree, or when it was stopped."""
    if not options.markets.is_file():
        raise InputError(f"--markets: there is no file {options.markets}.", "markets")
    http_ports = ports_from(options.http_base, HTTP_BASE, "--http-base")
    https_ports = ports_from(options.https_base, HTTPS_BASE, "--https-base")
    with _folder(options.data) as folder, _stoppable():
        village = Village(folder, http_ports, https_ports)
        try:
            _set_up(village, options.markets.resolve())
            return _journey(village) if options.once else _stay(village)
        finally:
            village.stop()


def _set_up(village: Village, markets: Path) -> None:
    started = time.monotonic()
    _say("Starting the ether and three nodes: Market Square — North Valley — Hill Farm, SF9, 125 kHz.")
    _say("Each introduces itself to the others by radio, which takes some seconds ...")
    village.start()
    for place, line in zip(village.places, village.import_markets(markets), strict=True):
        _say(f"{place.name}: {line}")
    _say(f"Set up in {time.monotonic() - started:.1f} s.")


def _journey(village: Village) -> int:
    square, _, farm = village.places
    journal = Journal(village.journal)
    journal.read()
    phone = Phone(square)
    started = time.monotonic()
    introduction, notice = phone.introduce(NAME), phone.write(NOTICE)
    _step(started, f"A phone at {square.name} hands in {NAME}'s introduction ({introduction.record_bytes} bytes)")
    _step(
        started, f"and a notice of {len(NOTICE)} characters ({notice.record_bytes} bytes). Kept by 1 node: on its disk."
    )
    story = _Story(
        village, journal, started, {introduction.envelope_id: "the introduction", notice.envelope_id: "the notice"}
    )
    seen: Any = None
    kept_by = 1
    while (seen is None or kept_by < 2) and time.monotonic() < started + JOURNEY_S:
        story.go_on()
        if seen is None and (seen := farm.get(f"/records/{notice.record_id}")) is not None:
            seen = _record_of(seen)
            _step(
                started, f"{farm.name}'s board shows “{seen['title']}” by {seen['author']['name']}, via {seen['via']}."
            )
        if (now_kept_by := phone.kept_by(notice)) != kept_by:
            kept_by = now_kept_by
            _step(started, f"{square.name} tells the phone: kept by {kept_by} nodes.")
        time.sleep(POLL_S)
    story.go_on()
    story.sum_up()
    return _verdict(village, notice, seen, kept_by)


class _Story:
    """Tells what is on the air about some records, and adds up what they cost."""

    def __init__(self, village: Village, journal: Journal, started: float, labels: dict[EnvelopeId, str]) -> None:
        self._village = village
        self._journal = journal
        self._started = started
        self._labels = labels
        self._frames = 0
        self._bytes = 0
        self._airtime_ms = 0.0
        self._others = 0

    def go_on(self) -> None:
        """Tell what happened since the last call."""
        self._village.check()
        for heard in self._journal.read():
            if not any(heard.tells_of(name) for name in self._labels):
                self._others += 1
                continue
            self._frames += 1
            self._bytes += heard.packet_bytes
            self._airtime_ms += heard.airtime_ms
            _step(self._started, in_words(heard, PLACES, self._labels))

    def sum_up(self) -> None:
        """The bill."""
        _say(
            f"The journey cost {self._frames} frames, {self._bytes} bytes and {self._airtime_ms:.0f} ms of airtime"
            f" in all; {self._others} other frames were on the air meanwhile."
        )


def _verdict(village: Village, notice: Kept, seen: Any, kept_by: int) -> int:
    faults = []
    if seen is None:
        faults.append(f"the notice {notice.record_id[:8]} did not reach Hill Farm within {JOURNEY_S:.0f} s")
    elif seen["via"] != "North Valley":
        faults.append(f"Hill Farm says it came via {seen['via']}")
    if kept_by < 2:
        faults.append("Market Square does not know of a second copy")
    for board in ("bulletin", "markets"):
        entries = [_entries(place, board) for place in village.places]
        if not all(found == entries[0] for found in entries):
            faults.append(f"the {board} boards differ: {', '.join(str(len(found)) for found in entries)} entries")
        else:
            _say(f"The {board} boards of all three agree: {len(entries[0])} entries.")
    for fault in faults:
        _say(f"Not so: {fault}.")
    return BOARDS_DIFFER if faults else EVERYTHING_AGREES


def _entries(place: Place, board: str) -> list[tuple[str, str, str]]:
    """All that a board shows. An imported market counts by what it says: each node signs its own copy."""
    entries: list[tuple[str, str, str]] = []
    path = f"/boards/{board}"
    for _ in range(BOARD_PAGES_MAX):
        page: Any = place.get(path)
        if page is None:
            raise PeerError(f"{place.name} has no board {board}.")
        for record in page["records"]:
            owner = "" if board == "markets" else record["id"] + record["author"]["name"]
            entries.append((record["title"], record["text"], owner))
        if page["next"] is None:
            break
        path = f"/boards/{board}?before={quote(page['next'])}"
    return sorted(entries)


def _record_of(answer: Any) -> Any:
    return answer.get("record", answer)


def _stay(village: Village) -> int:
    for place in village.places:
        _say(f"{place.name:<14} https://localhost:{place.https}/   http://localhost:{place.http}/")
    _say("Write at one, read at another. What is on the air is told here. Ctrl-C stops it.")
    journal = Journal(village.journal)
    started = time.monotonic()
    journal.read()
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            village.check()
            for heard in journal.read():
                _step(started, in_words(heard, PLACES, {}))
            time.sleep(POLL_S)
    _say("Stopping.")
    return EVERYTHING_AGREES


@contextlib.contextmanager
def _folder(asked: Path | None) -> Iterator[Path]:
    if asked is not None:
        yield asked.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="tntn-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """TERM ends the demo as Ctrl-C does."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _step(started: float, words: str) -> None:
    _say(f"{time.monotonic() - started:6.1f} s  {words}")


def _say(words: str) -> None:
    print(words, flush=True, file=sys.stdout)
