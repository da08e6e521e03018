"""What is fuzzed: each takes any bytes. Whoever reads a new format adds its reader here.

What is sealed or carries a MAC is read twice: as it comes, which no chance gets past, and sealed by us.
"""

import base64
import hashlib
import random
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from app import usda
from app.core import anatomy, boards, bodies, compression, directory, weather
from app.core.envelope import hint_of, open_envelope
from app.core.keys import EPOCH_KEY_BYTES, SPACE_ID_BYTES, SpaceId, derive_epoch_keys
from app.core.membership import CHECKSUM_BYTES, CODE_PREFIX, decode_invitation
from app.core.record import BODY_BYTES_MAX, decode_signed
from app.errors import DecodeError, InputError
from app.radio import control, fragment, frame, iblt, request, vector, want
from app.radio.dialects import kiss_codec, meshtastic_codec, protobuf, rnode_codec, rui3_codec
from app.radio.dialects.kiss import Kiss
from app.radio.dialects.meshtastic import Meshtastic
from app.radio.dialects.rnode import Rnode
from app.radio.dialects.rui3 import Rui3
from app.radio.frame import LinkKeys
from app.radio.probe import Probe
from app.radio.profile import EU868
from tests.fuzz.machines import assembles, compares, hears, hears_messages, hears_when_ready

HEADER_BYTES = 5
"""Of a symbol's frame, with a log number of one byte."""
USDA_HEADER = (Path(__file__).parents[2] / "demo/usda-farmers-markets-vermont.csv").read_bytes().splitlines(True)[0]
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


def _all(*readers: Callable[[bytes], None]) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        for reader in readers:
            reader(data)

    return read


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


def _signed_frame(data: bytes) -> object:
    """What a node of the community could say in any other frame."""
    mac_bytes = frame._MAC_BYTES.get(data[0] & 0x0F if data else frame.ENVELOPE_TYPE, 0)
    return frame.decode_frame(data + frame._mac(data, _SPACE, _LINK.keys[0], mac_bytes), _LINK)


def _signed_symbol_frame(data: bytes) -> object:
    """A symbol in its frame, whose header the MAC covers."""
    header, payload = data[:HEADER_BYTES], data[HEADER_BYTES:]
    mac = fragment._mac(_LINK.keys[0], header, payload)
    return frame.decode_frame(bytes([frame.VERSION << 4 | frame.SYMBOL_TYPE]) + header[1:] + payload + mac, _LINK)


def _text(decode: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: decode(data.decode("utf-8", "replace"))


def _checked_invitation(data: bytes) -> object:
    """A code whose checksum is right, whatever it holds."""
    packed = data + hashlib.sha256(data).digest()[:CHECKSUM_BYTES]
    return decode_invitation(CODE_PREFIX + base64.urlsafe_b64encode(packed).decode("ascii").rstrip("="))


def _anatomy(data: bytes) -> object:
    """What `tntn inspect` makes of it."""
    return [*anatomy.signed_record(data)]


def _outside(data: bytes) -> object:
    return [*anatomy.envelope_outside(data)]


TARGETS: dict[str, Callable[[bytes], None]] = {
    "kiss": _all(hears(lambda: Kiss(EU868)), hears_when_ready("kiss")),
    "rnode": _all(hears(lambda: Rnode(EU868)), hears_when_ready("rnode")),
    "rui3": _all(hears(lambda: Rui3(EU868, random.Random(1))), hears_when_ready("rui3")),
    "meshtastic": _all(hears(lambda: Meshtastic(random.Random(1))), hears_when_ready("meshtastic")),
    "messages": hears_messages,
    "codecs": _reads(
        meshtastic_codec.decode_from_radio,
        meshtastic_codec.decode_user,
        meshtastic_codec.decode_routing_error,
        meshtastic_codec.decode_telemetry,
        protobuf.decode,
        kiss_codec.decode_radio,
        rnode_codec.decode_number,
        rnode_codec.decode_channel,
        rnode_codec.decode_preamble_symbols,
        _text(rui3_codec.decode_line),
        _text(rui3_codec.decode_p2p),
    ),
    "probe": hears(Probe),
    "frame": _reads(
        lambda data: frame.decode_frame(data, _LINK), frame.peek_frame, _signed_frame, _signed_symbol_frame
    ),
    "vector": _reads(vector.decode_vector),
    "request": _reads(
        request.decode_request, request.decode_gone, request.decode_compare, request.decode_wanted, want.decode_wants
    ),
    "control": _reads(lambda data: control.open_control(data, _LINK), _sealed_control),
    "iblt": _all(_reads(iblt.decode_symbols), compares),
    "fragment": _reads(lambda data: fragment.decode_symbol(data, (_EPOCHS[0].link,)), _signed_symbol),
    "assembly": assembles,
    "envelope": _reads(lambda data: open_envelope(data, _EPOCHS), _sealed_envelope, _outside),
    "record": _reads(decode_signed, lambda data: compression.unpack(data, BODY_BYTES_MAX), _anatomy),
    "directory": _reads(directory.decode_entry),
    "bodies": _reads(
        bodies.decode_device_introduction, bodies.decode_node_introduction, boards.decode_post, weather.decode_report
    ),
    "invitation": _reads(_text(decode_invitation), _checked_invitation),
    "markets": _reads(usda.read_markets, lambda data: usda.read_markets(USDA_HEADER + data)),
}
