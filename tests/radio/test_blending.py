"""Blending: as many blends as the unluckiest needs, gathered first, paid for, and spared when another sends them."""

from app.radio.blend import Place, blend_frame_bytes
from app.radio.blending import GATHER_MS, MIXES_MAX, REPEAT_MS, Blending
from app.radio.control import HOUR_MS
from app.radio.frame import FRAME_BYTES_MAX
from app.radio.logbook import LogEntry
from app.radio.means import Means, SendBlend
from app.radio.profile import EU868
from app.radio.recipe import Recipe, is_blendable
from app.radio.span import Span
from tests.radio.repair_mesh import ENVELOPE_BYTES, entry
from tests.radio.repair_parts import means

LATER_MS = GATHER_MS[1]


def entries(*numbers: int, index: int = 3) -> tuple[LogEntry, ...]:
    return tuple(entry(index, number) for number in numbers)


def blending_of(mine: Means) -> Blending:
    return Blending(mine, Recipe(mine))


def sent(blending: Blending, start_ms: int, end_ms: int) -> list[SendBlend]:
    found: list[SendBlend] = []
    now_ms = start_ms
    while True:
        output = blending.poll(now_ms)
        found += [output] if output else []
        deadline_ms = blending.deadline_ms()
        if deadline_ms is None or deadline_ms > end_ms:
            return found
        now_ms = max(now_ms, deadline_ms)


def numbers_of(output: SendBlend) -> list[int]:
    return [known.number for known in output.entries]


def test_several_who_lack_different_envelopes_get_as_many_blends_as_the_unluckiest_needs() -> None:
    blending = blending_of(means((3, range(1, 18))))
    blending.gather(5, 2, entries(4, 9), 0)
    blending.gather(6, 3, entries(2, 7, 17), 1000)
    assert blending.serves(5)
    assert blending.settle(GATHER_MS[0] - 1) == []
    assert blending.settle(LATER_MS) == []
    outputs = sent(blending, LATER_MS, LATER_MS + 100)
    assert len(outputs) == 3
    assert all(numbers_of(output) == list(range(2, 18)) for output in outputs)
    assert len({output.seed for output in outputs}) == 3
    places = [Place(3, number) for number in range(2, 18)]
    assert outputs[0].airtime_ms == EU868.frame_airtime_ms(blend_frame_bytes(places, ENVELOPE_BYTES))
    assert not blending.serves(5)


def test_many_who_ask_get_no_more_than_the_unluckiest_needs() -> None:
    blending = blending_of(means((3, range(1, 18))))
    for asker in range(4):
        blending.gather(asker, 8, entries(*range(1 + asker, 9 + asker)), 0)
    assert blending.settle(LATER_MS) == []
    assert len(sent(blending, LATER_MS, LATER_MS + 100)) == 8


def test_one_that_lacks_all_of_them_gets_them_as_they_are() -> None:
    blending = blending_of(means((3, range(1, 18))))
    blending.gather(5, 3, entries(4, 9, 12), 0)
    assert blending.settle(LATER_MS) == [(5, entries(4, 9, 12))]
    assert blending.deadline_ms() is None


def test_one_that_has_blends_already_gets_what_it_needs_more() -> None:
    blending = blending_of(means((3, range(1, 18))))
    blending.gather(5, 1, entries(4, 9, 12), 0)
    assert blending.settle(LATER_MS) == []
    assert len(sent(blending, LATER_MS, LATER_MS + 100)) == 1


def test_what_does_not_fit_one_blend_goes_into_several() -> None:
    mine = means(*((index, range(1, 3)) for index in range(12)))
    blending = blending_of(mine)
    for asker in (50, 51):
        blending.gather(asker, 9, tuple(entry(index, asker - 49) for index in range(12)), 0)
    plain = blending.settle(LATER_MS)
    outputs = sent(blending, LATER_MS, LATER_MS + 100)
    for output in outputs:
        places = [Place(known.index, known.number) for known in output.entries]
        assert blend_frame_bytes(places, ENVELOPE_BYTES) <= FRAME_BYTES_MAX
    told = {known.index for output in outputs for known in output.entries}
    assert told | {known.index for _, some in plain for known in some} == set(range(12))


def test_twins_and_long_envelopes_are_no_part_of_what_fills_a_gap() -> None:
    for spoil in (entry(3, 5, 1), LogEntry(3, 6, entry(3, 6, 2).envelope_id, 3000)):
        mine = means((3, range(1, 18)))
        mine.log.append(spoil)
        blending = blending_of(mine)
        blending.gather(5, 1, entries(4), 0)
        blending.gather(6, 1, entries(9), 0)
        assert blending.settle(LATER_MS) == []
        filled = [number for number in range(4, 10) if number != spoil.number]
        assert [numbers_of(output) for output in sent(blending, LATER_MS, LATER_MS + 100)] == [filled]


def test_what_was_just_blended_is_not_blended_again() -> None:
    blending = blending_of(means((3, range(1, 18))))
    for asker in (5, 6):
        blending.gather(asker, 1, entries(asker), 0)
    blending.settle(LATER_MS)
    blending.gather(7, 1, entries(5), LATER_MS)
    assert blending.settle(2 * LATER_MS) == []
    assert len(sent(blending, 2 * LATER_MS, 3 * LATER_MS)) == 1
    blending.gather(7, 1, entries(5), 2 * LATER_MS + 1)
    assert blending.settle(2 * LATER_MS + REPEAT_MS - 1) == []
    blending.gather(7, 1, entries(5), 4 * LATER_MS + REPEAT_MS)
    assert blending.settle(5 * LATER_MS + REPEAT_MS) == [(7, entries(5))]


def helped(mine: Means) -> Blending:
    blending = blending_of(mine)
    blending.help(5, 1, entries(4, 9), HOUR_MS)
    return blending


def test_help_comes_late_in_blends_and_once() -> None:
    blending = helped(means((3, range(1, 18))))
    blending.help(5, 2, entries(4, 9, 12), HOUR_MS)
    assert sent(blending, 0, HOUR_MS - 1) == []
    assert [numbers_of(output) for output in sent(blending, HOUR_MS, 2 * HOUR_MS)] == [[4, 9, 12]] * 2


def test_help_is_spared_by_blends_or_envelopes_of_others() -> None:
    blended, plain = (helped(means((3, range(1, 18)))) for _ in range(2))
    blended.hear({Place(3, 10)})
    assert blended.serves(5)
    blended.hear({Place(3, 9)})
    plain.hear_entry(entry(3, 4).envelope_id)
    assert blended.deadline_ms() is None
    assert plain.deadline_ms() is None


def test_the_fullest_purse_pays_and_empty_ones_wait() -> None:
    mine = means((3, range(1, 18)), purse_ms=2500.0)
    mine.purses.spend(5, 2400, 0)
    blending = blending_of(mine)
    blending.gather(5, 4, entries(4, 9), 0)
    blending.gather(6, 4, entries(2, 7, 17), 0)
    blending.settle(LATER_MS)
    assert len(sent(blending, LATER_MS, LATER_MS + 1000)) == 2
    assert mine.purses.left_ms(6, LATER_MS) < 300
    assert mine.tally["capped"] == 1
    assert len(sent(blending, LATER_MS, LATER_MS + HOUR_MS)) == 1


def test_endless_requests_make_a_bounded_number_of_mixes() -> None:
    blending = blending_of(means((3, range(1, 2000))))
    plain = 0
    for number in range(1, 1000, 10):
        now_ms = number * LATER_MS
        blending.gather(5, 1, entries(number), now_ms)
        blending.gather(6, 1, entries(number + 5), now_ms)
        plain += len(blending.settle(now_ms + LATER_MS))
    assert plain >= 2 * (100 - MIXES_MAX)
    assert len(sent(blending, 0, 10_000 * LATER_MS)) <= MIXES_MAX


def test_long_envelopes_go_as_fragments() -> None:
    assert is_blendable(entry(3, 1))
    assert not is_blendable(LogEntry(3, 1, entry(3, 1).envelope_id, 400))


def test_what_expired_meanwhile_does_no_harm() -> None:
    mine = means((3, range(1, 18)))
    blending = blending_of(mine)
    blending.gather(5, 1, entries(4), 0)
    blending.gather(6, 1, entries(9), 0)
    mine.log.drop(3, Span(5, 8))
    blending.settle(LATER_MS)
    assert [numbers_of(output) for output in sent(blending, LATER_MS, LATER_MS + 100)] == [[4, 9]]
