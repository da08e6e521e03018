"""`tntn record inspect`: explains a record or an envelope byte by byte."""

import argparse
import asyncio
import contextlib
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from app.core import anatomy
from app.core.bodies import decode_device_introduction, decode_node_introduction
from app.core.envelope import ENVELOPE_BYTES_MAX, check_size, envelope_id, open_envelope
from app.core.keys import DeviceId, EpochKeys, SpaceId, device_id_of
from app.core.record import Kind, SignedRecord, decode_signed, record_id
from app.errors import DecodeError, InputError, StrangerError

HEX_CHARACTERS_MAX = 4 * ENVELOPE_BYTES_MAX
"""The longest envelope with a separator between all its bytes, twice over."""
SHOWN_BYTES_MAX = 16
"""Of a long field the table shows this many bytes and its meaning the rest."""
MEANING_WIDTH = 76
_LABEL_WIDTH = 19


class Reader(msgspec.Struct, frozen=True):
    """Who looks: the keys of a data folder's node, or nobody's. `names` has (name, public key) of possible authors."""

    space_id: SpaceId | None = None
    epochs: Sequence[EpochKeys] = ()
    names: dict[DeviceId, tuple[str, bytes]] = {}


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`tntn record inspect HEX`."""
    record = commands.add_parser("record", help="explain a record or an envelope")
    verbs = record.add_subparsers(title="commands", metavar="COMMAND", required=True)
    inspect = verbs.add_parser(
        "inspect",
        help="explain a record or an envelope byte by byte",
        description="Explain an envelope, as it goes over the radio, or a signed record, as a phone hands it to a node."
        " Without --data the outer fields of an envelope are shown; with it, the envelope is opened with the keys of"
        " that node, and the signature is checked. The bytes are told in docs/protocol/record.md.",
    )
    inspect.add_argument("hex", metavar="HEX", help="the bytes in hex (spaces and colons are allowed; - reads stdin)")
    inspect.add_argument("--data", type=Path, metavar="DIR", help="data folder of a node that may open it")
    inspect.add_argument("--as", dest="form", choices=("envelope", "record"), help="say which it is (default: look)")
    inspect.set_defaults(run=_inspect)


def _inspect(options: argparse.Namespace) -> int:
    data = _bytes_of(sys.stdin.read(HEX_CHARACTERS_MAX + 1) if options.hex == "-" else options.hex)
    reader = Reader() if options.data is None else asyncio.run(_reader(options.data, data))
    if options.form == "record" or (options.form is None and _is_record(data, reader)):
        print(f"signed record, {len(data)} bytes\n")
        _print_parts(anatomy.signed_record(data))
        _print_checks(decode_signed(data), reader)
    else:
        _explain_envelope(data, reader)
    return 0


def _explain_envelope(data: bytes, reader: Reader) -> None:
    check_size(data)
    print(f"envelope, {len(data)} bytes\n")
    try:
        opened, number = open_envelope(data, reader.epochs)
    except StrangerError:
        _print_parts(anatomy.envelope_outside(data))
        _print_label("envelope id", envelope_id(data).hex())
        if reader.epochs:
            raise DecodeError(
                "stranger", "No key of this node fits: it was sealed for another community, or changed on its way."
            ) from None
        print("\nIt is sealed. With --data, a node of its community opens it.")
        return
    except DecodeError:
        _print_parts(anatomy.envelope_outside(data))
        raise
    _print_parts(anatomy.envelope_inside(data, opened))
    _print_label("envelope id", envelope_id(data).hex())
    _print_label("epoch", str(number))
    _print_checks(opened, reader)


def _bytes_of(text: str) -> bytes:
    digits = "".join(text.split()).replace(":", "").removeprefix("0x")
    if len(text) > HEX_CHARACTERS_MAX:
        raise InputError(f"This is longer than any envelope: {ENVELOPE_BYTES_MAX} bytes.")
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        wrong = next((character for character in digits if character not in "0123456789abcdefABCDEF"), None)
        why = f"“{wrong}” is no hex digit" if wrong else "a digit is missing: two make a byte"
        raise InputError(f"The bytes are to be in hex; {why}.", "hex") from None
    if not data:
        raise InputError("There are no bytes to explain.", "hex")
    return data


async def _reader(folder: Path, data: bytes) -> Reader:
    """The node's epochs, and the roster's word on whoever may have written this."""
    from app import founding
    from app.clock import SystemClock

    node = await founding.open_node(folder, SystemClock())
    try:
        space_id = node.identity.space_id
        epochs = await node.store.node.epoch_keys(space_id)
        names = {}
        for author in _possible_authors(data, epochs):
            device = await node.store.devices.get(author)
            if device is not None:
                names[author] = (device.name, device.public_key)
        return Reader(space_id, epochs, names)
    finally:
        await node.close()


def _possible_authors(data: bytes, epochs: Sequence[EpochKeys]) -> Iterator[DeviceId]:
    with contextlib.suppress(DecodeError):
        yield decode_signed(data).record.author
    with contextlib.suppress(DecodeError):
        yield open_envelope(data, epochs)[0].record.author


def _is_record(data: bytes, reader: Reader) -> bool:
    """Both begin alike. A record's body reads as what its kind says; a cipher's bytes practically never do."""
    try:
        signed = decode_signed(data)
    except DecodeError:
        return False
    try:
        open_envelope(data, reader.epochs)
    except DecodeError:
        return signed.record.author in reader.names or anatomy.is_readable(signed.record)
    return False


def _public_key_of(signed: SignedRecord, reader: Reader) -> tuple[bytes, str] | None:
    """(public key, where it is from) of a record's author."""
    record = signed.record
    known = reader.names.get(record.author)
    if known is not None:
        return known[1], f"“{known[0]}” in the roster"
    try:
        match record.kind:
            case Kind.DEVICE:
                public_key = decode_device_introduction(record.body).public_key
            case Kind.NODE:
                public_key = decode_node_introduction(record.body).public_key
            case _:
                return None
    except DecodeError:
        return None
    return (public_key, "the key it introduces") if device_id_of(public_key) == record.author else None


def _print_checks(signed: SignedRecord, reader: Reader) -> None:
    if reader.space_id is None:
        print("\nThe signature was not checked: that needs the space (--data).")
        return
    key = _public_key_of(signed, reader)
    if key is None:
        print("\nThe signature was not checked: this node does not know the author's key.")
        return
    public_key, origin = key
    _print_label("record id", record_id(signed, public_key, reader.space_id).hex())
    if not signed.is_signed_by(public_key, reader.space_id):
        raise DecodeError(
            "signature", f"The signature does NOT fit {origin}: it was changed, or somebody else wrote it."
        )
    _print_label("signature", f"holds, by {origin}")


def _print_parts(parts: Iterable[anatomy.Part]) -> None:
    """As they come: what stands before a broken place is shown before the error is."""
    print(f"{'offset':>6} {'bytes':>5}  {'field':<10} hex and meaning")
    for part in parts:
        more = "…" if len(part.data) > SHOWN_BYTES_MAX else ""
        print(f"{part.offset:>6} {len(part.data):>5}  {part.field:<10} {part.data[:SHOWN_BYTES_MAX].hex(' ')}{more}")
        for line in part.meaning.splitlines():
            for wrapped in textwrap.wrap(line, MEANING_WIDTH) or [""]:
                print(f"{'':{_LABEL_WIDTH + 6}}{wrapped}".rstrip())
    print()


def _print_label(label: str, value: str) -> None:
    print(f"{label:<{_LABEL_WIDTH}} {value}")
