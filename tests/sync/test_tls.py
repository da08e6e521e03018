"""TLS between peers, over real sockets: who gets in, by which suite, and how long a peer may take."""

import asyncio
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from app.errors import PeerError
from app.sync.certificate import SyncKey
from app.sync.message import MESSAGE_BYTES_MAX, VERSION, Bye, Entries, EntryRun, Settled
from app.sync.tls import SUITE, Patience, Stream, admit, client_context, server_context, stranger_context
from tests.sync.certificates import Expired
from tests.sync.streams import FAR, HURRIED, NEAR, two_ends

pytestmark = pytest.mark.anyio

CLIENT = """
import socket, ssl, sys
context = ssl._create_unverified_context()
context.load_cert_chain(sys.argv[2])
try:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
        with context.wrap_socket(connection) as secured:
            print(secured.cipher()[0], secured.recv(1))
except (ssl.SSLError, ConnectionResetError):
    print("refused")
"""


async def test_pinned_peers_exchange_messages_by_the_one_suite() -> None:
    async with two_ends() as (near, far):
        assert isinstance(near, Stream) and isinstance(far, Stream)
        await asyncio.gather(near.greet(), far.greet())
        assert (near.certificate, far.certificate) == (FAR.certificate, NEAR.certificate)
        assert near._writer.get_extra_info("cipher") == (SUITE, "TLSv1.3", 256)
        await far.write(Settled(0))
        assert await near.read() == Settled(0)
        large = Entries((EntryRun(0, 1, (bytes(8000),) * 130),))
        sending = asyncio.create_task(near.write(large))
        assert await far.read() == large
        await sending


async def test_a_certificate_that_is_not_pinned_is_turned_away() -> None:
    async with two_ends(pinned=SyncKey(b"\3" * 32).certificate) as (near, far):
        assert isinstance(near, PeerError)
        # TLS 1.3: the client has finished its handshake by then, and learns it by the byte that never comes.
        assert isinstance(far, Stream)
        with pytest.raises(PeerError, match="turned this node away"):
            await far.greet()


async def test_with_nobody_pinned_nobody_gets_in() -> None:
    async with two_ends(pinned=b"no certificate at all") as (near, _):
        assert isinstance(near, PeerError)


async def test_another_certificate_than_the_pinned_one_is_not_dialed() -> None:
    context = client_context(FAR, SyncKey(b"\3" * 32).certificate)
    async with two_ends(context=context) as (_, far):
        assert isinstance(far, PeerError)
        assert "certificate" in far.message


@pytest.mark.parametrize("who", ["near", "far"])
async def test_an_expired_certificate_is_refused_though_it_is_pinned(who: str) -> None:
    near = Expired(b"\1" * 32) if who == "near" else NEAR
    far = Expired(b"\2" * 32) if who == "far" else FAR
    async with two_ends(near, far) as ends:
        end = ends[0] if who == "far" else ends[1]
        assert isinstance(end, PeerError)


async def test_no_certificate_is_refused() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with two_ends(context=context) as (near, _):
        assert isinstance(near, PeerError)


async def test_tls_1_2_is_refused() -> None:
    context = stranger_context(FAR)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with two_ends(context=context) as (near, far):
        assert isinstance(near, PeerError)
        assert isinstance(far, PeerError)


@pytest.mark.parametrize("suite", ["TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"])
async def test_a_client_of_another_suite_is_refused_though_it_is_pinned(tmp_path: Path, suite: str) -> None:
    assert await _offering(tmp_path, suite) in ("refused", f"{suite} b''")


async def test_a_client_of_our_suite_gets_in(tmp_path: Path) -> None:
    assert await _offering(tmp_path, SUITE) == f"{SUITE} {bytes([VERSION])!r}"


async def test_the_same_under_the_node_s_own_openssl_configuration(tmp_path: Path) -> None:
    """The client offers nothing but ChaCha, and the handshake itself fails."""
    finished = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tests.sync.one_suite", str(_config(tmp_path, "TLS_CHACHA20_POLY1305_SHA256"))],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert finished.stdout == "admitted nobody\n", finished.stderr


async def test_one_byte_now_and_then_is_cut_off() -> None:
    async with two_ends() as (near, far):
        assert isinstance(near, Stream) and isinstance(far, Stream)

        async def drip() -> None:
            for byte in (1000).to_bytes(3, "big") + bytes(1000):
                far._writer.write(bytes([byte]))
                await asyncio.sleep(0.03)

        dripping = asyncio.create_task(drip())
        begun = asyncio.get_running_loop().time()
        with pytest.raises(PeerError, match="too slowly"):
            await near.read()
        assert HURRIED.message_s <= asyncio.get_running_loop().time() - begun < 3
        dripping.cancel()


async def test_half_a_message_and_silence_is_cut_off() -> None:
    async with two_ends() as (near, far):
        assert isinstance(near, Stream) and isinstance(far, Stream)
        far._writer.write((1000).to_bytes(3, "big") + bytes(500))
        with pytest.raises(PeerError, match="stopped in the middle"):
            await near.read()


async def test_a_rate_above_the_lowest_is_no_offense() -> None:
    """Longer in all than a message may stand still, but every byte buys time."""
    async with two_ends(patience=Patience(message_s=0.15, bytes_per_s=1000)) as (near, far):
        assert isinstance(near, Stream) and isinstance(far, Stream)
        message = Entries((EntryRun(0, 1, (bytes(1000),)),))

        async def trickle() -> None:
            from app.sync.message import encode_message

            whole = encode_message(message)
            for at in range(0, len(whole), 100):
                far._writer.write(whole[at : at + 100])
                await asyncio.sleep(0.04)

        trickling = asyncio.create_task(trickle())
        assert await near.read() == message
        await trickling


async def test_silence_between_messages_ends_only_in_the_end() -> None:
    async with two_ends(patience=Patience(message_s=0.01, silence_s=0.2)) as (near, far):
        assert isinstance(near, Stream) and isinstance(far, Stream)
        await asyncio.sleep(0.1)
        await far.write(Settled(0))
        assert await near.read() == Settled(0)
        with pytest.raises(PeerError):
            await near.read()


async def test_a_silent_connection_is_no_handshake() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        with pytest.raises(PeerError, match="handshake"):
            await admit(connection, server_context(NEAR, [FAR.certificate]), Patience(handshake_s=0.1))
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_a_peer_that_never_says_its_version_is_cut_off() -> None:
    async with two_ends(patience=Patience(handshake_s=0.5)) as (near, _):
        assert isinstance(near, Stream)
        with pytest.raises(PeerError, match="silent"):
            await near.greet()


async def test_another_version_is_told() -> None:
    async with two_ends() as (near, far):
        assert isinstance(near, Stream) and isinstance(far, Stream)
        far._writer.write(b"\2")
        with pytest.raises(PeerError, match="another version"):
            await near.greet()


@pytest.mark.parametrize("head", [MESSAGE_BYTES_MAX + 1, 2**24 - 1, 0])
async def test_a_length_that_no_message_has_is_refused_unread(head: int) -> None:
    async with two_ends() as (near, far):
        assert isinstance(near, Stream) and isinstance(far, Stream)
        far._writer.write(head.to_bytes(3, "big"))
        with pytest.raises(PeerError, match="A message has"):
            await near.read()


async def test_a_peer_that_does_not_read_is_cut_off() -> None:
    async with two_ends(patience=Patience(message_s=0.1, bytes_per_s=10_000_000)) as (near, far):
        assert isinstance(near, Stream) and isinstance(far, Stream)
        message = Entries((EntryRun(0, 1, (bytes(8000),) * 130),))
        with pytest.raises(PeerError, match="does not read"):
            for _ in range(50):
                await near.write(message)


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_a_cut_link_ends_the_reading(how: str) -> None:
    async with two_ends() as (near, far):
        assert isinstance(near, Stream) and isinstance(far, Stream)
        await far.write(Bye("done"))
        if how == "close":
            await asyncio.gather(far.close(), _read_to_the_end(near))
        else:
            assert await near.read() == Bye("done")
            far.abort()
            assert await near.read() is None


async def _read_to_the_end(stream: Stream) -> None:
    assert await stream.read() == Bye("done")
    assert await stream.read() is None


def _config(folder: Path, suite: str) -> Path:
    config = folder / "client.cnf"
    sections = (
        "openssl_conf = a",
        "[a]",
        "ssl_conf = b",
        "[b]",
        "system_default = c",
        "[c]",
        f"Ciphersuites = {suite}",
    )
    config.write_text("\n".join(sections))
    return config


async def _offering(folder: Path, suite: str) -> str:
    """What a pinned client in a process of its own gets: Python 3.11 chooses suites by OPENSSL_CONF only."""
    import socket

    with tempfile.NamedTemporaryFile() as file, socket.create_server(("127.0.0.1", 0)) as listener:
        file.write(FAR.pem())
        file.flush()
        listener.setblocking(False)
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CLIENT, str(listener.getsockname()[1]), file.name),
            env={"OPENSSL_CONF": str(_config(folder, suite))},
            stdout=asyncio.subprocess.PIPE,
        )
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        try:
            stream = await admit(connection, server_context(NEAR, [FAR.certificate]), HURRIED)
        except PeerError:
            stream = None
        if stream is not None:
            stream._writer.write(bytes([VERSION]))
            await stream.close()
        printed, _ = await client.communicate()
        return printed.decode().strip()
