"""What is fuzzed: each takes any bytes. Whoever reads a new format adds its reader here.

What is sealed or carries a MAC is read twice: as it comes, which no chance gets past, and sealed by us.
"""

import base64
import hashlib
import io
import random
from collections.abc import Callable
from pathlib import Path

from app import usda
from app.backup.sealing import decode_header
from app.core import anatomy, boards, bodies, compression, directory, weather
from app.core.envelope import open_envelope
from app.core.membership import CHECKSUM_BYTES, CODE_PREFIX, decode_invitation
from app.core.record import BODY_BYTES_MAX, decode_signed
from app.errors import DecodeError, InputError
from app.radio import blend, control, fragment, frame, iblt, request, tidings, vector, want
from app.radio.dialects import kiss_codec, meshtastic_codec, protobuf, rnode_codec, rui3_codec
from app.radio.dialects.kiss import Kiss
from app.radio.dialects.meshtastic import Meshtastic
from app.radio.dialects.rnode import Rnode
from app.radio.dialects.rui3 import Rui3
from app.radio.probe import Probe
from app.radio.profile import EU868
from app.sync import bundle, car
from tests.fuzz import members
from tests.fuzz.files import backup, sealed_backup, sealed_bundle
from tests.fuzz.machines import NEAR, assembles, compares, hears, hears_messages, hears_when_ready, solves
from tests.fuzz.mesh import converses
from tests.fuzz.sync_peer import hear_peer

USDA_HEADER = (Path(__file__).parents[2] / "demo/usda-farmers-markets-vermont.csv").read_bytes().splitlines(True)[0]


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


def _frame(data: bytes) -> object:
    return frame.decode_frame(data, members.LINK)


def _control(data: bytes) -> object:
    return control.open_control(data, members.LINK)


def _blend(data: bytes) -> object:
    return blend.decode_blend(data, members.LINK, NEAR.__getitem__)


def _tidings(data: bytes) -> object:
    return tidings.decode_tidings(data, members.LINK)


def _symbol(data: bytes) -> object:
    return fragment.decode_symbol(data, members.LINK.keys)


def _envelope(data: bytes) -> object:
    return open_envelope(data, members.EPOCHS)


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
        frame.peek_frame,
        _frame,
        lambda data: _frame(members.signed_frame(data)),
        lambda data: _frame(members.signed_symbol_frame(data)),
    ),
    "vector": _reads(vector.decode_vector),
    "request": _reads(
        request.decode_request, request.decode_gone, request.decode_compare, request.decode_wanted, want.decode_wants
    ),
    "control": _reads(_control, lambda data: _control(members.sealed_control(data))),
    "iblt": _all(_reads(iblt.decode_symbols), compares),
    "fragment": _reads(_symbol, lambda data: _symbol(members.signed_symbol(data))),
    "blend": _all(_reads(_blend, lambda data: _blend(members.signed_blend(data, NEAR.__getitem__))), solves),
    "tidings": _reads(_tidings, lambda data: _tidings(members.signed_tidings(data))),
    "assembly": assembles,
    "mesh": converses,
    "envelope": _reads(_envelope, lambda data: _envelope(members.sealed_envelope(data)), _outside),
    "record": _reads(decode_signed, lambda data: compression.unpack(data, BODY_BYTES_MAX), _anatomy),
    "directory": _reads(directory.decode_entry),
    "bodies": _reads(
        bodies.decode_device_introduction, bodies.decode_node_introduction, boards.decode_post, weather.decode_report
    ),
    "invitation": _reads(_text(decode_invitation), _checked_invitation),
    "bundle": _reads(
        lambda data: car.read_header(io.BytesIO(data)), bundle.decode_pack, bundle._decode_fields, sealed_bundle
    ),
    "backup": _reads(backup, sealed_backup, decode_header),
    "sync": hear_peer,
    "markets": _reads(usda.read_markets, lambda data: usda.read_markets(USDA_HEADER + data)),
}
