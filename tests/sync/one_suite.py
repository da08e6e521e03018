"""A listener under the node's own OpenSSL configuration; a client under the one that is named. Says who got in."""

import asyncio
import os
import sys
import tempfile

from app.hotspot.suite import hold_tls_to_one_suite
from app.sync.certificate import SyncKey


async def main() -> None:
    import socket

    from app.errors import PeerError
    from app.sync.tls import Patience, admit, server_context
    from tests.sync.test_tls import CLIENT

    near, far = SyncKey(b"\1" * 32), SyncKey(b"\2" * 32)
    with tempfile.NamedTemporaryFile() as file, socket.create_server(("127.0.0.1", 0)) as listener:
        file.write(far.pem())
        file.flush()
        listener.setblocking(False)
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CLIENT, str(listener.getsockname()[1]), file.name),
            env=os.environ | {"OPENSSL_CONF": sys.argv[1]},
            stdout=asyncio.subprocess.DEVNULL,
        )
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        try:
            await admit(connection, server_context(near, [far.certificate]), Patience(handshake_s=10))
            print("admitted somebody")
        except PeerError as error:
            assert "SHARED_CIPHER" in error.message.upper(), error.message
            print("admitted nobody")
        finally:
            await client.wait()


if __name__ == "__main__":
    hold_tls_to_one_suite()
    asyncio.run(main())
