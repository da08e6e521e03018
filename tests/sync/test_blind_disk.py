"""What lies on a blind node's disk after a sync: nothing that was written, by whom, or where."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.clock import ManualClock
from app.core.envelope import open_envelope
from app.core.keys import DeviceKey, SpaceId, derive_epoch_keys
from app.core.membership import JoinPolicy
from app.core.record import record_id
from app.founding import Node, open_node
from app.store import NodeIdentity, NodeStore, open_database
from app.store.blind import BlindEpoch, BlindIdentity, BlindStore, found_blind
from app.store.node import Epoch
from app.sync.blind_log import BlindLog
from app.sync.member_log import MemberLog
from tests.people import NOW_MINUTES, Person

pytestmark = pytest.mark.anyio
SPACE = SpaceId(b"a community here")
EPOCH = Epoch(1, b"the epoch key of this community!", NOW_MINUTES)
SEED = b"the device seed of the only node"
KEYS = derive_epoch_keys(SPACE, EPOCH.number, EPOCH.key)
NAMES = ("Ada Lovelace", "Bertha von Suttner", "Chinua Achebe")
TEXTS = (
    "Twelve jars of honey on Saturday\nbehind the old mill, ask for Ada",
    "Wer hat ein Fahrrad für meine Tochter?",
    "x",
    "The same words again. " * 40,
)
"""Long and short, compressed and not."""


@pytest.fixture
async def member(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Node]:
    """A node with keys that stand still: so do all ciphertexts, and four bytes are never found by chance one day."""
    database = await open_database(tmp_path / "member")
    identity = NodeIdentity(SEED, 0, "Market Square", SPACE, "Upper Valley", JoinPolicy.OPEN, None)
    await NodeStore(database).establish(identity, EPOCH)
    await database.close()
    node = await open_node(tmp_path / "member", clock)
    yield node
    await node.close()


@pytest.fixture
async def cellar(tmp_path: Path) -> AsyncIterator[BlindStore]:
    epochs = [BlindEpoch(EPOCH.number, KEYS.relay, KEYS.link, EPOCH.started)]
    store = await found_blind(tmp_path / "cellar", BlindIdentity(9, "School cellar", SPACE), epochs)
    yield store
    await store.close()


def people() -> list[Person]:
    return [Person(SPACE, name, bytes([number + 1]) * 32) for number, name in enumerate(NAMES)]


async def written(member: Node) -> None:
    for person in people():
        await member.door.post(person.introduce())
        for text in TEXTS:
            await member.door.post(person.write(f"{person.name}: {text}" if text != "x" else text))


def secrets_of(member: Node, envelopes: list[bytes]) -> dict[str, bytes]:
    """All that nobody but a member may know, by what it is."""
    found = {
        "community": b"Upper Valley",
        "node": b"Market Square",
        "device seed": SEED,
        "device key": member.identity.key.public_key,
        "epoch key": EPOCH.key,
        "K_msg": KEYS.message,
        "N_epoch": KEYS.nonce,
    }
    for word in ("honey", "Fahrrad", "same words", "old mill", *NAMES):
        found[word] = word.encode()
    for person in people():
        found[f"key of {person.name}"] = person.key.public_key
        found[f"id of {person.name}"] = person.key.device_id
    for number, envelope in enumerate(envelopes):
        signed, _ = open_envelope(envelope, [KEYS])
        author = next((p.key for p in people() if p.key.device_id == signed.record.author), DeviceKey(SEED))
        found[f"fields {number}"] = signed.fields
        found[f"signature {number}"] = signed.signature
        found[f"record id {number}"] = record_id(signed, author.public_key, SPACE)
        if len(signed.record.wire_body) >= 4:
            found[f"body {number}"] = signed.record.wire_body
    return found


def on_disk(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def seen(secrets: dict[str, bytes], files: dict[str, bytes]) -> set[str]:
    return {what for what, secret in secrets.items() if any(secret in content for content in files.values())}


async def test_nothing_that_was_written_and_nobody_who_wrote_it_is_on_the_disk(
    member: Node, cellar: BlindStore, tmp_path: Path
) -> None:
    await written(member)
    source = MemberLog(member.store, member.door, [KEYS], 0)
    target = BlindLog(cellar, [epoch.keys for epoch in await cellar.epochs()])
    for index, spans in (await target.missing(await source.vector())).items():
        for span in spans:
            assert all(await target.append(await source.get(index, span, 1000), via=0))
    assert await target.keys() == await source.keys()
    envelopes = [placed.envelope for placed in await target.get(0, (await target.vector())[0][0], 1000)]
    assert len(envelopes) == 1 + len(NAMES) * (1 + len(TEXTS))
    secrets = secrets_of(member, envelopes)

    running = on_disk(tmp_path / "cellar")
    assert {"blind.sqlite3", "blind.sqlite3-wal"} <= set(running)
    assert all(any(envelope in content for content in running.values()) for envelope in envelopes)
    assert seen(secrets, running) == set()
    await cellar.close()
    stopped = on_disk(tmp_path / "cellar")
    assert set(stopped) == {"blind.sqlite3"}
    assert seen(secrets, stopped) == set()
    # The search finds what is there: a member has it all on its disk, but for derived keys and what stands sealed only.
    plain = seen(secrets, on_disk(tmp_path / "member"))
    assert {"community", "honey", "device seed", "epoch key", "id of Ada Lovelace", "record id 3"} <= plain


async def test_not_even_the_columns_have_room_for_an_author(cellar: BlindStore) -> None:
    rows = await cellar.database.read("SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c")
    own = {column for table, column in rows if table in ("blind", "epochs", "envelopes", "places", "gone")}
    assert own == {
        "id", "node_index", "name", "space", "quota_bytes", "held_bytes", "swept_day", "trusted_day", "number", "relay",
        "link", "started", "envelope_id", "bytes", "epoch", "lifetime", "envelope", "first", "last",
    }  # fmt: skip
