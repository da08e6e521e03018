"""A key that is well formed, signs, and is not what a key should be: it joins the roster, and the radio goes on."""

import hashlib
import itertools

import msgspec
import pytest
from nacl.bindings import crypto_core_ed25519_add, crypto_scalarmult_ed25519_base_noclamp

from app.core.bodies import NodeIntroduction
from app.core.keys import DeviceKey, device_id_of
from app.core.record import Kind, Lifetime, SignedRecord, _signed_bytes, compose, encode_fields
from app.founding import Node
from tests.people import NOW_MINUTES, Person
from tests.radio.node_air import STEP_MS, Start, carrying, kept, sealed

pytestmark = pytest.mark.anyio
POINT_OF_ORDER_8 = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of Ed25519's base point (RFC 8032, 5.1)."""


def signed_with_a_mixed_key(node: Node) -> bytes:
    """A node's introduction whose key verifies its signature, and is no point that a secret can be shared with."""
    seed = hashlib.sha512(b"\x21" * 32).digest()[:32]
    scalar = int.from_bytes(seed, "little") & ~7 & (1 << 254) - 1 | 1 << 254
    public_key = crypto_core_ed25519_add(DeviceKey(b"\x21" * 32).public_key, POINT_OF_ORDER_8)
    body = NodeIntroduction(public_key, "Nowhere", 9).encode()
    record = compose(Lifetime.PERMANENT, device_id_of(public_key), 1, NOW_MINUTES, Kind.NODE, body)
    unsigned = SignedRecord(record, 1 << 4 | record.lifetime, encode_fields(record), b"")
    for nonce in itertools.count(1):
        point = crypto_scalarmult_ed25519_base_noclamp(nonce.to_bytes(32, "little"))
        message = point + public_key + _signed_bytes(unsigned, public_key, node.identity.space_id)
        challenge = int.from_bytes(hashlib.sha512(message).digest(), "little") % ORDER
        if challenge % 8 == 0:  # then the part of order 8 does not show
            signature = point + ((nonce + challenge * scalar) % ORDER).to_bytes(32, "little")
            return msgspec.structs.replace(unsigned, signature=signature).encode()
    raise AssertionError  # count() does not end


async def test_a_node_whose_key_shares_no_secret(start: Start, node: Node, person: Person) -> None:
    """It joins the roster with a true signature: the radio goes on, without a pair key for it."""
    true = await sealed(node, person.write("Still here"))
    async with start() as air:
        await node.door.post(signed_with_a_mixed_key(node))
        assert 9 in {known.index for known in await node.store.devices.nodes()}
        await air.run(2 * STEP_MS)
        await air.said(carrying(true, 1, 1))
        await kept(air, true)
        assert "error" not in await air.counted()
    async with start() as air:
        assert air.radio.status().is_ready
        assert "error" not in await air.counted()
