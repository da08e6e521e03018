"""A node with a full board."""

from pathlib import Path

from app import founding
from app.acceptance import Draft
from app.clock import ManualClock, SystemClock
from app.core.record import Kind, Lifetime

HERE = Path(__file__).parent
TEMPLATE = "minimal.html"
ENTRY = '<article class="post c-board" data-record-id'
BATCH = 1000
AGE_MS = 3_600_000
"""What arrives during the benchmark then stands on top."""
_WORDS = (
    "apples barn bread cider creek dozen eggs fence firewood garden goat grange hay honey jars kettle ladder meadow"
    " oats orchard pears pump rope seed shed squash stove supper tools wagon"
)
WORDS = _WORDS.split()


async def fill(data: Path, posts: int) -> None:
    """Found a node there and give its board this many posts, an hour old."""
    clock = ManualClock(SystemClock().now_ms() - AGE_MS)
    node = await founding.start_node(data, clock, "Market Square", "Upper Valley")
    try:
        for first in range(0, posts, BATCH):
            drafts = [
                Draft(Kind.POST, Lifetime.LONG, _post(number).encode())
                for number in range(first, min(first + BATCH, posts))
            ]
            await node.door.publish(drafts, "node")
    finally:
        await node.close()


def write_template(page: bytes, folder: Path) -> None:
    """The minimal handler's template: all around the posts as our page has it, in plain text, and a loop."""
    before, _, rest = page.decode().partition(ENTRY)
    after = rest.rpartition("</article>")[2]
    loop = (HERE / "minimal_post.html").read_text("utf-8")
    whole = "{% raw %}" + before + "{% endraw %}" + loop + "{% raw %}" + after + "{% endraw %}"
    (folder / TEMPLATE).write_text(whole, "utf-8")


def _post(number: int) -> str:
    """A headline and two sentences, different for each number."""
    picked = [WORDS[(number * step + step) % len(WORDS)] for step in range(1, 25)]
    title = f"{picked[0].capitalize()} and {picked[1]} to share, number {number}"
    return f"{title}\n{' '.join(picked[2:14]).capitalize()}. {' '.join(picked[14:]).capitalize()}."
