"""A node in a process of its own: TLS by one suite, a clean stop, ports that are taken."""

import contextlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.errors import ConflictError, StoreError
from app.serving import only_here

STOP_SECONDS_MAX = 2.0
SUITE = "TLS_AES_256_GCM_SHA384"
CLIENT = """
import socket, ssl, sys
context = ssl._create_unverified_context()
try:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
        print(context.wrap_socket(connection).cipher()[0])
except (ssl.SSLError, ConnectionResetError):
    print("refused")
"""


class Running:
    """What the node printed, and where it answers."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path, printed: str) -> None:
        self.process = process
        self.printed = printed
        self.authority = folder / "certificates" / "authority.pem"
        self.https = int(re.search(r"https://127\.0\.0\.1:(\d+)/", printed)[1])  # type: ignore[index]
        self.http = int(re.search(r"http://127\.0\.0\.1:(\d+)/", printed)[1])  # type: ignore[index]

    def stop(self, number: int) -> tuple[int, float]:
        begun = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(timeout=10)
        return code, time.monotonic() - begun


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Running]:
    command = [sys.executable, "-m", "app", "run", "--data", str(folder), "--host", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "--http", "0", "--https", "0", "--name", "Mill Bridge"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    printed = ""
    try:
        while "Ctrl-C stops it." not in printed:
            line = process.stdout.readline()
            assert line, f"the node ended: {printed}"
            printed += line
        yield Running(process, folder, printed)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("serving") / "data") as found:
        yield found


def handshake(node: Running, context: ssl.SSLContext) -> tuple[str, str, int]:
    with (
        socket.create_connection(("127.0.0.1", node.https), timeout=5) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as secured,
    ):
        cipher = secured.cipher()
        assert cipher is not None
        return cipher


def test_a_client_that_takes_all_gets_aes_256(node: Running) -> None:
    context = ssl.create_default_context(cafile=str(node.authority))
    assert handshake(node, context) == (SUITE, "TLSv1.3", 256)


@pytest.mark.parametrize("offered", ["TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"])
def test_a_client_that_offers_another_suite_alone_is_refused(node: Running, tmp_path: Path, offered: str) -> None:
    assert offering(node, tmp_path, f"Ciphersuites = {offered}") == "refused"
    assert offering(node, tmp_path, f"Ciphersuites = {offered}:{SUITE}") == SUITE


def test_a_browser_s_order_does_not_decide(node: Running, tmp_path: Path) -> None:
    order = f"TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:{SUITE}"
    assert offering(node, tmp_path, f"Ciphersuites = {order}") == SUITE


def test_tls_1_2_is_refused(node: Running, tmp_path: Path) -> None:
    assert offering(node, tmp_path, "MaxProtocol = TLSv1.2") == "refused"


def offering(node: Running, folder: Path, settings: str) -> str:
    """The suite that a client in a process of its own gets: Python 3.11 chooses suites by OPENSSL_CONF only."""
    config = folder / "client.cnf"
    sections = ("openssl_conf = a", "[a]", "ssl_conf = b", "[b]", "system_default = c", "[c]", settings)
    config.write_text("\n".join(sections))
    finished = subprocess.run(
        [sys.executable, "-c", CLIENT, str(node.https)],
        env={"OPENSSL_CONF": str(config)},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return finished.stdout.strip()


def test_both_servers_answer(node: Running) -> None:
    context = ssl.create_default_context(cafile=str(node.authority))
    for base in (f"http://127.0.0.1:{node.http}", f"https://127.0.0.1:{node.https}"):
        assert httpx.get(f"{base}/health", verify=context).json()["status"] == "ok"
    assert f'data-https-port="{node.https}"' in httpx.get(f"http://127.0.0.1:{node.http}/").text


def test_the_keeper_s_link_that_it_prints_works(node: Running) -> None:
    link = re.search(r"https://127\.0\.0\.1:\d+(/node/keeper/\S+)", node.printed)
    assert link is not None
    context = ssl.create_default_context(cafile=str(node.authority))
    with httpx.Client(base_url=f"https://127.0.0.1:{node.https}", verify=context) as client:
        assert client.get(link[1]).status_code == 303
        assert 'action="/node/name"' in client.get("/node").text


def test_a_50_mb_upload_is_refused_without_being_read(node: Running) -> None:
    with socket.create_connection(("127.0.0.1", node.http), timeout=5) as connection:
        connection.sendall(
            b"POST /api/v1/records HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\n"
            b"content-length: 50000000\r\n\r\n" + bytes(1000)
        )
        answer = b""
        while data := connection.recv(65_536):  # the node closes: nothing more is read
            answer += data
    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"too-large"' in answer


def test_an_endless_upload_is_cut_off(node: Running) -> None:
    with socket.create_connection(("127.0.0.1", node.http), timeout=5) as connection:
        connection.sendall(b"POST /api/v1/records HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 5_000_000:
                connection.sendall(b"4000\r\n" + bytes(0x4000) + b"\r\n")
                sent += 0x4000
    assert sent < 5_000_000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_with_open_connections_is_clean_and_quick(tmp_path: Path, number: int) -> None:
    with running(tmp_path / "data") as node, contextlib.ExitStack() as stack:
        idle, half = (stack.enter_context(socket.create_connection(("127.0.0.1", node.http))) for _ in range(2))
        stack.enter_context(socket.create_connection(("127.0.0.1", node.https)))
        idle.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert idle.recv(15) == b"HTTP/1.1 200 OK"
        half.sendall(b"POST /api/v1/records HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\nabc")
        time.sleep(0.1)  # until the node reads the half request
        code, seconds = node.stop(number)
        assert (code, seconds < STOP_SECONDS_MAX) == (0, True)
        assert node.process.stdout is not None
        assert node.process.stdout.read() == ""


def test_a_folder_runs_one_node_at_a_time(tmp_path: Path) -> None:
    with only_here(tmp_path), pytest.raises(ConflictError, match="already"), only_here(tmp_path):
        pass
    with only_here(tmp_path):  # and again once it has stopped
        assert (tmp_path / "run.lock").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError), only_here(tmp_path / "file" / "data"):
        pass
