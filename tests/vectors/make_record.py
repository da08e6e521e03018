"""Makes tests/vectors/record.json: `PYTHONPATH=. .venv/bin/python tests/vectors/make_record.py`.

The file is shared by Python (tests/core/test_vectors.py) and by JavaScript in Chromium (tests/browser). Deflated
bodies stand here as bytes, since two compressors may pack one text in two ways; everything else is derived from
seeds. Its schema is the first thing in the file.
"""

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from app.core import compression
from app.core.bodies import DeviceIntroduction
from app.core.envelope import envelope_id, open_envelope, seal
from app.core.keys import DeviceKey, EpochKeys, SpaceId, derive_epoch_keys, device_id_of
from app.core.record import (
    BODY_BYTES_MAX,
    MINUTES_MAX,
    SEQUENCE_MAX,
    VERSION,
    Kind,
    Lifetime,
    Record,
    SignedRecord,
    decode_signed,
    encode_fields,
    record_id,
    sign,
)
from app.errors import DecodeError

TARGET = Path(__file__).with_name("record.json")

SCHEMA = {
    "about": "Record and envelope, version 1 (docs/protocol/record.md). Each case names an operation, gives its input,"
    " and expects either {ok: {...}} with every field of the outcome, or {error: code}.",
    "bytes": "Bytes are lower-case hex strings. A long run is {hex, times}: the hex, repeated. Absent bytes are null.",
    "operations": {
        "derive_epoch_keys": "{space_id, epoch_key} -> {message, nonce, relay, link}",
        "encode_introduction": "{public_key, name} -> {body, device_id}: a person's device introduction",
        "unpack": "{wire_body, limit} -> {body}",
        "sign": "{seed, space_id, lifetime, sequence, minutes, kind, ref, wire_body, compressed}"
        " -> {public_key, author, signed, record_id}; signed is what a phone hands to a node",
        "decode_signed": "{signed} -> {lifetime, author, sequence, minutes, kind, ref, body, compressed}",
        "verify": "{signed, public_key, space_id} -> {record_id}, or the error 'signature'",
        "seal": "{signed, space_id, epoch: {number, epoch_key}} -> {envelope, envelope_id}",
        "open_envelope": "{envelope, space_id, epochs: [{number, epoch_key}], public_key} -> {epoch, record_id, and the"
        " fields of decode_signed}; the signature is checked with public_key once the envelope is open",
    },
    "errors": {
        "version": "byte 0 names another version",
        "class": "byte 0 names a class that version 1 does not know",
        "truncated": "it ends too early",
        "oversized": "it is longer than any record can be",
        "varint": "a number is not in its shortest form, or longer than three bytes",
        "sequence": "the sequence is 0",
        "stranger": "no epoch's hint fits",
        "tag": "the hint fits, the seal does not",
        "signature": "the signature is not that key's over these bytes in this space",
        "deflate": "the body is not one whole deflate stream within the limit",
    },
    "dictionary_sha256": hashlib.sha256(compression.DICTIONARY).hexdigest(),
}

SPACE = SpaceId(bytes(range(0xA0, 0xB0)))
OTHER_SPACE = SpaceId(bytes(range(0xB0, 0xC0)))
ALICE = DeviceKey(bytes(range(32)))
BOB = DeviceKey(bytes(range(32, 64)))
EPOCH_KEYS = {1: bytes(range(64, 96)), 2: bytes(range(96, 128)), 3: bytes(range(128, 160))}
MINUTES = 993_600
"""2026-11-22, midnight in Greenwich."""

CAT = "Lost: a gray cat with one white ear, near the mill bridge. Please call."
LADDER = "Se busca: escalera larga para el sábado. ¿Alguien presta una?"
HENS = "À donner : deux poules rousses et un petit coq, près de l'église."
MARKET = "Ραντεβού στην αγορά το Σάββατο στις εννέα."
BAG = "Free: 市集在星期六，带上你的袋子。"
PACKED = {
    CAT: "038d775b816ab52270c7b50412c1e0b202dc5703a6601d44d50e9e4a80b519a13505c84d7a00",
    LADDER: "03f61bc09d2f2bc4383068e201e256a472584f01d13b2e00f7b64165853d00",
    HENS: "432eecc0e51274340a58951683bac6907a185c1502dd58a8032b9052111d783d00",
    MARKET: "1d8bb10d80300c0457f104d91142cb108836140e4288c2ca06e79578455fdde99e032772e3a13372b7ac829730f95b66a199cc304e"
    "9a9a8e4f9cdd97abe919da85971f",
}
TWO_BLOCKS = "720357d6e039641d0500000000ffff2b4e4dcecf4b5148cac94fced60300"
DYNAMIC = (
    "05c14101c0400800a0bf29ac3615cffe0906fd65642931c474434880218e7a7b240b80e7e233779ac7f4844743be53c407030e0532296b18"
    "0c0902cc0d56c13eba832015909116688746c214003f"
)
"""A block with a code of its own, for 220 letters that mean nothing."""
FULL_OF_A = (
    "1b05a360148c8251300a46c1281805a360148c8251300a46c1281805a360148c8251300a46c1281805a360148c8251300a46c1d00700"
)
"""8192 times the letter a."""
ONE_TOO_MANY = (
    "1b05a360148c8251300a46c1281805a360148c8251300a46c1281805a360148c8251300a46c1281805a360148c8251300a46c1281805a360"
    "148c8251300a46c1300000"
)


def bomb(kilobytes: int) -> bytes:
    """A zero, then matches of 258 zeros at distance 1, in deflate's fixed code."""
    matches = kilobytes * 1024 // 258
    return _bits("110" + "00110000" + "1100010100000" * matches + "0000000")


def record_of(body: str | bytes, **changes: Any) -> Record:
    """Alice's record; its body deflated where PACKED has it."""
    plain = body.encode() if isinstance(body, str) else body
    wire = bytes.fromhex(PACKED[body]) if isinstance(body, str) and body in PACKED else plain
    record = Record(
        lifetime=Lifetime.NORMAL,
        author=ALICE.device_id,
        sequence=7,
        minutes=MINUTES,
        kind=Kind.POST,
        ref=None,
        body=plain,
        wire_body=wire,
        compressed=wire != plain,
    )
    return msgspec.structs.replace(record, **changes)


def wired(wire: bytes | str, **changes: Any) -> Record:
    """A record whose body on the wire is deflated, or claims to be."""
    raw = bytes.fromhex(wire) if isinstance(wire, str) else wire
    return record_of(b"", wire_body=raw, compressed=True, **changes)


def signed_bytes(fields: bytes, byte0: int = VERSION << 4 | Lifetime.NORMAL, key: DeviceKey = ALICE) -> SignedRecord:
    """Any fields at all under a good signature."""
    message = b"tntn record 1\0" + SPACE + key.public_key + bytes([byte0]) + fields
    return SignedRecord(record_of(""), byte0, fields, key.sign(message))


def epoch(number: int) -> EpochKeys:
    return derive_epoch_keys(SPACE, number, EPOCH_KEYS[number])


def sealed(signed: SignedRecord, number: int = 1) -> bytes:
    return seal(signed, epoch(number))


# What each operation does with its input. The same functions run the file in tests/core/test_vectors.py.


def _derive(given: dict[str, Any]) -> dict[str, Any]:
    keys = derive_epoch_keys(SpaceId(given["space_id"]), 0, given["epoch_key"])
    return {name: getattr(keys, name) for name in ("message", "nonce", "relay", "link")}


def _introduce(given: dict[str, Any]) -> dict[str, Any]:
    body = DeviceIntroduction(given["public_key"], given["name"]).encode()
    return {"body": body, "device_id": device_id_of(given["public_key"])}


def _unpack(given: dict[str, Any]) -> dict[str, Any]:
    return {"body": compression.unpack(given["wire_body"], given["limit"])}


def _sign(given: dict[str, Any]) -> dict[str, Any]:
    key, space = DeviceKey(given["seed"]), SpaceId(given["space_id"])
    record = Record(
        lifetime=Lifetime(given["lifetime"]),
        author=key.device_id,
        sequence=given["sequence"],
        minutes=given["minutes"],
        kind=given["kind"],
        ref=given["ref"],
        body=b"",
        wire_body=given["wire_body"],
        compressed=given["compressed"],
    )
    signed = sign(record, key, space)
    return {
        "public_key": key.public_key,
        "author": key.device_id,
        "signed": signed.encode(),
        "record_id": record_id(signed, key.public_key, space),
    }


def _decode(given: dict[str, Any]) -> dict[str, Any]:
    return _fields(decode_signed(given["signed"]).record)


def _verify(given: dict[str, Any]) -> dict[str, Any]:
    return {"record_id": _checked(decode_signed(given["signed"]), given)}


def _seal(given: dict[str, Any]) -> dict[str, Any]:
    keys = derive_epoch_keys(SpaceId(given["space_id"]), given["epoch"]["number"], given["epoch"]["epoch_key"])
    envelope = seal(decode_signed(given["signed"]), keys)
    return {"envelope": envelope, "envelope_id": envelope_id(envelope)}


def _open(given: dict[str, Any]) -> dict[str, Any]:
    space = SpaceId(given["space_id"])
    epochs = [derive_epoch_keys(space, each["number"], each["epoch_key"]) for each in given["epochs"]]
    signed, number = open_envelope(given["envelope"], epochs)
    return {"epoch": number, "record_id": _checked(signed, given), **_fields(signed.record)}


OPERATIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "derive_epoch_keys": _derive,
    "encode_introduction": _introduce,
    "unpack": _unpack,
    "sign": _sign,
    "decode_signed": _decode,
    "verify": _verify,
    "seal": _seal,
    "open_envelope": _open,
}


def run(operation: str, given: dict[str, Any]) -> dict[str, Any]:
    """{ok: fields} or {error: code} of one operation on decoded input."""
    try:
        return {"ok": OPERATIONS[operation](given)}
    except DecodeError as error:
        return {"error": error.code}


# The cases.


class Cases:
    """Collects cases; each states what it expects, and is refused here when the code says otherwise."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []

    def good(self, name: str, operation: str, /, **given: Any) -> dict[str, Any]:
        """A case that must work; returns its outcome for later cases to build on."""
        outcome = run(operation, given)
        assert "ok" in outcome, (name, outcome)
        self._add(name, operation, given, outcome)
        fields: dict[str, Any] = outcome["ok"]
        return fields

    def bad(self, code: str, name: str, operation: str, /, **given: Any) -> None:
        """A case that must be refused with a code."""
        outcome = run(operation, given)
        assert outcome == {"error": code}, (name, outcome)
        self._add(name, operation, given, outcome)

    def _add(self, name: str, operation: str, given: dict[str, Any], outcome: dict[str, Any]) -> None:
        self.all.append({"name": name, "op": operation, "in": given, "expect": outcome})


def make() -> dict[str, Any]:
    """The whole file, as it is written."""
    cases = Cases()
    _keys(cases)
    _compression(cases)
    _signing(cases)
    _records_refused(cases)
    _signatures(cases)
    _sealing(cases)
    _envelopes_refused(cases)
    return {**SCHEMA, "cases": _plain(cases.all)}


def _keys(cases: Cases) -> None:
    cases.good("the keys of an epoch", "derive_epoch_keys", space_id=SPACE, epoch_key=EPOCH_KEYS[1])
    cases.good(
        "the same epoch key in another space", "derive_epoch_keys", space_id=OTHER_SPACE, epoch_key=EPOCH_KEYS[1]
    )
    cases.good("a device introduction", "encode_introduction", public_key=ALICE.public_key, name="Alice")
    cases.good(
        "a name of forty letters, not all of them Latin",
        "encode_introduction",
        public_key=BOB.public_key,
        name="Ñandú Ω " + "é" * 32,
    )


def _compression(cases: Cases) -> None:
    for name, wire in (
        ("an English post", PACKED[CAT]),
        ("a Greek post, which the dictionary does not know", PACKED[MARKET]),
        ("a stream of two blocks", TWO_BLOCKS),
        ("a block with a code of its own", DYNAMIC),
        ("a stored block", "010500faff68656c6c6f"),
        ("as much as a body may hold", FULL_OF_A),
        ("a stream of nothing", "0300"),
    ):
        cases.good(f"unpack {name}", "unpack", wire_body=bytes.fromhex(wire), limit=BODY_BYTES_MAX)
    cat = bytes.fromhex(PACKED[CAT])
    two = bytes.fromhex(TWO_BLOCKS)
    for name, raw in (
        ("no bytes at all", b""),
        ("a stream without its last byte", cat[:-1]),
        ("a stream cut off in the middle", cat[:20]),
        ("a byte behind the end", cat + b"\0"),
        ("a second stream behind the first", cat + cat),
        ("a first block whose second is missing", two[:15]),
        ("a block type that does not exist", b"\x07" + cat[1:]),
        ("a stored block whose length does not agree with itself", bytes.fromhex("010500faee68656c6c6f")),
        ("a match before the dictionary's first byte", _bits("110" + "0000001" + "11100" + "1" * 13 + "0000000")),
        ("a zlib header", zlib.compress(b"hello hello hello")),
        ("one byte more than a body may hold", bytes.fromhex(ONE_TOO_MANY)),
        ("a bomb: 100 KiB of zeros", bomb(100)),
    ):
        cases.bad("deflate", f"unpack {name}", "unpack", wire_body=raw, limit=BODY_BYTES_MAX)


def _signing(cases: Cases) -> None:
    for name, record in (
        ("an empty body and the first sequence", record_of("", sequence=1)),
        ("an English post, deflated", record_of(CAT)),
        ("a Spanish post, deflated", record_of(LADDER, sequence=8)),
        ("a French post, deflated", record_of(HENS, sequence=9)),
        ("a Greek post", record_of(MARKET, sequence=10)),
        ("a post in two scripts, not deflated", record_of(BAG, sequence=11)),
        ("a reply", record_of("Seen this morning by the dam.", sequence=12, ref=bytes.fromhex("0badcafe"))),
        ("an alert", record_of("The dam is open. Stay off the river.", lifetime=Lifetime.ALERT)),
        ("a permanent record", record_of("x", lifetime=Lifetime.PERMANENT)),
        ("a sequence of two varint bytes", record_of("x", sequence=128)),
        ("the greatest sequence of two bytes", record_of("x", sequence=2**14 - 1)),
        ("the greatest sequence", record_of("x", sequence=SEQUENCE_MAX)),
        ("the first minute", record_of("x", minutes=0)),
        ("the last minute", record_of("x", minutes=MINUTES_MAX)),
        ("an unknown kind, kept and carried", record_of(b"\xff\0?", kind=63)),
        ("the longest body, deflated", wired(FULL_OF_A)),
    ):
        signed = cases.good(
            f"sign {name}",
            "sign",
            seed=bytes(range(32)),
            space_id=SPACE,
            lifetime=int(record.lifetime),
            sequence=record.sequence,
            minutes=record.minutes,
            kind=int(record.kind),
            ref=record.ref,
            wire_body=record.wire_body,
            compressed=record.compressed,
        )["signed"]
        cases.good(f"decode {name}", "decode_signed", signed=signed)


def _records_refused(cases: Cases) -> None:
    good = sign(record_of(CAT), ALICE, SPACE).encode()
    for code, name, raw in (
        ("truncated", "no bytes", b""),
        ("truncated", "byte 0 alone", good[:1]),
        ("truncated", "a signature without fields", good[:1] + good[-64:]),
        ("truncated", "an end inside the sequence", _fields_then("0011223380")),
        ("truncated", "an end before the kind", _fields_then("00112233010f2940")),
        ("truncated", "an end inside the ref", _fields_then("00112233010f2940090badca")),
        ("version", "version 0", bytes([0x02]) + good[1:]),
        ("version", "version 2", bytes([0x22]) + good[1:]),
        ("class", "class 5", bytes([0x15]) + good[1:]),
        ("class", "class 15", bytes([0x1F]) + good[1:]),
        ("sequence", "sequence 0", _fields_then("00112233000f29400861")),
        ("varint", "a sequence of 1 in two bytes", _fields_then("0011223381000f29400861")),
        ("varint", "a sequence of four bytes", _fields_then("00112233808080010f29400861")),
        ("oversized", "a body of 8193 bytes", _fields_then("00112233010f294008" + "6d" * 8193)),
        ("oversized", "ten thousand bytes", bytes([0x12]) * 10_000),
        ("deflate", "a body that does not inflate", _fields_then("00112233010f29400affff")),
    ):
        cases.bad(code, f"decode {name}", "decode_signed", signed=raw)


def _signatures(cases: Cases) -> None:
    good = sign(record_of(CAT), ALICE, SPACE).encode()
    cases.good("a signature holds", "verify", signed=good, public_key=ALICE.public_key, space_id=SPACE)
    for name, raw, key, space in (
        ("somebody else's key", good, BOB.public_key, SPACE),
        ("another space", good, ALICE.public_key, OTHER_SPACE),
        ("a changed class", bytes([0x13]) + good[1:], ALICE.public_key, SPACE),
        ("a changed minute", good[:8] + bytes([good[8] ^ 1]) + good[9:], ALICE.public_key, SPACE),
        ("a changed signature", good[:-1] + bytes([good[-1] ^ 1]), ALICE.public_key, SPACE),
        ("an S above the group order", _malleated(good), ALICE.public_key, SPACE),
        ("a signature of zeros", good[:-64] + bytes(64), ALICE.public_key, SPACE),
        ("a key that is no point", good, b"\xff" * 32, SPACE),
    ):
        cases.bad(
            "signature", f"a signature does not hold: {name}", "verify", signed=raw, public_key=key, space_id=space
        )


def _sealing(cases: Cases) -> None:
    current = {"number": 1, "epoch_key": EPOCH_KEYS[1]}
    older = [{"number": number, "epoch_key": EPOCH_KEYS[number]} for number in (3, 2, 1)]
    for name, record in (
        ("the shortest record: 94 bytes", record_of("", sequence=1)),
        ("an English post", record_of(CAT)),
        ("a reply", record_of("Seen this morning by the dam.", sequence=12, ref=bytes.fromhex("0badcafe"))),
        ("an unknown kind", record_of(b"\xff\0?", kind=63)),
        ("the longest record", record_of(b"m" * BODY_BYTES_MAX, sequence=SEQUENCE_MAX, ref=bytes(4))),
    ):
        signed = sign(record, ALICE, SPACE).encode()
        envelope = cases.good(f"seal {name}", "seal", signed=signed, space_id=SPACE, epoch=current)["envelope"]
        cases.good(
            f"open {name}",
            "open_envelope",
            envelope=envelope,
            space_id=SPACE,
            epochs=[current],
            public_key=ALICE.public_key,
        )
    cases.good(
        "open an envelope of an older epoch",
        "open_envelope",
        envelope=sealed(sign(record_of(LADDER), ALICE, SPACE), 2),
        space_id=SPACE,
        epochs=older,
        public_key=ALICE.public_key,
    )


def _envelopes_refused(cases: Cases) -> None:
    good = sealed(sign(record_of(CAT), ALICE, SPACE))
    forged = sealed(signed_bytes(sign(record_of(CAT), ALICE, SPACE).fields, key=BOB))
    for code, name, raw in (
        ("truncated", "no bytes", b""),
        ("truncated", "93 bytes", good[:93]),
        ("oversized", "nine thousand bytes", bytes([0x12]) * 9000),
        ("version", "version 0", bytes([0x02]) + good[1:]),
        ("version", "version 15", bytes([0xF2]) + good[1:]),
        ("class", "class 9", bytes([0x19]) + good[1:]),
        ("stranger", "a stranger's hint", good[:1] + bytes(byte ^ 0xFF for byte in good[1:5]) + good[5:]),
        ("stranger", "another class, which the hint covers", bytes([0x10]) + good[1:]),
        ("stranger", "a last byte cut off, which the hint covers", good[:-1]),
        ("stranger", "an epoch that is not ours", sealed(sign(record_of(CAT), ALICE, SPACE), 3)),
        ("tag", "a flipped bit in the tag under a hint that fits", _hinted(good[:-1] + bytes([good[-1] ^ 1]))),
        (
            "tag",
            "a flipped bit in the body under a hint that fits",
            _hinted(good[:40] + bytes([good[40] ^ 1]) + good[41:]),
        ),
        ("signature", "a record that somebody else signed in her name", forged),
        ("sequence", "sequence 0", sealed(signed_bytes(bytes.fromhex("00112233000f29400861")))),
        ("varint", "a sequence in one byte too many", sealed(signed_bytes(bytes.fromhex("0011223381000f294008")))),
        ("truncated", "a ref that is cut off", sealed(signed_bytes(bytes.fromhex("00112233010f2940090b")))),
        ("deflate", "a body that does not inflate", sealed(sign(wired("ffff"), ALICE, SPACE))),
        ("deflate", "a body with a byte behind its end", sealed(sign(wired(PACKED[CAT] + "00"), ALICE, SPACE))),
        ("deflate", "a bomb", sealed(sign(wired(bomb(100)), ALICE, SPACE))),
    ):
        cases.bad(
            code,
            f"open {name}",
            "open_envelope",
            envelope=raw,
            space_id=SPACE,
            epochs=[{"number": number, "epoch_key": EPOCH_KEYS[number]} for number in (2, 1)],
            public_key=ALICE.public_key,
        )


def _fields(record: Record) -> dict[str, Any]:
    return {
        "lifetime": int(record.lifetime),
        "author": record.author,
        "sequence": record.sequence,
        "minutes": record.minutes,
        "kind": int(record.kind),
        "ref": record.ref,
        "body": record.body,
        "compressed": record.compressed,
    }


def _checked(signed: SignedRecord, given: dict[str, Any]) -> bytes:
    space = SpaceId(given["space_id"])
    if not signed.is_signed_by(given["public_key"], space):
        raise DecodeError("signature", "The signature does not fit.")
    return record_id(signed, given["public_key"], space)


def _fields_then(fields: str) -> bytes:
    """Fields in hex behind byte 0 and before a signature that nobody reads."""
    return bytes([0x12]) + bytes.fromhex(fields) + bytes(64)


def _hinted(envelope: bytes) -> bytes:
    """The envelope with the hint that its bytes ask for: only who has K_relay can do that."""
    from app.core.envelope import hint_of

    return envelope[:1] + hint_of(envelope[:1] + envelope[5:], epoch(1)) + envelope[5:]


def _malleated(signed: bytes) -> bytes:
    """The same signature with the group order added to S: mathematically true, and refused (RFC 8032, 5.1.7)."""
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(signed[-32:], "little") + order
    return signed[:-32] + s.to_bytes(32, "little")


def _bits(bits: str) -> bytes:
    """Bytes of a stream of bits, first bit lowest (RFC 1951, 3.1.1)."""
    padded = bits + "0" * (-len(bits) % 8)
    return bytes(int(padded[place : place + 8][::-1], 2) for place in range(0, len(padded), 8))


def _plain(value: Any) -> Any:
    """Bytes as the schema writes them."""
    match value:
        case bytes():
            return _hex(value)
        case dict():
            return {key: _plain(part) for key, part in value.items()}
        case list():
            return [_plain(part) for part in value]
        case _:
            return value


def _hex(raw: bytes) -> str | dict[str, Any]:
    if len(raw) > 1000 and raw == raw[:1] * len(raw):
        return {"hex": raw[:1].hex(), "times": len(raw)}
    return raw.hex()


def read(value: Any) -> Any:
    """The file's input or outcome with its bytes as bytes: every string under a name of bytes is hex."""
    match value:
        case {"hex": str(text), "times": int(times)}:
            return bytes.fromhex(text) * times
        case dict():
            return {key: part if key in _WORDS else read(part) for key, part in value.items()}
        case list():
            return [read(part) for part in value]
        case str():
            return bytes.fromhex(value)
        case _:
            return value


_WORDS = {"name", "error"}
"""Names under which a string is a text."""

assert encode_fields(record_of("")) == bytes(ALICE.device_id) + bytes.fromhex("070f294008")


def text() -> str:
    """The file's text."""
    return json.dumps(make(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), "utf-8")
    print(f"{len(make()['cases'])} cases, {TARGET.stat().st_size} bytes")
