"""`python -m bench.web.reference KIND SOURCE PORT`: what the node is measured against, each as plain as can be."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

QUERY = """
SELECT lower(hex(r.record_id)) AS id, r.title, r.text, d.name AS author, e.kept_by, v.name AS via,
       strftime('%Y-%m-%dT%H:%MZ', 1735689600 + e.minutes * 60, 'unixepoch') AS written,
       (SELECT total FROM boards WHERE name = 'bulletin') AS total
FROM records r JOIN envelopes e ON e.id = r.id JOIN devices d ON d.id = e.author
LEFT JOIN devices v ON v.node_index = e.via_index
WHERE r.board = 'bulletin' AND r.shown = 1 ORDER BY r.position LIMIT 25
"""


def constant(source: Path) -> Any:
    """Litestar answering the same bytes."""
    from litestar import Litestar, MediaType, get

    page = source.read_bytes()

    @get("/boards/bulletin", media_type=MediaType.HTML)
    async def board() -> bytes:
        return page

    return Litestar([board], openapi_config=None, logging_config=None)


async def minimal(source: Path) -> Any:
    """Litestar with one aiosqlite query and one Jinja template for the same page."""
    import aiosqlite
    from litestar import Litestar, get
    from litestar.plugins.jinja import JinjaTemplateEngine
    from litestar.response import Template
    from litestar.template import TemplateConfig

    database = await aiosqlite.connect(source / "tntn.sqlite3")
    database.row_factory = aiosqlite.Row

    @get("/boards/bulletin")
    async def board() -> Template:
        posts = await database.execute_fetchall(QUERY)
        return Template("minimal.html", context={"posts": posts})

    config = TemplateConfig(directory=source, engine=JinjaTemplateEngine)
    return Litestar([board], template_config=config, openapi_config=None, logging_config=None)


async def rendered(source: Path) -> Any:
    """The node's own application, rendering every page anew."""
    from app import founding
    from app.clock import SystemClock
    from app.server import create_app

    return create_app(await founding.open_node(source, SystemClock()), keep_pages=False)


async def _serve(kind: str, source: Path, port: int) -> None:
    make = {"minimal": minimal, "rendered": rendered}
    application = constant(source) if kind == "constant" else await make[kind](source)
    config = uvicorn.Config(
        application, port=port, http="httptools", lifespan="off", access_log=False, log_level="error", ws="none"
    )
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
