"""Files from sticks and disks: backups and bundles, as they come and as somebody with the keys could write them."""

import io
from collections.abc import Callable

from app.backup.archive import read_entries
from app.backup.sealing import HEADER_BYTES, MEMORY_KIB_MIN, Header, Opener, Sealer, decode_header
from app.core.blob import address_of
from app.core.keys import DeviceKey
from app.sync import bundle
from app.sync.bundle import BundleKey
from app.sync.bundle_file import BundleFile
from app.sync.car import encode_head, encode_header
from tests.fuzz import members


def _unpacked(read: Callable[[int], bytes]) -> None:
    for _, pieces in read_entries(read):
        for _ in pieces:
            pass


def backup(data: bytes) -> None:
    """What a disk hands back."""
    decode_header(data[:HEADER_BYTES])
    source = io.BytesIO(data[HEADER_BYTES:])
    _unpacked(Opener(source.read, bytes(32), Header(bytes(16))).read)


def sealed_backup(data: bytes) -> None:
    """What somebody who has the passphrase could have written."""
    file, header = io.BytesIO(), Header(bytes(16), 1, MEMORY_KIB_MIN)
    sealer = Sealer(file.write, bytes(32), header)
    sealer.write(data)
    sealer.finish()
    source = io.BytesIO(file.getvalue()[HEADER_BYTES:])
    _unpacked(Opener(source.read, bytes(32), header).read)


def sealed_bundle(data: bytes) -> object:
    """What a stick could have behind a manifest that names it, read to its end."""
    key, device = BundleKey(members.SPACE, members.EPOCHS[0].link), DeviceKey(bytes(32))
    pack = key.seal(bundle.PACK, data)
    names = (bundle.block_address(pack),)
    root = bundle.seal_manifest(
        bundle.Manifest(0, device.public_key, 0, {}, names, (address_of(data),), (), b""), device, members.SPACE, key
    )
    head = encode_header([address_of(root)]) + encode_head(address_of(root), len(root)) + root
    file = BundleFile(
        io.BytesIO(head + encode_head(names[0], len(pack)) + pack + data), members.SPACE, (members.EPOCHS[0].link,)
    )
    file.read_manifest()
    while (pieces := file.next_pieces(set())).entries or pieces.blobs:
        continue
    return bundle.open_manifest(key.seal(bundle.MANIFEST, data), members.SPACE, [key])
