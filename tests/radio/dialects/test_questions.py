"""Questions: repeated, skipped when they may be, given up when not."""

import msgspec

from app.radio.dialects.questions import OPTIONAL_TRIES_MAX, Questions


class Ask(msgspec.Struct, frozen=True):
    request: bytes
    optional: bool = False


ONE, TWO, MAYBE = Ask(b"one"), Ask(b"two"), Ask(b"maybe", optional=True)


def test_one_after_the_other() -> None:
    questions: Questions[Ask] = Questions(100, 3)
    questions.begin((ONE, TWO), 5)
    assert questions.deadline_ms() == 5
    assert questions.poll(4) == b""
    assert not questions.was_asked
    assert questions.poll(5) == b"one"
    assert questions.was_asked
    assert questions.poll(6) == b""
    questions.next(7)
    assert (questions.current, questions.was_asked) == (TWO, False)
    assert questions.poll(7) == b"two"
    questions.next(8)
    assert not questions.current
    assert questions.deadline_ms() is None


def test_an_unanswered_question_comes_again_and_is_given_up() -> None:
    questions: Questions[Ask] = Questions(100, 3)
    questions.begin((ONE, TWO), 0)
    assert [questions.poll(at) for at in (0, 50, 100, 200, 299)] == [b"one", b"", b"one", b"one", b""]
    assert not questions.given_up
    assert questions.poll(300) == b""
    assert questions.given_up
    assert questions.current is None
    questions.begin((TWO,), 400)
    assert not questions.given_up


def test_an_optional_question_is_skipped() -> None:
    questions: Questions[Ask] = Questions(100, 3)
    questions.begin((MAYBE, ONE), 0)
    asked = [questions.poll(100 * at) for at in range(OPTIONAL_TRIES_MAX)]
    assert asked == [b"maybe"] * OPTIONAL_TRIES_MAX
    assert questions.poll(100 * OPTIONAL_TRIES_MAX) == b"one"


def test_a_question_in_between() -> None:
    questions: Questions[Ask] = Questions(100, 3)
    questions.begin((ONE, TWO), 0)
    questions.poll(0)
    questions.insert(MAYBE, 10)
    assert questions.current is MAYBE
    assert questions.poll(10) == b"maybe"
    questions.next(20)
    assert questions.current is TWO
    questions.drop()
    assert not questions.current
    assert questions.deadline_ms() is None
