"""Photos for IPFS: a CAR file of them, and a Kubo daemon that pins them. They stay encrypted: it is ciphertext.

Kubo's RPC: docs.ipfs.tech/reference/kubo/rpc. A daemon that announces what it has tells the world this node's address:
unless the keeper wants that, only one that doesn't is used. Blocking; the network is this machine's own.
"""

import json
import secrets
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from app.core.blob import BlobAddress
from app.errors import DeviceError, InputError
from app.sync.car import cid_text

TIMEOUT_SECONDS = 60
"""A daemon on a slow disk may take a while; it pins before it answers."""
ANSWER_BYTES_MAX = 64 * 1024
BLOCK_BYTES_PLAIN = 1 << 20
"""Kubo takes larger blocks only when it is told to; IPFS carries up to 2 MiB."""


class Kubo:
    """A daemon on this machine. DeviceError when it is not there or does not answer as it should."""

    def __init__(self, api: str) -> None:
        parts = urlsplit(api)
        if parts.scheme != "http" or not parts.hostname or parts.path.strip("/"):
            raise InputError(f"{api} is no address of a Kubo daemon; it looks like http://127.0.0.1:5001.", "api")
        self._api = api
        self._connection = HTTPConnection(parts.hostname, parts.port or 5001, timeout=TIMEOUT_SECONDS)

    def close(self) -> None:
        self._connection.close()

    def announces(self) -> bool:
        """Whether it tells the public network what it has: yes, unless its configuration says no."""
        status, answer = self._post("config?arg=Provide.Enabled", b"", "application/octet-stream")
        return not (status == 200 and answer.get("Value") is False)

    def pin(self, address: BlobAddress, blob: bytes) -> None:
        """Store the bytes as one raw block and keep it."""
        big = "&allow-big-block=true" if len(blob) > BLOCK_BYTES_PLAIN else ""
        boundary = f"tntn-{secrets.token_hex(16)}"
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="blob"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode() + b"%b\r\n--%b--\r\n" % (blob, boundary.encode())
        target = f"block/put?cid-codec=raw&mhtype=sha2-256&pin=true{big}"
        status, answer = self._post(target, body, f"multipart/form-data; boundary={boundary}")
        if status != 200:
            raise DeviceError(f"The Kubo daemon refused a photo: {answer.get('Message', f'status {status}')}.")
        if answer.get("Key") != cid_text(address):
            raise DeviceError("The Kubo daemon gave a photo another name than it has. Nothing more was sent.")

    def _post(self, target: str, body: bytes, kind: str) -> tuple[int, dict[str, Any]]:
        try:
            self._connection.request("POST", f"/api/v0/{target}", body, {"Content-Type": kind})
            answer = self._connection.getresponse()
            data = answer.read(ANSWER_BYTES_MAX)
        except (OSError, HTTPException) as error:
            raise DeviceError(f"No Kubo daemon answers at {self._api}: {error or type(error).__name__}.") from error
        try:
            found = json.loads(data)
        except ValueError:
            found = {}
        return answer.status, found if isinstance(found, dict) else {}
