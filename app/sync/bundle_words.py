"""What a bundle holds and what came of reading one, in words for a keeper."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.sync.bundle_reading import Reading
    from app.sync.bundle_writing import Written


def describe_written(written: "Written") -> Iterator[str]:
    """What is in a bundle, a line for each thing worth a word."""
    yield f"{written.entries} posts and other records, {written.blobs} photos, {in_words(written.size)}"
    if written.requests:
        yield f"It asks for {written.requests} photos that this node lacks."
    if written.left_out:
        yield f"{written.left_out} photos did not fit. Write another bundle when this one was read, or free some space."


def describe_reading(reading: "Reading") -> Iterator[str]:
    """What came of reading one."""
    photos = f"{reading.blobs_new} new photos ({reading.blobs_known} known)"
    yield f"{reading.new} new records ({reading.known} known), {photos}"
    remarks = (
        (reading.gone, "records were left out: they expired or were withdrawn here"),
        (reading.refused, "records were refused: forged, or not of this community"),
        (reading.blobs_refused, "photos found no room: this node's space for photos is used up"),
        (reading.damaged, "blocks are damaged, and were skipped"),
        (reading.foreign, "blocks do not belong to the bundle, and were skipped"),
        (reading.missing, "blocks that it names are not in the file"),
    )
    for count, remark in remarks:
        if count:
            yield f"{count} {remark}."
    if not reading.known_writer:
        yield "Its writer is not known here: what it brought was checked piece by piece, its own word was not believed."
    if reading.ended is not None:
        yield f"Reading stopped early: {reading.ended} What stands before that was taken in."


def in_words(size: int) -> str:
    """So many bytes, for people."""
    return f"{size / 10**6:.1f} MB" if size >= 10**5 else f"{size} bytes"
