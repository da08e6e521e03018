"""What envelopes cost, and moments by chance."""

from app.radio.frame import FRAME_BYTES_MAX
from app.radio.logbook import LogEntry
from app.radio.profile import EU868
from tests.radio.repair_mesh import entry
from tests.radio.repair_parts import means


def sized(envelope_bytes: int) -> LogEntry:
    return LogEntry(3, 1, entry(3, 1).envelope_id, envelope_bytes)


def test_an_envelope_costs_its_frame_and_a_long_one_its_fragments() -> None:
    mine = means()
    assert mine.entry_airtime_ms(sized(205)) == EU868.frame_airtime_ms(4 + 1 + 205 + 4)
    assert mine.entry_airtime_ms(sized(8000)) == 40 * EU868.frame_airtime_ms(FRAME_BYTES_MAX)


def test_moments_lie_within_their_bounds() -> None:
    mine = means()
    moments = {mine.after(100, 5, 9) for _ in range(200)}
    assert moments == {105, 106, 107, 108, 109}
