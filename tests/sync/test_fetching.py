"""Which blobs are asked for, and what comes: in order, within the window, each by one session at a time."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import blob as blobs_of_core
from app.core.blob import BlobAddress, address_of
from app.errors import PeerError
from app.sync import message
from app.sync.fetching import ASKS_MAX, WINDOW_BYTES, Arrived, Fetching
from app.sync.message import BLOB_BYTES_MAX, PIECE_BYTES_MAX, BlobName, BlobPiece, BlobWant


def named(number: int, size: int = 1000) -> BlobName:
    return BlobName(address_of(number.to_bytes(4, "big")), size)


def ask_all(fetching: Fetching, offset: int = 0) -> list[BlobWant]:
    wants = []
    for blob in fetching.next():
        want = fetching.ask(blob, offset)
        assert want is not None
        wants.append(want)
    return wants


def answer(want: BlobWant, piece_bytes: int = PIECE_BYTES_MAX) -> list[BlobPiece]:
    ends = range(want.offset, want.offset + want.length, piece_bytes)
    return [BlobPiece(want.address, at, bytes(min(piece_bytes, want.offset + want.length - at))) for at in ends]


def test_messages_and_stores_speak_of_the_same_blobs() -> None:
    assert (message.ADDRESS_BYTES, message.BLOB_BYTES_MAX) == (
        blobs_of_core.ADDRESS_BYTES,
        blobs_of_core.BLOB_BYTES_MAX,
    )


def test_blobs_are_asked_for_in_the_order_in_which_they_are_wanted() -> None:
    fetching = Fetching(set())
    blobs = [named(number) for number in (3, 1, 2)]
    fetching.offer(blobs)
    assert ask_all(fetching) == [BlobWant(blob.address, 0, 1000) for blob in blobs]


def test_the_window_bounds_what_is_on_its_way() -> None:
    fetching = Fetching(set())
    fetching.offer([named(number, BLOB_BYTES_MAX) for number in range(20)])
    wants = ask_all(fetching)
    assert sum(want.length for want in wants) <= WINDOW_BYTES < sum(want.length for want in wants) + BLOB_BYTES_MAX
    for piece in answer(wants[0]):
        fetching.piece(piece)
    assert len(ask_all(fetching)) == 1
    small = Fetching(set())
    small.offer([named(number, 1) for number in range(2 * ASKS_MAX)])
    assert len(ask_all(small)) == ASKS_MAX


def test_pieces_come_in_their_order_and_end_the_blob() -> None:
    fetching = Fetching(set())
    blob = named(1, 2 * PIECE_BYTES_MAX + 5)
    fetching.offer([blob])
    (want,) = ask_all(fetching)
    arrived = [fetching.piece(piece) for piece in answer(want)]
    assert [one.is_last for one in arrived if one] == [False, False, True]
    assert arrived[2] == Arrived(BlobAddress(blob.address), 2 * PIECE_BYTES_MAX, bytes(5), blob.size, True)
    fetching.finished(BlobAddress(blob.address), sound=True)
    assert fetching.is_idle


def test_a_partial_goes_on_where_it_ends() -> None:
    fetching = Fetching(set())
    blob = named(1)
    fetching.offer([blob])
    assert fetching.next() == [blob]
    assert fetching.ask(blob, 400) == BlobWant(blob.address, 400, 600)


def test_a_partial_that_is_whole_is_finished_and_a_longer_one_begun_anew() -> None:
    fetching = Fetching(set())
    whole, longer = named(1), named(2)
    fetching.offer([whole, longer])
    assert fetching.next() == [whole, longer]
    assert fetching.ask(whole, 1000) is None
    assert fetching.ask(longer, 1001) == BlobWant(longer.address, 0, 1000)
    fetching.finished(BlobAddress(whole.address), sound=False)  # spoilt before this session: nobody's fault
    assert fetching.next() == [whole]


def test_another_photo_under_the_name_is_the_peers_fault() -> None:
    fetching = Fetching(set())
    fetching.offer([named(1)])
    (want,) = ask_all(fetching)
    fetching.piece(answer(want)[0])
    with pytest.raises(PeerError, match="another photo"):
        fetching.finished(BlobAddress(want.address), sound=False)


@pytest.mark.parametrize(
    "piece",
    [
        BlobPiece(named(2).address, 0, b"x"),
        BlobPiece(named(1).address, 1, b"x"),
        BlobPiece(named(1).address, 0, bytes(1001)),
    ],
)
def test_what_nobody_asked_for_is_refused(piece: BlobPiece) -> None:
    fetching = Fetching(set())
    fetching.offer([named(1)])
    ask_all(fetching)
    with pytest.raises(PeerError):
        fetching.piece(piece)
    with pytest.raises(PeerError):
        fetching.gone(BlobAddress(named(2).address))


def test_one_blob_is_fetched_by_one_session() -> None:
    claims: set[BlobAddress] = set()
    one, other = Fetching(claims), Fetching(claims)
    blobs = [named(1), named(2)]
    one.offer(blobs[:1])
    other.offer(blobs)
    assert one.next() == blobs[:1]
    one.ask(blobs[0], 0)
    assert other.next() == blobs[1:]
    assert other.next() == []  # the first stays on its list
    assert other.waiting == 1
    one.close()
    assert other.next() == blobs[:1]
    other.release(BlobAddress(blobs[0].address))
    assert BlobAddress(blobs[0].address) not in claims


def test_a_peer_that_lost_it_frees_its_place() -> None:
    claims: set[BlobAddress] = set()
    fetching = Fetching(claims)
    fetching.offer([named(1), named(2)])
    ask_all(fetching)
    fetching.gone(BlobAddress(named(1).address))
    assert claims == {BlobAddress(named(2).address)}


def test_without_room_nothing_more_is_kept_or_asked_for() -> None:
    claims: set[BlobAddress] = set()
    fetching = Fetching(claims)
    fetching.offer([named(number, 100_000) for number in range(100)])
    wants = ask_all(fetching)
    first = fetching.piece(answer(wants[0])[0])
    assert first is not None
    fetching.give_up(first.address)
    assert fetching.next() == []
    rest = [*answer(wants[0])[1:], *(piece for want in wants[1:] for piece in answer(want))]
    assert [fetching.piece(piece) for piece in rest] == [None] * len(rest)
    assert fetching.is_idle and not claims


def test_a_last_piece_without_room_frees_its_claim() -> None:
    claims: set[BlobAddress] = set()
    fetching = Fetching(claims)
    fetching.offer([named(1)])
    (want,) = ask_all(fetching)
    last = fetching.piece(answer(want)[0])
    assert last is not None and last.is_last
    fetching.give_up(last.address)
    assert fetching.is_idle and not claims


@given(
    st.lists(st.integers(1, BLOB_BYTES_MAX), min_size=1, max_size=12), st.integers(0, 2**32), st.integers(1000, 65536)
)
def test_everything_offered_comes_whatever_the_order_of_answers(sizes: list[int], seed: int, piece_bytes: int) -> None:
    rng = random.Random(seed)
    claims: set[BlobAddress] = set()
    fetching = Fetching(claims)
    fetching.offer([named(number, size) for number, size in enumerate(sizes)])
    coming: list[list[BlobPiece]] = []
    done: set[bytes] = set()
    while True:
        coming += [answer(want, piece_bytes) for want in ask_all(fetching)]
        if not coming:
            break
        pieces = rng.choice(coming)
        arrived = fetching.piece(pieces.pop(0))
        assert arrived is not None
        if arrived.is_last:
            coming.remove(pieces)
            done.add(arrived.address)
            fetching.finished(arrived.address, sound=True)
    assert done == {named(number).address for number in range(len(sizes))}
    assert fetching.is_idle and not claims
    assert fetching._outstanding_bytes == 0
