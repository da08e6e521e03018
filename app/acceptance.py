"""The door: every record, from a phone, the radio, an import or this node itself, comes in here.

bytes in → decode → open → verify → store and number (one transaction, on the disk) → publish. What cannot be
verified yet, or claims to be from the future, is parked and looked at again; what is forged or damaged is refused
with a DecodeError and leaves nothing behind. The checks are functions of signed fields, so that all nodes end
with the same set; the one exception, the future, only delays.
"""

from collections.abc import Sequence
from enum import StrEnum

import aiosqlite
import msgspec

from app.clock import Clock, is_plausible, minutes_of
from app.core import boards, directory, overheard, weather
from app.core.bodies import (
    DeviceIntroduction,
    NodeIntroduction,
    decode_device_introduction,
    decode_node_introduction,
)
from app.core.envelope import EnvelopeId, envelope_id, open_envelope, seal
from app.core.keys import DeviceId, EpochKeys, device_id_of
from app.core.membership import JoinPolicy
from app.core.record import (
    MINUTES_MAX,
    SEQUENCE_MAX,
    Kind,
    Lifetime,
    Record,
    RecordId,
    SignedRecord,
    compose,
    decode_signed,
    record_id,
    sign,
)
from app.errors import ConflictError, DecodeError, ForbiddenError
from app.feed import Feed
from app.store import NodeIdentity, Store
from app.store.envelopes import Appended, Origin, Parked, Placement, Statement

FUTURE_MINUTES_MAX = 48 * 60
"""A record this far ahead of the node's clock waits until its time has come (DESIGN §10)."""

WEATHER_SOURCE = "weather station"
"""Of each station the latest hour stands on the board, as of an imported thing the latest record."""


class Outcome(StrEnum):
    """What became of a record that was not refused."""

    NEW = "new"
    KNOWN = "known"
    PARKED = "parked"
    OVER = "over"
    """It was here until its time was over, and is not taken in again."""


class ParkReason(StrEnum):
    """Why a record waits."""

    AUTHOR = "author"
    FUTURE = "future"
    COLLISION = "collision"


class Acceptance(msgspec.Struct, frozen=True):
    """The answer of the door. `record_id` is None while the author's key is unknown."""

    outcome: Outcome
    envelope_id: EnvelopeId
    record_id: RecordId | None = None
    entry_index: int | None = None
    log_number: int | None = None
    kept_by: int = 0
    reason: ParkReason | None = None


class Draft(msgspec.Struct, frozen=True):
    """What this node itself wants to say; the door gives it a sequence, signs and seals it."""

    kind: Kind
    lifetime: Lifetime
    body: bytes
    ref: bytes | None = None


class Door:
    """Accepts records for one node. Holds the node's keys; knows no transport."""

    def __init__(
        self, store: Store, identity: NodeIdentity, epochs: Sequence[EpochKeys], clock: Clock, feed: Feed
    ) -> None:
        self._store = store
        self._identity = identity
        self._epochs = tuple(epochs)
        self._clock = clock
        self._feed = feed
        self._key = identity.key

    async def post(self, signed_record: bytes) -> Acceptance:
        """A signed record from a phone: sealed under the current epoch, then accepted like anything else.

        DecodeError when it is damaged or forged, ForbiddenError when a new person needs an invitation.
        """
        signed = decode_signed(signed_record)
        await self._check_join(signed.record)
        acceptance = await self.accept(seal(signed, self._epochs[0]), Origin("phone"))
        if acceptance.outcome is Outcome.OVER:
            raise DecodeError(
                "over", "Its time was over, and this node let go of it. Write it anew if it still counts."
            )
        return acceptance

    async def accept(self, envelope: bytes, origin: Origin) -> Acceptance:
        """Take one envelope in. DecodeError when it is refused; StoreError when the disk does not take it."""
        acceptance, record = await self._take(envelope, origin, self._clock.now_ms())
        if acceptance.outcome is Outcome.NEW and record is not None and record.kind in (Kind.DEVICE, Kind.NODE):
            await self._take_parked(await self._store.envelopes.parked_by(record.author))
        await self._feed.publish()
        return acceptance

    async def publish(self, drafts: Sequence[Draft], source: str) -> list[Acceptance]:
        """Say something as this node: all drafts in one transaction, or none of them."""
        now_ms = self._clock.now_ms()
        async with self._store.database.write() as tx:
            acceptances = [await self._publish_within(tx, draft, source, now_ms) for draft in drafts]
        await self._feed.publish()
        return acceptances

    async def retry_parked(self) -> None:
        """Look again at what came from the future; called now and then."""
        due = await self._store.envelopes.parked_due(minutes_of(self._clock.now_ms()) + FUTURE_MINUTES_MAX)
        if due:
            await self._take_parked(due)
            await self._feed.publish()

    async def _take(self, envelope: bytes, origin: Origin, received_ms: int) -> tuple[Acceptance, Record | None]:
        signed, epoch = open_envelope(envelope, self._epochs)
        name = envelope_id(envelope)
        parked = Parked(name, envelope, origin, received_ms)
        introduction = _introduction_of(signed.record)
        public_key = introduction.public_key if introduction else await self._key_of(signed.record.author)
        if public_key is None:
            return await self._park(parked, signed.record, ParkReason.AUTHOR, 0), None
        if not signed.is_signed_by(public_key, self._identity.space_id):
            raise DecodeError("signature", "The signature does not fit: this was changed, or somebody else wrote it.")
        if self._is_from_the_future(signed.record):
            identity = record_id(signed, public_key, self._identity.space_id)
            acceptance = await self._park(parked, signed.record, ParkReason.FUTURE, signed.record.minutes)
            return msgspec.structs.replace(acceptance, record_id=identity), None
        statement = await self._statement(parked, signed, epoch, public_key, introduction)
        try:
            appended = await self._store.envelopes.append(statement)
        except ConflictError:
            return await self._park(parked, signed.record, ParkReason.COLLISION, MINUTES_MAX), None
        return (
            Acceptance(
                _outcome_of(appended),
                name,
                statement.record_id,
                appended.entry_index,
                appended.log_number,
                appended.kept_by,
            ),
            signed.record,
        )

    async def _take_parked(self, waiting: Sequence[Parked]) -> None:
        for parked in waiting:
            try:
                await self._take(parked.envelope, parked.origin, parked.received_ms)
            except DecodeError:  # its author is known now, and did not sign it
                await self._store.envelopes.unpark(parked.envelope_id)

    async def _park(self, parked: Parked, record: Record, reason: ParkReason, due: int) -> Acceptance:
        if not await self._store.envelopes.park(parked, record, reason, due):
            raise DecodeError("limit", "Too many records wait at this node already. Try again later.")
        return Acceptance(Outcome.PARKED, parked.envelope_id, reason=reason)

    async def _publish_within(self, tx: aiosqlite.Connection, draft: Draft, source: str, now_ms: int) -> Acceptance:
        sequence = await self._store.envelopes.next_sequence_within(tx, self._key.device_id)
        minutes = min(minutes_of(now_ms), MINUTES_MAX)
        record = compose(draft.lifetime, self._key.device_id, sequence, minutes, draft.kind, draft.body, draft.ref)
        signed = sign(record, self._key, self._identity.space_id)
        envelope = seal(signed, self._epochs[0])
        parked = Parked(envelope_id(envelope), envelope, Origin(source), now_ms)
        statement = await self._statement(
            parked,
            signed,
            self._epochs[0].number,
            self._key.public_key,
            _introduction_of(record),
            by_node=True,
        )
        appended = await self._store.envelopes.append_within(tx, statement)
        return Acceptance(
            _outcome_of(appended),
            statement.envelope_id,
            statement.record_id,
            appended.entry_index,
            appended.log_number,
            appended.kept_by,
        )

    async def _statement(
        self,
        parked: Parked,
        signed: SignedRecord,
        epoch: int,
        public_key: bytes,
        introduction: DeviceIntroduction | NodeIntroduction | None,
        by_node: bool | None = None,
    ) -> Statement:
        record = signed.record
        if by_node is None:
            author = await self._store.devices.get(record.author)
            by_node = author is not None and author.node_index is not None
        identity = record_id(signed, public_key, self._identity.space_id)
        return Statement(
            envelope=parked.envelope,
            envelope_id=parked.envelope_id,
            record_id=identity,
            epoch=epoch,
            record=record,
            background=by_node and introduction is None,
            placement=place(record, identity, by_node=by_node),
            introduction=introduction,
            origin=parked.origin,
            received_ms=parked.received_ms,
        )

    def _is_from_the_future(self, record: Record) -> bool:
        """Only a clock that can be right may call a record early (DESIGN §10)."""
        now_ms = self._clock.now_ms()
        return is_plausible(now_ms) and record.minutes > minutes_of(now_ms) + FUTURE_MINUTES_MAX

    async def _key_of(self, author: DeviceId) -> bytes | None:
        device = await self._store.devices.get(author)
        return None if device is None else device.public_key

    async def _check_join(self, record: Record) -> None:
        if record.kind == Kind.DEVICE and await self._store.devices.get(record.author) is None:
            identity = await self._store.node.identity()
            if identity is not None and identity.join_policy is JoinPolicy.INVITED:
                raise ForbiddenError("This community takes new people by invitation. Ask the keeper of this node.")


def _outcome_of(appended: Appended) -> Outcome:
    if appended.gone:
        return Outcome.OVER
    return Outcome.NEW if appended.new else Outcome.KNOWN


def place(record: Record, identity: RecordId, *, by_node: bool) -> Placement | None:
    """Where a record stands; None for kinds that stand on no board and for bodies that cannot be read.

    Only a node's import may stand for a thing elsewhere: a person's entry is that person's own. Weather stands
    there only as a node gathered it.
    """
    days = record.lifetime.days
    hidden_after = None if days is None else record.minutes + days * 24 * 60
    newest_first = f"{MINUTES_MAX - record.minutes:08d}.{SEQUENCE_MAX - record.sequence:07d}.{identity.hex()}"
    try:
        match record.kind:
            case Kind.POST:
                post = boards.decode_post(record.body)
                heard = overheard.source_id_of(record.body) if by_node else None
                return Placement(
                    boards.Board.BULLETIN,
                    newest_first,
                    post.title,
                    post.text,
                    None,
                    hidden_after,
                    None if heard is None else overheard.SOURCE,
                    heard,
                    answers=record.ref is not None,
                )
            case Kind.DIRECTORY:
                entry = directory.decode_entry(record.body)
                return Placement(
                    boards.Board.MARKETS if entry.is_market else boards.Board.DIRECTORY,
                    f"{entry.name.casefold()}.{identity.hex()}",
                    entry.name,
                    entry.text,
                    record.body,
                    hidden_after,
                    entry.source if by_node else None,
                    entry.source_id if by_node else None,
                )
            case Kind.READING if by_node:
                report = weather.decode_report(record.body)
                return Placement(
                    boards.Board.WEATHER,
                    f"{report.name.casefold()}.{identity.hex()}",
                    report.name,
                    report.text,
                    record.body,
                    hidden_after,
                    WEATHER_SOURCE,
                    report.station,
                )
            case _:
                return None
    except DecodeError:
        return None


def _introduction_of(record: Record) -> DeviceIntroduction | NodeIntroduction | None:
    """The introduction in a record. DecodeError when it is none, or introduces somebody else's key."""
    introduction: DeviceIntroduction | NodeIntroduction
    match record.kind:
        case Kind.DEVICE:
            introduction = decode_device_introduction(record.body)
        case Kind.NODE:
            introduction = decode_node_introduction(record.body)
        case _:
            return None
    if device_id_of(introduction.public_key) != record.author:
        raise DecodeError("body", "An introduction carries its author's own key.")
    return introduction
