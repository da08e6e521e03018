"""The browser's own codecs against the node's: what one writes the other reads, and both refuse the same bytes."""

import random
import zlib
from pathlib import Path

import cbor2
import pytest

from app.core import compression
from app.core.boards import decode_post
from app.core.bodies import encode_map
from app.errors import DecodeError
from tests.browser.phone import Phone

pytestmark = pytest.mark.anyio

POSTS = Path(__file__).parents[1] / "data"
LIMIT = 8192
PACK = """async (texts) => {
  const { fromHex, hex } = await import("tntn/core/bytes.js");
  const { pack } = await import("tntn/core/compression.js");
  const packed = [];
  for (const text of texts) {
    const { wireBody, compressed } = await pack(fromHex(text));
    packed.push([hex(wireBody), compressed]);
  }
  return packed;
}"""
UNPACK = """async ([streams, limit]) => {
  const { fromHex, hex } = await import("tntn/core/bytes.js");
  const { unpack } = await import("tntn/core/compression.js");
  return Promise.all(streams.map((stream) => unpack(fromHex(stream), limit).then(hex, (error) => error.code)));
}"""


def unpacked(wire: bytes) -> str:
    """The node's outcome: the body in hex, or the code of the error."""
    try:
        return compression.unpack(wire, LIMIT).hex()
    except DecodeError as error:
        return error.code


async def pack_in_browser(phone: Phone, bodies: list[bytes]) -> list[tuple[bytes, bool]]:
    await phone.open("/offline")
    packed = await phone.run(PACK, [body.hex() for body in bodies])
    return [(bytes.fromhex(wire), compressed) for wire, compressed in packed]


async def test_node_reads_what_the_phone_packs_and_packs_no_smaller(phone: Phone) -> None:
    posts = [
        line.encode() for path in sorted(POSTS.glob("posts-*.txt")) for line in path.read_text().splitlines() if line
    ]
    assert len(posts) > 100
    packed = await pack_in_browser(phone, posts)
    for body, (wire, compressed) in zip(posts, packed, strict=True):
        assert (compression.unpack(wire, LIMIT) if compressed else wire) == body
    assert sum(len(wire) for wire, _ in packed) <= sum(len(compression.pack(body)[0]) for body in posts)


async def test_node_reads_bodies_of_every_size_and_nature(phone: Phone) -> None:
    generator = random.Random(1)
    words = ["the", "farm", "market", "opens", "at nine", "with eggs", "honey", "bread", "and", "late", "tomatoes"]
    bodies = [b"", b"a", bytes(LIMIT), generator.randbytes(LIMIT)]
    bodies += [bytes(generator.choices(range(span), k=size)) for span in (2, 4, 256) for size in (3, 40, 259, 1000)]
    bodies += [" ".join(generator.choices(words, k=count)).encode() for count in (4, 30, 60, 300, 1200)]
    for body, (wire, compressed) in zip(bodies, await pack_in_browser(phone, bodies), strict=True):
        assert len(wire) <= len(body)
        assert (compression.unpack(wire, LIMIT) if compressed else wire) == body


async def test_phone_and_node_refuse_the_same_streams(phone: Phone) -> None:
    generator = random.Random(2)
    streams = [generator.randbytes(generator.randint(0, 40)) for _ in range(1500)]
    for _ in range(300):
        text = bytes(generator.choices(b"abcdefgh \n", k=generator.randint(0, 300)))
        deflater = zlib.compressobj(generator.choice((0, 1, 9)), zlib.DEFLATED, -15, zdict=compression.DICTIONARY)
        whole = deflater.compress(text) + deflater.flush()
        broken = bytearray(whole)
        broken[generator.randrange(len(broken))] ^= 1 << generator.randrange(8)
        streams += [whole, bytes(broken), whole[: generator.randrange(len(whole))], whole + b"\0"]
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=compression.DICTIONARY)
    streams.append(bomb.compress(bytes(LIMIT + 1)) + bomb.flush())
    await phone.open("/offline")
    outcomes = await phone.run(UNPACK, [[stream.hex() for stream in streams], LIMIT])
    expected = [unpacked(stream) for stream in streams]
    assert [row for row in zip(streams, expected, outcomes, strict=True) if row[1] != row[2]] == []
    assert sum(outcome != "deflate" for outcome in expected) >= 300


async def test_introductions_are_written_as_the_node_writes_them(phone: Phone) -> None:
    names = ["Ada", "Zoë Å. Ølgaard", "é" * 40, "市場", "👩‍🌾 Marguerite"]
    await phone.open("/offline")
    encoded = await phone.run(
        """async (names) => {
          const { hex } = await import("tntn/core/bytes.js");
          const { encodeMap } = await import("tntn/core/cbor.js");
          const key = new Uint8Array(32).fill(7);
          return names.map((name) => hex(encodeMap(new Map([[2, name], [1, key], [3, name.length * 99]]))));
        }""",
        names,
    )
    for name, body in zip(names, encoded, strict=True):
        length = len(name.encode("utf-16-le")) // 2
        assert bytes.fromhex(body) == encode_map({1: b"\x07" * 32, 2: name, 3: length * 99})
        assert cbor2.loads(bytes.fromhex(body))[2] == name


async def test_post_says_on_the_board_what_was_typed(phone: Phone) -> None:
    await phone.open("/offline")
    body = await phone.run(
        """async () => {
          const { hex } = await import("tntn/core/bytes.js");
          const { postBody } = await import("tntn/outbox/writing.js");
          return hex(postBody("  Barn\\t dance ", "At seven.\\r\\n\\u0007Bring a dish.\\r\\n"));
        }"""
    )
    post = decode_post(bytes.fromhex(body))
    assert (post.title, post.text) == ("Barn dance", "At seven.\nBring a dish.")
