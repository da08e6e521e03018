"""Makes tests/vectors/bundle.json: `PYTHONPATH=. .venv/bin/python tests/vectors/make_bundle.py`.

One small bundle, all of it derived from what stands in the file; tests/sync/test_bundle.py makes it again.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from app.core.blob import address_of
from app.core.keys import DeviceKey, SpaceId, derive_epoch_keys
from app.radio.span import Span
from app.sync import bundle
from app.sync.bundle import BundleKey, Manifest
from app.sync.car import encode_head, encode_header
from app.sync.log import Placed

FILE = Path(__file__).parent / "bundle.json"
SPACE = SpaceId(bytes(range(16)))
EPOCH_KEY = bytes(range(32, 64))
SEED = bytes(range(64, 96))


def make() -> dict[str, Any]:
    """The vector. The envelopes stand for any: nothing opens them here."""
    device, link = DeviceKey(SEED), derive_epoch_keys(SPACE, 7, EPOCH_KEY).link
    key = BundleKey(SPACE, link)
    entries = [Placed(0, 1, bytes([0x12]) * 100), Placed(0, 2, bytes([0x13]) * 120), Placed(45, 9, bytes([0x14]) * 96)]
    plain = b"".join(map(bundle.encode_entry, entries))
    pack, blob = key.seal(bundle.PACK, plain), b"a photo, encrypted"
    manifest = Manifest(
        index=3,
        public_key=device.public_key,
        written=1_000_000,
        vector={0: (Span(1, 2), Span(5, 9)), 45: (Span(9, 9),)},
        packs=(bundle.block_address(pack),),
        blobs=(address_of(blob),),
        requests=(address_of(b"another photo"),),
        holds=address_of(blob)[: bundle.HOLD_BYTES],
    )
    root = bundle.seal_manifest(manifest, device, SPACE, key)
    blocks = (root, pack, blob)
    file = encode_header([address_of(root)]) + b"".join(encode_head(address_of(one), len(one)) + one for one in blocks)
    return {
        "space": SPACE.hex(),
        "epoch_key": EPOCH_KEY.hex(),
        "link": link.hex(),
        "seed": SEED.hex(),
        "public_key": device.public_key.hex(),
        "entries": [{"index": one.index, "number": one.number, "envelope": one.envelope.hex()} for one in entries],
        "pack_content": plain.hex(),
        "pack": pack.hex(),
        "blob": blob.hex(),
        "manifest_fields": bundle._encode_fields(manifest).hex(),
        "manifest": root.hex(),
        "file": file.hex(),
        "file_sha256": hashlib.sha256(file).hexdigest(),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(make(), indent=1) + "\n", "utf-8")
