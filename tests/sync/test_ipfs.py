"""Photos for IPFS: names and files as the reference implementation has them, and Kubo's RPC to the letter."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio.to_thread
import pytest

from app.__main__ import EXIT_REFUSED, main
from app.core.blob import BlobAddress, address_of
from app.errors import DeviceError, InputError
from app.founding import Node
from app.sync.car import cid_text, read_data, read_head, read_header
from app.sync.ipfs import Kubo
from tests.robustness.node_process import free_port
from tests.sync.test_bundle_exchange import photos

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "tests/vectors/cid.json").read_text("utf-8"))
SCRIPT = ROOT / "tests/vectors/ipfs.mjs"
reference = pytest.mark.skipif(
    shutil.which("node") is None or not (ROOT / "node_modules/@ipld/car").exists(),
    reason="needs node, and: npm install --no-save multiformats @ipld/car",
)


def ask_reference(*arguments: str, lines: str = "") -> Any:
    ran = subprocess.run(
        ["node", str(SCRIPT), *arguments], input=lines, capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(ran.stdout)


async def tntn(*arguments: object) -> int:
    return await anyio.to_thread.run_sync(main, ["ipfs", *map(str, arguments)])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(len(vector["bytes"]) // 2))
def test_names_are_those_of_the_reference_implementation(vector: dict[str, str]) -> None:
    assert cid_text(address_of(bytes.fromhex(vector["bytes"]))) == vector["cid"]


@reference
def test_names_are_those_that_the_reference_implementation_gives_now() -> None:
    blobs = [b"", b"a", *photos(20, 300)]
    said = ask_reference("cids", lines="".join(f"{blob.hex()}\n" for blob in blobs))
    assert [one["cid"] for one in said] == [cid_text(address_of(blob)) for blob in blobs]


@reference
async def test_the_reference_implementation_reads_the_exported_file(node: Node, tmp_path: Path) -> None:
    blobs = photos(7, 70_000)
    await node.store.blobs.add(blobs)
    assert await tntn("export", tmp_path / "photos.car", "--data", node.store.database.path.parent) == 0
    said = await anyio.to_thread.run_sync(ask_reference, "car", str(tmp_path / "photos.car"))
    names = sorted(address_of(blob) for blob in blobs)
    assert said["version"] == 1
    assert said["roots"] == [cid_text(name) for name in names]
    assert [(one["cid"], one["hashed"], one["size"]) for one in said["blocks"]] == [
        (cid_text(name), cid_text(name), 70_000) for name in names
    ]


async def test_the_exported_file_has_every_photo_as_a_root(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blobs = photos(3)
    await node.store.blobs.add(blobs)
    file = tmp_path / "photos.car"
    assert await tntn("export", file, "--data", node.store.database.path.parent) == 0
    assert capsys.readouterr().out == f"3 photos, encrypted, are in {file}.\n"
    with file.open("rb") as opened:
        roots = read_header(opened)
        found = {}
        while (head := read_head(opened)) is not None:
            assert head.address is not None
            found[head.address] = read_data(opened, head)
    assert found == {address_of(blob): blob for blob in blobs}
    assert list(roots) == sorted(found)


class FakeKubo(BaseHTTPRequestHandler):
    """As strict as the documents allow: one part with a file name, one codec, one hash; anything else is 400."""

    protocol_version = "HTTP/1.1"
    server: "Daemon"

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if parts.path == "/api/v0/config" and query == {"arg": "Provide.Enabled"}:
            self._answer(200, {"Key": "Provide.Enabled", "Value": self.server.provides})
        elif parts.path == "/api/v0/block/put":
            self._put(query, body)
        else:
            self._answer(404, {"Message": "no such command", "Code": 0, "Type": "error"})

    def do_GET(self) -> None:
        self._answer(405, {"Message": "only POST"})

    def log_message(self, *_: object) -> None:
        pass

    def _put(self, query: dict[str, str], body: bytes) -> None:
        kind = self.headers["Content-Type"].encode()
        message = BytesParser().parsebytes(b"Content-Type: " + kind + b"\r\nMIME-Version: 1.0\r\n\r\n" + body)
        files = [part for part in message.walk() if part is not message]
        expected = {"cid-codec": "raw", "mhtype": "sha2-256", "pin": "true"}
        if len(body) > 1 << 20:
            expected["allow-big-block"] = "true"
        if query != expected or len(files) != 1 or message.defects or not body.endswith(b"--\r\n"):
            self._answer(400, {"Message": f"not understood: {query}", "Code": 1, "Type": "error"})
            return
        part = files[0]
        if part.get_param("name", header="content-disposition") != "file" or part.get_filename() is None:
            self._answer(400, {"Message": "no file", "Code": 1, "Type": "error"})
            return
        data = body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]  # the parser above may change line ends
        self.server.pinned[cid_text(address_of(data))] = data
        self._answer(200, {"Key": self.server.says or cid_text(address_of(data)), "Size": len(data)})

    def _answer(self, status: int, body: dict[str, object]) -> None:
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Daemon(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", free_port()), FakeKubo)
        self.pinned: dict[str, bytes] = {}
        self.provides: object = False
        self.says: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def kubo() -> Iterator[Daemon]:
    daemon = Daemon()
    thread = threading.Thread(target=daemon.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield daemon
    daemon.shutdown()
    thread.join()
    daemon.server_close()


async def test_every_photo_is_pinned_under_its_name(
    node: Node, kubo: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    blobs = [*photos(3), b"\r\n--tntn-\r\n\r\n" * 10, bytes((1 << 20) + 100)]
    await node.store.blobs.add(blobs)
    assert await tntn("pin", "--api", kubo.url, "--data", node.store.database.path.parent) == 0
    assert capsys.readouterr().out == "5 photos, encrypted, are pinned.\n"
    assert kubo.pinned == {cid_text(address_of(blob)): blob for blob in blobs}


@pytest.mark.parametrize("provides", [True, None, "false"])
async def test_a_daemon_that_announces_is_used_only_when_that_is_wanted(
    node: Node, kubo: Daemon, provides: object, capsys: pytest.CaptureFixture[str]
) -> None:
    await node.store.blobs.add(photos(1))
    kubo.provides = provides
    command = ("pin", "--api", kubo.url, "--data", node.store.database.path.parent)
    assert await tntn(*command) == EXIT_REFUSED
    assert "Provide.Enabled false" in capsys.readouterr().err
    assert kubo.pinned == {}
    assert await tntn(*command, "--announce") == 0
    assert len(kubo.pinned) == 1


async def test_a_daemon_that_answers_wrongly_gets_no_more(
    node: Node, kubo: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    await node.store.blobs.add(photos(3))
    kubo.says = cid_text(BlobAddress(bytes(32)))
    assert await tntn("pin", "--api", kubo.url, "--data", node.store.database.path.parent) == EXIT_REFUSED
    assert "another name" in capsys.readouterr().err
    assert len(kubo.pinned) == 1


def test_no_daemon_and_no_address_are_told() -> None:
    for url in ("ftp://127.0.0.1:5001", "127.0.0.1:5001", "http://127.0.0.1:5001/x", "http://"):
        with pytest.raises(InputError, match="no address of a Kubo daemon"):
            Kubo(url)
    nobody = Kubo(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(DeviceError, match="No Kubo daemon answers"):
        nobody.pin(address_of(b"x"), b"x")
    nobody.close()
