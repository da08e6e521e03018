"""A phone at the near end: records signed beforehand, handed in over HTTPS by a program of a few lines."""

import asyncio
import secrets
from pathlib import Path

from app import founding
from app.clock import SystemClock, minutes_of
from app.core.bodies import DeviceIntroduction
from app.core.keys import DeviceKey
from app.core.record import Kind, Lifetime, compose, sign

POSTING = """
import ssl, sys, time, urllib.request
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
request = urllib.request.Request(sys.argv[1], bytes.fromhex(sys.argv[2]), {"content-type": "application/octet-stream"})
started = time.monotonic()
urllib.request.urlopen(request, context=context).read()
print(started)
"""


def prepared_posts(data: Path, count: int) -> list[bytes]:
    """An introduction and posts of one person, signed: as many records in all."""
    return asyncio.run(_prepared(data, count))


async def _prepared(data: Path, count: int) -> list[bytes]:
    clock = SystemClock()
    node = await founding.open_node(data, clock)
    try:
        space_id = node.identity.space_id
    finally:
        await node.close()
    key = DeviceKey(secrets.token_bytes(32))
    bodies = [(Kind.DEVICE, Lifetime.PERMANENT, DeviceIntroduction(key.public_key, "Ada").encode())]
    bodies += [(Kind.POST, Lifetime.LONG, secrets.token_urlsafe(200).encode()) for _ in range(count - 1)]
    minutes = minutes_of(clock.now_ms())
    return [
        sign(compose(lifetime, key.device_id, number, minutes, kind, body), key, space_id).encode()
        for number, (kind, lifetime, body) in enumerate(bodies, start=1)
    ]
