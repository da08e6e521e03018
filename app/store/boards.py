"""What stands on the boards. A page is one query: a thread hop costs as much as twenty of these rows."""

from collections.abc import Sequence

import msgspec

from app.core.boards import Board
from app.core.keys import DeviceId
from app.core.record import RecordId
from app.store.database import Database, Row

PAGE_RECORDS = 25
"""About 20 kB of HTML: two seconds on a 2019 phone's slow day."""
REPLIES_MAX = 200


class Standing(msgspec.Struct, frozen=True):
    """A record as a board shows it. `via` is None when it entered the network at this node."""

    record_id: RecordId
    board: Board
    position: str
    title: str
    text: str
    body: bytes | None
    kind: int
    author_id: DeviceId
    author: str
    minutes: int
    lifetime: int
    ref: bytes | None
    via: str | None
    entry: str | None
    kept_by: int
    hidden_after: int | None


class Page(msgspec.Struct, frozen=True):
    """A board's page: `next` is the position to ask for older ones, None at the end."""

    board: Board
    total: int
    revision: int
    records: tuple[Standing, ...]
    next: str | None


class BoardStore:
    """Reads of the boards, and the sweep that takes old notices down."""

    def __init__(self, database: Database, me: int) -> None:
        self._database = database
        self._me = me

    async def page(self, board: Board, before: str | None = None, limit: int = PAGE_RECORDS) -> Page:
        """The records after a position, in the board's own order. The directory lists the markets too."""
        boards = _LISTED.get(board, (board,))
        rows = await self._database.read(
            _PAGE.format(marks=", ".join("?" * len(boards))),
            (*boards, self._me, *boards, before or "", limit + 1),
        )
        total, revision = int(rows[0][0]), int(rows[0][1])
        found = [_standing(row[2:]) for row in rows if row[2] is not None]
        following = found[limit - 1].position if len(found) > limit else None
        return Page(board, total, revision, tuple(found[:limit]), following)

    async def get(self, record_id: RecordId) -> Standing | None:
        """One record, shown or superseded."""
        row = await self._database.read_one(_STANDING + "WHERE r.record_id = ?", (self._me, record_id))
        return None if row is None else _standing(row)

    async def replies(self, record_id: RecordId) -> list[Standing]:
        """What answers a record, oldest first."""
        rows = await self._database.read(
            _STANDING + "WHERE e.ref = ? AND r.shown = 2 ORDER BY e.minutes, r.record_id LIMIT ?",
            (self._me, record_id[:4], REPLIES_MAX),
        )
        return [_standing(row) for row in rows]

    async def revisions(self) -> dict[Board, int]:
        """A number per board that grows with every change a reader could see."""
        rows = await self._database.read("SELECT name, revision FROM boards")
        revisions = {Board(name): int(revision) for name, revision in rows}
        for board, listed in _LISTED.items():
            revisions[board] = sum(revisions[part] for part in listed)
        return revisions

    async def totals(self) -> dict[Board, int]:
        """How many records stand on each board."""
        rows = await self._database.read("SELECT name, total FROM boards")
        totals = {Board(name): int(total) for name, total in rows}
        return {board: sum(totals[part] for part in _LISTED.get(board, (board,))) for board in totals}

    async def imported(self, source: str) -> dict[str, tuple[RecordId, bytes]]:
        """By its id there: the record and body now shown of each thing imported from a source."""
        rows = await self._database.read(
            "SELECT source_id, record_id, body FROM records WHERE source = ? AND shown = 1", (source,)
        )
        return {source_id: (RecordId(record_id), body) for source_id, record_id, body in rows}

    async def take_down(self, minutes: int) -> int:
        """Hide what has outlived its class. Returns how many came down."""
        async with self._database.write() as tx:
            rows = list(
                await tx.execute_fetchall(
                    "SELECT board, sum(shown = 1), count(*) FROM records WHERE shown <> 0 AND hidden_after <= ?"
                    " GROUP BY board",
                    (minutes,),
                )
            )
            for board, listed, _ in rows:
                await tx.execute(
                    "UPDATE boards SET revision = revision + 1, total = total - ? WHERE name = ?", (listed, board)
                )
            await tx.execute("UPDATE records SET shown = 0 WHERE shown <> 0 AND hidden_after <= ?", (minutes,))
            return sum(int(count) for _, _, count in rows)


_LISTED: dict[Board, Sequence[Board]] = {Board.DIRECTORY: (Board.DIRECTORY, Board.MARKETS)}

_COLUMNS = """r.record_id, r.board, r.position, r.title, r.text, r.body, e.kind, e.author, d.name, e.minutes,
       e.lifetime, e.ref, v.name, n.name, e.kept_by, r.hidden_after"""

_JOINS = """JOIN envelopes e ON e.id = r.id
JOIN devices d ON d.id = e.author
LEFT JOIN devices v ON v.node_index = e.via_index
LEFT JOIN devices n ON n.node_index = e.entry_index AND e.entry_index <> ?
"""

_STANDING = f"SELECT {_COLUMNS} FROM records r {_JOINS}"

_PAGE = f"""
WITH board AS (SELECT sum(total) AS total, sum(revision) AS revision FROM boards WHERE name IN ({{marks}}))
SELECT board.total, board.revision, page.* FROM board LEFT JOIN (
  SELECT {_COLUMNS} FROM records r {_JOINS}
  WHERE r.board IN ({{marks}}) AND r.shown = 1 AND r.position > ? ORDER BY r.position LIMIT ?
) AS page
"""


def _standing(row: Row) -> Standing:
    return Standing(row[0], Board(row[1]), *row[2:])
