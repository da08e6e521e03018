"""What is fuzzed: each takes any bytes. Whoever reads a new format adds its reader here.

What is sealed or carries a MAC is read twice: as it comes, which no chance gets past, and sealed by us.
"""

import io
import random
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from app.backup.archive import read_entries
from app.backup.sealing import HEADER_BYTES, MEMORY_KIB_MIN, Header, Opener, Sealer, decode_header
from app.core import boards, bodies, compression, directory, weather
from app.core.blob import address_of
from app.core.envelope import hint_of, open_envelope
from app.core.keys import EPOCH_KEY_BYTES, SPACE_ID_BYTES, DeviceKey, SpaceId, derive_epoch_keys
from app.core.membership import decode_invitation
from app.core.record import BODY_BYTES_MAX, decode_signed
from app.errors import DecodeError, InputError
from app.radio import control, fragment, frame, iblt, request, vector, want
from app.radio.dialects.dialect import Dialect
from app.radio.dialects.kiss import Kiss
from app.radio.dialects.meshtastic import Meshtastic
from app.radio.dialects.rnode import Rnode
from app.radio.dialects.rui3 import Rui3
from app.radio.frame import LinkKeys
from app.radio.probe import Probe
from app.radio.profile import EU868
from app.sync import bundle, car
from app.sync.bundle import BundleKey
from app.sync.bundle_file import BundleFile
from app.sync.car import encode_head, encode_header
from tests.fuzz.sync_peer import hear_peer

CHUNK_BYTES = 7
"""Ports cut what they deliver anywhere."""
STEP_MS = 500
STEPS_MAX = 200
"""After the bytes the machine runs until it has given up: a deadline that is never met would be a loop."""
_SPACE = SpaceId(bytes(SPACE_ID_BYTES))
_EPOCHS = (derive_epoch_keys(_SPACE, 1, bytes(EPOCH_KEY_BYTES)),)
_LINK = LinkKeys(_SPACE, (_EPOCHS[0].link,))


def _reads(*decoders: Callable[[bytes], object]) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        for decode in decoders:
            try:
                decode(data)
            except (DecodeError, InputError):
                continue

    return read


def _hears(make: Callable[[], Dialect | Probe]) -> Callable[[bytes], None]:
    def hear(data: bytes) -> None:
        machine, now_ms = make(), 0
        machine.open(now_ms)
        for start in range(0, len(data), CHUNK_BYTES):
            machine.poll(now_ms)
            machine.receive(data[start : start + CHUNK_BYTES], now_ms)
            now_ms += STEP_MS
            if not isinstance(machine, Probe):
                machine.events()
                if machine.is_ready and start % 3 == 0:
                    machine.send(data[:CHUNK_BYTES], now_ms)
        for _ in range(STEPS_MAX):
            deadline_ms = machine.deadline_ms()
            if deadline_ms is None:
                break
            now_ms = max(now_ms + 1, deadline_ms)
            machine.poll(now_ms)

    return hear


def _sealed_envelope(data: bytes) -> object:
    """What a member could seal: byte 0, then anything."""
    keys, byte0 = _EPOCHS[0], data[:1]
    ciphertext = AESGCMSIV(keys.message).encrypt(keys.nonce, data[1:], byte0)
    return open_envelope(byte0 + hint_of(byte0 + ciphertext, keys) + ciphertext, _EPOCHS)


def _sealed_control(data: bytes) -> object:
    """What a node of the community could say in a control frame."""
    header = bytes([frame.VERSION << 4 | frame.CONTROL_TYPE, 1, 0, 0, 0, 1])
    cipher = control._cipher(_SPACE, _EPOCHS[0].link)
    sealed = cipher.encrypt(header + control._NONCE_PADDING, data, header)
    return control.open_control(header + sealed, _LINK)


def _signed_symbol(data: bytes) -> object:
    """What a node of the community could send as a symbol."""
    key = _EPOCHS[0].link
    return fragment.decode_symbol(data + fragment._mac(key, b"", data), (key,))


def _unpacked(read: Callable[[int], bytes]) -> None:
    for _, pieces in read_entries(read):
        for _ in pieces:
            pass


def _backup(data: bytes) -> None:
    """What a disk hands back."""
    decode_header(data[:HEADER_BYTES])
    source = io.BytesIO(data[HEADER_BYTES:])
    _unpacked(Opener(source.read, bytes(32), Header(bytes(16))).read)


def _sealed_backup(data: bytes) -> None:
    """What somebody who has the passphrase could have written."""
    file, header = io.BytesIO(), Header(bytes(16), 1, MEMORY_KIB_MIN)
    sealer = Sealer(file.write, bytes(32), header)
    sealer.write(data)
    sealer.finish()
    source = io.BytesIO(file.getvalue()[HEADER_BYTES:])
    _unpacked(Opener(source.read, bytes(32), header).read)


def _bundle(data: bytes) -> object:
    """What a stick could have behind a manifest that names it, read to its end."""
    key, device = BundleKey(_SPACE, _EPOCHS[0].link), DeviceKey(bytes(32))
    pack = key.seal(bundle.PACK, data)
    names = (bundle.block_address(pack),)
    root = bundle.seal_manifest(
        bundle.Manifest(0, device.public_key, 0, {}, names, (address_of(data),), (), b""), device, _SPACE, key
    )
    head = encode_header([address_of(root)]) + encode_head(address_of(root), len(root)) + root
    file = BundleFile(io.BytesIO(head + encode_head(names[0], len(pack)) + pack + data), _SPACE, (_EPOCHS[0].link,))
    file.read_manifest()
    while (pieces := file.next_pieces(set())).entries or pieces.blobs:
        continue
    return bundle.open_manifest(key.seal(bundle.MANIFEST, data), _SPACE, [key])


def _invitation(data: bytes) -> object:
    return decode_invitation(data.decode("utf-8", "replace"))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "kiss": _hears(lambda: Kiss(EU868)),
    "rnode": _hears(lambda: Rnode(EU868)),
    "rui3": _hears(lambda: Rui3(EU868, random.Random(1))),
    "meshtastic": _hears(lambda: Meshtastic(random.Random(1))),
    "probe": _hears(Probe),
    "frame": _reads(lambda data: frame.decode_frame(data, _LINK), frame.peek_frame),
    "vector": _reads(vector.decode_vector),
    "request": _reads(
        request.decode_request, request.decode_gone, request.decode_compare, request.decode_wanted, want.decode_wants
    ),
    "control": _reads(lambda data: control.open_control(data, _LINK), _sealed_control),
    "iblt": _reads(iblt.decode_symbols),
    "fragment": _reads(lambda data: fragment.decode_symbol(data, (_EPOCHS[0].link,)), _signed_symbol),
    "envelope": _reads(lambda data: open_envelope(data, _EPOCHS), _sealed_envelope),
    "record": _reads(decode_signed, lambda data: compression.unpack(data, BODY_BYTES_MAX)),
    "directory": _reads(directory.decode_entry),
    "bodies": _reads(
        bodies.decode_device_introduction, bodies.decode_node_introduction, boards.decode_post, weather.decode_report
    ),
    "bundle": _reads(
        lambda data: car.read_header(io.BytesIO(data)), bundle.decode_pack, bundle._decode_fields, _bundle
    ),
    "invitation": _reads(_invitation),
    "backup": _reads(_backup, _sealed_backup, decode_header),
    "sync": hear_peer,
}
