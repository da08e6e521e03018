"""Makes tests/vectors/sync.json: `PYTHONPATH=. .venv/bin/python tests/vectors/make_sync.py`.

A message of each kind with its bytes, bytes that are no message, and a whole check between two small sets, message by
message. Read by tests/sync/test_spec.py. Spec: docs/protocol/sync.md.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from app.sync import message as wire
from app.sync.message import Check, Message, Ranges, Role, Roots, encode_body, encode_message
from app.sync.reconcile import CheckRun, run_key
from app.sync.shelf import Shelf

TARGET = Path(__file__).with_name("sync.json")
SALTS = bytes(range(16))
ENVELOPE = hashlib.shake_128(b"envelope").digest(100)
ADDRESS = hashlib.sha256(b"blob").digest()
LOGS = (wire.LogRuns(1, b"\x00\x2a"), wire.LogRuns(7, b"\x02\x01\x01\x84\x02"))
NAME = hashlib.sha256(ENVELOPE).digest()[:16]

MESSAGES: dict[str, Message] = {
    "hello": wire.Hello(3, Role.BLIND, bytes(range(8)), bytes(range(8, 16)), True),
    "known": wire.Known(LOGS),
    "want": wire.Want(LOGS[:1]),
    "want nothing": wire.Want(()),
    "entries": wire.Entries((wire.EntryRun(1, 300, (ENVELOPE, ENVELOPE[::-1])), wire.EntryRun(2, 1, (ENVELOPE,)))),
    "held": wire.Held(()),
    "held, some refused": wire.Held((0, 249)),
    "settled": wire.Settled(0),
    "check": Check(300, True, bytes(range(16))),
    "roots": Roots(1, (wire.EpochRoot(0, bytes(16)), wire.EpochRoot(wire.BLOBS_EPOCH, bytes(range(16))))),
    "ranges": Ranges(
        1,
        (wire.Split(12, 4, 2, b"\x00\x05", bytes(range(24))),),
        (wire.Leaf(12, 4, b"\x03", b"\x02", bytes(range(8))),),
        b"\xa0",
    ),
    "challenge": wire.Challenge(bytes(16), (NAME,), (ADDRESS,)),
    "proof": wire.Proof(hashlib.sha256(bytes(16) + ENVELOPE + b"blob").digest()),
    "blobhave": wire.BlobHave((wire.BlobName(ADDRESS, 4),)),
    "blobwant": wire.BlobWant(ADDRESS, 0, 4),
    "blobpiece": wire.BlobPiece(ADDRESS, 0, b"blob"),
    "blobgone": wire.BlobGone(ADDRESS),
    "blobheld": wire.BlobHeld((ADDRESS,)),
    "pair": wire.Pair(
        b"certificate",
        "Mühle",
        Role.MEMBER,
        3,
        True,
        bytes(16),
        (wire.EpochShare(12, bytes(32), bytes(range(32)), 600_000),),
        9,
        8444,
    ),
    "bye": wire.Bye("restart"),
}
NO_MESSAGES = {
    "nothing": "",
    "a number in more bytes than it needs": "9206cd0007",
    "a field too many": "93060000",
    "a field too few": "9106",
    "bytes behind": "92060000",
    "an unknown kind": "927f00",
    "a boolean for a number": "9206c2",
    "four thousand million positions": "9205ddffffffff",
}


def ids(*seeds: int) -> bytes:
    """Sorted and packed, as a log gives them."""
    return b"".join(sorted(hashlib.sha256(bytes([seed])).digest()[:16] for seed in seeds))


LEADER = {12: ids(*range(100)), 13: ids(*range(100, 110)), 14: ids(200)}
FOLLOWER = {12: ids(*range(3, 102)), 13: ids(*range(100, 110))}


def conversation() -> tuple[list[Message], CheckRun, CheckRun]:
    """Everything both sides say in the first run, and how they end."""
    leader, follower = CheckRun(LEADER, SALTS, 1), CheckRun(FOLLOWER, SALTS, 1)
    roots = follower.roots()
    said: list[Message] = [Check(1, False, leader.digest), roots, leader.receive_roots(roots)]
    sides = (follower, leader)
    while True:
        last = said[-1]
        assert isinstance(last, Ranges)
        answer = sides[(len(said) + 1) % 2].receive(last)
        if answer is None:
            return said, leader, follower
        said.append(answer)


def vectors() -> dict[str, Any]:
    """All of the file."""
    said, leader, follower = conversation()
    key = run_key(SALTS, 1)
    shelf = Shelf(LEADER[12], key)
    return {
        "messages": {name: encode_message(message).hex() for name, message in MESSAGES.items()},
        "no messages": NO_MESSAGES,
        "check": {
            "salts": SALTS.hex(),
            "run": 1,
            "key": key.hex(),
            "leader": {epoch: packed.hex() for epoch, packed in LEADER.items()},
            "follower": {epoch: packed.hex() for epoch, packed in FOLLOWER.items()},
            "digest of the leader's epoch 12": shelf.digest().hex(),
            "prints of its 16 parts": b"".join(shelf.fingerprints(shelf.parts(0, 0, 4))).hex(),
            "short name of its first id": shelf.short(LEADER[12][:16]).hex(),
            "said": [encode_body(message).hex() for message in said],
            "leader's strays": sorted(f"{stray.epoch} {stray.name.hex()}" for stray in leader.strays),
            "follower's strays": sorted(f"{stray.epoch} {stray.name.hex()}" for stray in follower.strays),
        },
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n", "utf-8")
