"""The door: every record, from a phone, the radio, an import or this node itself, comes in here.

bytes in → decode → open → verify → store and number (one transaction, on the disk) → publish. What cannot be
verified yet, or claims to be from the future, is parked and looked at again; what is forged or damaged is refused
with a DecodeError and leaves nothing behind. The checks are functions of signed fields, so that all nodes end
with the same set; the one exception, the future, only delays.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from enum import StrEnum

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
from app.core.keys import EpochKeys, device_id_of
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


class _Author(msgspec.Struct, frozen=True):
    """Who is said to have signed a record."""

    public_key: bytes
    is_node: bool


class _Opened(msgspec.Struct, frozen=True):
    """An envelope that one of our keys opened; its signature is not checked yet."""

    parked: Parked
    signed: SignedRecord
    epoch: int
    introduction: DeviceIntroduction | NodeIntroduction | None


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
        self._last_batch = asyncio.Event()
        self._last_batch.set()

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
        acceptance = await self._take(self._open(envelope, origin, self._clock.now_ms()))
        await self._feed.publish()
        return acceptance

    async def accept_all(self, arrived: Sequence[tuple[bytes, Origin]]) -> list[Acceptance | DecodeError]:
        """`accept` for many that came together: opened in a thread, one transaction for most of them.

        What is refused stands as its error. StoreError when the disk does not take them; those before may be there.
        The next call opens its own while this one writes; they are stored in the order of the calls, so that whoever is
        introduced in one may write in the next.
        """
        before, done = self._last_batch, asyncio.Event()
        self._last_batch = done
        try:
            answers = await self._accept_after(before, arrived)
        finally:
            done.set()
        await self._feed.publish()
        return [answers[at] for at in range(len(arrived))]

    async def publish(self, drafts: Sequence[Draft], source: str) -> list[Acceptance]:
        """Say something as this node: all drafts in one transaction, or none of them."""
        now_ms = self._clock.now_ms()
        acceptances = await self._store.database.transact(
            lambda tx: [self._publish_within(tx, draft, source, now_ms) for draft in drafts]
        )
        await self._feed.publish()
        return acceptances

    async def retry_parked(self) -> None:
        """Look again at what came from the future; called now and then."""
        due = await self._store.envelopes.parked_due(minutes_of(self._clock.now_ms()) + FUTURE_MINUTES_MAX)
        if due:
            await self._take_parked(due)
            await self._feed.publish()

    async def _accept_after(
        self, before: asyncio.Event, arrived: Sequence[tuple[bytes, Origin]]
    ) -> dict[int, Acceptance | DecodeError]:
        now_ms = self._clock.now_ms()
        found = await asyncio.to_thread(
            lambda: [self._try_open(envelope, origin, now_ms) for envelope, origin in arrived]
        )
        answers: dict[int, Acceptance | DecodeError] = {
            at: opened for at, opened in enumerate(found) if isinstance(opened, DecodeError)
        }
        waiting = {at: opened for at, opened in enumerate(found) if isinstance(opened, _Opened)}
        checked = await self._check(waiting)
        await before.wait()
        for at, opened in waiting.items():
            if opened.introduction is not None:
                answers[at] = await self._try_take(opened)
        statements = {at: outcome for at, outcome in checked.items() if isinstance(outcome, Statement)}
        appended = await self._store.envelopes.append_all(list(statements.values()))
        answers |= {at: outcome for at, outcome in checked.items() if isinstance(outcome, DecodeError)}
        answers |= {at: _accepted(statements[at], done) for at, done in zip(statements, appended, strict=True)}
        for at, opened in waiting.items():
            if at not in answers:
                answers[at] = await self._try_take(opened)
        return answers

    def _open(self, envelope: bytes, origin: Origin, received_ms: int) -> "_Opened":
        signed, epoch = open_envelope(envelope, self._epochs)
        parked = Parked(envelope_id(envelope), envelope, origin, received_ms)
        return _Opened(parked, signed, epoch, _introduction_of(signed.record))

    def _try_open(self, envelope: bytes, origin: Origin, received_ms: int) -> "_Opened | DecodeError":
        try:
            return self._open(envelope, origin, received_ms)
        except DecodeError as error:
            return error

    async def _take(self, opened: "_Opened") -> Acceptance:
        """One envelope, and what waited for its author when it introduces somebody."""
        acceptance = await self._settle(opened, await self._author_of(opened))
        if acceptance.outcome is Outcome.NEW and opened.introduction is not None:
            await self._take_parked(await self._store.envelopes.parked_by(opened.signed.record.author))
        return acceptance

    async def _try_take(self, opened: "_Opened") -> Acceptance | DecodeError:
        try:
            return await self._take(opened)
        except DecodeError as error:
            return error

    async def _settle(self, opened: "_Opened", author: "_Author | None") -> Acceptance:
        """Store it, or park it. DecodeError when its author did not sign it."""
        parked, record = opened.parked, opened.signed.record
        if author is None:
            return await self._park(parked, record, ParkReason.AUTHOR, 0)
        if not opened.signed.is_signed_by(author.public_key, self._identity.space_id):
            raise _forged()
        if self._is_from_the_future(record):
            identity = record_id(opened.signed, author.public_key, self._identity.space_id)
            acceptance = await self._park(parked, record, ParkReason.FUTURE, record.minutes)
            return msgspec.structs.replace(acceptance, record_id=identity)
        statement = self._statement(opened, author)
        try:
            return _accepted(statement, await self._store.envelopes.append(statement))
        except ConflictError:
            return await self._park(parked, record, ParkReason.COLLISION, MINUTES_MAX)

    async def _check(self, waiting: "dict[int, _Opened]") -> dict[int, Statement | DecodeError]:
        """By their keys: what can be stored as it is, and what is forged. Introductions, strangers' words and what
        comes from the future are left out.
        """
        devices = await self._store.devices.get_all({opened.signed.record.author for opened in waiting.values()})
        authors = {name: _Author(device.public_key, device.node_index is not None) for name, device in devices.items()}

        def check(opened: _Opened, author: _Author) -> Statement | DecodeError:
            is_signed = opened.signed.is_signed_by(author.public_key, self._identity.space_id)
            return self._statement(opened, author) if is_signed else _forged()

        return await asyncio.to_thread(
            lambda: {
                at: check(opened, author)
                for at, opened in waiting.items()
                if (author := authors.get(opened.signed.record.author)) is not None
                and opened.introduction is None
                and not self._is_from_the_future(opened.signed.record)
            }
        )

    async def _take_parked(self, waiting: Sequence[Parked]) -> None:
        for parked in waiting:
            try:
                await self._take(self._open(parked.envelope, parked.origin, parked.received_ms))
            except DecodeError:  # its author is known now, and did not sign it
                await self._store.envelopes.unpark(parked.envelope_id)

    async def _park(self, parked: Parked, record: Record, reason: ParkReason, due: int) -> Acceptance:
        if not await self._store.envelopes.park(parked, record, reason, due):
            raise DecodeError("limit", "Too many records wait at this node already. Try again later.")
        return Acceptance(Outcome.PARKED, parked.envelope_id, reason=reason)

    def _publish_within(self, tx: sqlite3.Connection, draft: Draft, source: str, now_ms: int) -> Acceptance:
        sequence = self._store.envelopes.next_sequence_within(tx, self._key.device_id)
        minutes = min(minutes_of(now_ms), MINUTES_MAX)
        record = compose(draft.lifetime, self._key.device_id, sequence, minutes, draft.kind, draft.body, draft.ref)
        signed = sign(record, self._key, self._identity.space_id)
        envelope = seal(signed, self._epochs[0])
        opened = self._open(envelope, Origin(source), now_ms)
        statement = self._statement(opened, _Author(self._key.public_key, is_node=True))
        return _accepted(statement, self._store.envelopes.append_within(tx, statement))

    def _statement(self, opened: "_Opened", author: "_Author") -> Statement:
        record, parked = opened.signed.record, opened.parked
        identity = record_id(opened.signed, author.public_key, self._identity.space_id)
        return Statement(
            envelope=parked.envelope,
            envelope_id=parked.envelope_id,
            record_id=identity,
            epoch=opened.epoch,
            record=record,
            background=author.is_node and opened.introduction is None,
            placement=place(record, identity, by_node=author.is_node),
            introduction=opened.introduction,
            origin=parked.origin,
            received_ms=parked.received_ms,
        )

    async def _author_of(self, opened: "_Opened") -> "_Author | None":
        """Whose key has signed it, if it introduces its author or the roster knows them."""
        device = await self._store.devices.get(opened.signed.record.author)
        is_node = device is not None and device.node_index is not None
        if opened.introduction is not None:
            return _Author(opened.introduction.public_key, is_node)
        return None if device is None else _Author(device.public_key, is_node)

    def _is_from_the_future(self, record: Record) -> bool:
        """Only a clock that can be right may call a record early (DESIGN §10)."""
        now_ms = self._clock.now_ms()
        return is_plausible(now_ms) and record.minutes > minutes_of(now_ms) + FUTURE_MINUTES_MAX

    async def _check_join(self, record: Record) -> None:
        if record.kind == Kind.DEVICE and await self._store.devices.get(record.author) is None:
            identity = await self._store.node.identity()
            if identity is not None and identity.join_policy is JoinPolicy.INVITED:
                raise ForbiddenError("This community takes new people by invitation. Ask the keeper of this node.")


def _forged() -> DecodeError:
    return DecodeError("signature", "The signature does not fit: this was changed, or somebody else wrote it.")


def _accepted(statement: Statement, appended: Appended) -> Acceptance:
    return Acceptance(
        _outcome_of(appended),
        statement.envelope_id,
        statement.record_id,
        appended.entry_index,
        appended.log_number,
        appended.kept_by,
    )


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
