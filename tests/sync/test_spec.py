"""docs/protocol/sync.md says what the code does, and the vectors are what the spec says."""

import hashlib
import json
import re
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from app.errors import PeerError
from app.sync import answering, batches, checking, message, reconcile, session, steps, tls, vector
from app.sync.address import DEFAULT_PORT
from app.sync.message import decode_body
from bench.sync.reconcile import measure
from tests.sync.drawing import MESSAGES
from tests.vectors import make_sync

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "docs" / "protocol" / "sync.md").read_text("utf-8")
VECTORS: dict[str, Any] = json.loads((ROOT / "tests" / "vectors" / "sync.json").read_text("utf-8"))
KINDS = re.findall(r"^\| (\d+) \| \*\*(\w+)\*\* \| ([^|]+) \|", SPEC, re.M)
MEASURED = re.findall(r"^\| ([\d,]+) \| ([\d,]+) \+ ([\d,]+) \| (\d+) \| ([\d,]+) \|", SPEC, re.M)
CHECK = VECTORS["check"]


def number(text: str) -> int:
    return int(text.replace(",", ""))


def keyed(data: bytes, size: int) -> bytes:
    """By the spec's words alone."""
    key = blake2b(b"tntn sync check 1" + bytes.fromhex(CHECK["salts"]) + b"\x00\x01", digest_size=32).digest()
    return blake2b(data, digest_size=size, key=key).digest()


def test_every_kind_is_in_the_table_with_its_fields() -> None:
    documented = {int(kind): (name, fields.split(", ")) for kind, name, fields in KINDS}
    assert documented == {
        kind.__struct_config__.tag: (
            kind.__name__.lower(),
            [field.replace("_", " ") for field in kind.__struct_fields__],
        )
        for kind in MESSAGES
    }


def test_the_limits_are_the_codes() -> None:
    for row in (
        f"| message | {message.MESSAGE_BYTES_MAX:,} bytes |",
        f"| envelopes in a batch | {message.BATCH_ENTRIES_MAX} |",
        f"| envelopes' bytes in a batch | {message.BATCH_BYTES_MAX:,} |",
        f"| batches under way | {message.BATCHES_UNACKNOWLEDGED_MAX} |",
        f"| {vector.RUNS_MAX:,}, of one log {vector.LOG_RUNS_MAX:,} |",
        f"| wants in a session | {session.WANTS_MAX} |",
        f"| {batches.NEWS_ENTRIES_MAX}, {batches.NEWS_BYTES_MAX:,} bytes; then {answering.LATE_SPANS_MAX:,} runs",
        f"| epochs in a check | {message.EPOCHS_MAX:,} |",
        f"| ranges in a step | {steps.RANGES_MAX:,} |",
        f"| prints and ids in a step | {steps.STEP_BYTES_MAX:,} bytes |",
        f"| steps in a run | {reconcile.STEPS_MAX} |",
        f"| strays sent in a check | {reconcile.STRAYS_MAX:,} |",
        f"| {checking.RUNS_MAX}; the listener hears {checking.RUNS_HEARD_MAX} in 5 min",
        f"| runs in a session | {message.RUN_MAX:,} |",
        f"| refused names remembered | {batches.REFUSED_MAX:,} |",
        f"64 names and {message.PROOF_NAMES_MAX} blobs |",
        f"| {session.STALL_MS // 1000} s |",
        f"| silence of a link | {tls.Patience().silence_s / 60:.0f} min | checks come every"
        f" {checking.CHECK_EVERY_MS_MAX // 60_000} minutes",
        f"| {tls.Patience().handshake_s:.0f} s; then {tls.Patience().bytes_per_s:,} bytes a second",
        f"TCP port {DEFAULT_PORT} ",
        "of them. Four batches may be under way in one direction; a fifth breaks the\nprotocol.",
        f"than {reconcile.LEAF_IDS_MAX} ids",
    ):
        assert row in SPEC, row
    assert 1000 * tls.Patience().silence_s > checking.CHECK_EVERY_MS_MAX
    assert checking.FRUITLESS_RUNS_MAX == 3


@pytest.mark.parametrize("row", [row for row in MEASURED if number(row[0]) <= 100_000], ids=str)
def test_the_measured_bytes_come_out_again(row: tuple[str, ...]) -> None:
    ids, mine, theirs, messages, size = map(number, row)
    cost = measure(ids, mine, theirs)
    assert (cost.messages, cost.bytes) == (messages, size)


def test_the_vectors_are_made_by_this_code() -> None:
    assert json.loads(json.dumps(make_sync.vectors())) == VECTORS


@pytest.mark.parametrize("name", VECTORS["messages"])
def test_a_message_of_the_vectors_is_read(name: str) -> None:
    framed = bytes.fromhex(VECTORS["messages"][name])
    assert int.from_bytes(framed[:3], "big") == len(framed) - 3
    assert decode_body(framed[3:]) == make_sync.MESSAGES[name]


def test_every_kind_has_a_vector() -> None:
    assert {type(one) for one in make_sync.MESSAGES.values()} == set(MESSAGES)


@pytest.mark.parametrize("name", VECTORS["no messages"])
def test_what_is_no_message_is_refused(name: str) -> None:
    with pytest.raises(PeerError):
        decode_body(bytes.fromhex(VECTORS["no messages"][name]))


def test_the_hashes_of_the_check_are_as_the_spec_says() -> None:
    packed = bytes.fromhex(CHECK["leader"]["12"])
    names = [packed[at : at + 16] for at in range(0, len(packed), 16)]
    assert keyed(packed, 16).hex() == CHECK["digest of the leader's epoch 12"]
    parts = [b"".join(name for name in names if name[0] >> 4 == part) for part in range(16)]
    assert b"".join(keyed(part, 3) for part in parts).hex() == CHECK["prints of its 16 parts"]
    assert keyed(names[0], 4).hex() == CHECK["short name of its first id"]
    roots = [
        int(epoch).to_bytes(4, "big") + keyed(bytes.fromhex(ids), 16) for epoch, ids in sorted(CHECK["leader"].items())
    ]
    assert decode_body(bytes.fromhex(CHECK["said"][0])) == message.Check(1, False, keyed(b"".join(roots), 16))


def test_the_strays_of_the_vectors_are_the_difference() -> None:
    def named(side: str) -> set[str]:
        return {f"{epoch} {ids[at : at + 32]}" for epoch, ids in CHECK[side].items() for at in range(0, len(ids), 32)}

    assert set(CHECK["leader's strays"]) == named("leader") - named("follower")
    assert set(CHECK["follower's strays"]) == named("follower") - named("leader")


def test_the_proof_of_the_vectors_is_as_the_spec_says() -> None:
    proof = make_sync.MESSAGES["proof"]
    assert isinstance(proof, message.Proof)
    assert proof.digest == hashlib.sha256(bytes(16) + make_sync.ENVELOPE + b"blob").digest()
