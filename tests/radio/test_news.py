"""News: one tells for all, soon where little is lost, a few together where much is; what others told is crossed off."""

from app.radio.blend import Place
from app.radio.news import FRESH_MAX, SOON_MS, WAIT_MAX_MS, WAIT_MS, News
from app.radio.tidings import PLACES_MAX, Told, check_of
from tests.radio.repair_mesh import entry
from tests.radio.repair_parts import ME, means, portion

CROWD = 9
PLACE = Place(3, 1)


def test_where_little_is_lost_it_is_told_within_seconds() -> None:
    news = News(means((3, range(1, 5))))
    news.add((PLACE,), CROWD, 0)
    due_ms = news.deadline_ms()
    assert due_ms is not None
    assert SOON_MS <= due_ms <= SOON_MS + CROWD * 1000
    assert news.poll(due_ms - 1) == ()
    assert news.poll(due_ms) == (Told(3, 1, check_of(entry(3, 1).envelope_id)),)
    assert news.deadline_ms() is None


def test_where_much_is_lost_several_go_together_but_none_waits_for_ever() -> None:
    news = News(means((3, range(1, 60)), lossy=True))
    for number in range(1, 31):
        news.add((Place(3, number),), CROWD, 10_000 * number)
    due_ms = news.deadline_ms()
    assert due_ms is not None
    assert WAIT_MS[0] <= due_ms <= 10_000 + WAIT_MAX_MS[1]
    assert len(news.poll(due_ms)) == 30


def test_what_others_tell_need_not_be_told() -> None:
    news = News(means((3, range(1, 5)), lossy=True))
    news.add((Place(3, 1), Place(3, 2)), CROWD, 0)
    news.hear(7, (portion(3, (2, 2)),))
    due_ms = news.deadline_ms()
    assert due_ms is not None
    assert [told.number for told in news.poll(due_ms)] == [1]
    news.add((Place(3, 3),), CROWD, due_ms)
    news.hear(7, (portion(3, (1, 9)),))
    assert news.deadline_ms() is None


def test_who_wrote_it_wants_to_hear_it_from_others() -> None:
    news = News(means((3, range(1, 5))))
    news.add((PLACE,), CROWD, 0)
    news.hear(3, (portion(3, (1, 4)),))
    assert news.deadline_ms() is not None
    assert ME != 3


def test_what_is_gone_meanwhile_is_not_told() -> None:
    mine = means((3, range(1, 5)))
    news = News(mine)
    news.add((PLACE, Place(3, 99)), CROWD, 0)
    due_ms = news.deadline_ms()
    assert due_ms is not None
    assert [told.number for told in news.poll(due_ms)] == [1]


def test_a_flood_of_it_is_bounded_and_goes_out_in_several_frames() -> None:
    news = News(means((3, range(1, 1000))))
    news.add((Place(3, number) for number in range(1, 1000)), CROWD, 0)
    told = 0
    while (due_ms := news.deadline_ms()) is not None:
        places = news.poll(due_ms)
        assert len(places) <= PLACES_MAX
        told += len(places)
    assert told == FRESH_MAX
