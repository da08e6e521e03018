"""Questions to a modem, one after the other, each repeated until it is answered or given up. A pure machine."""

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar


class Question(Protocol):
    """The bytes to ask with, and whether a modem that never answers may be used all the same."""

    @property
    def request(self) -> bytes: ...

    @property
    def optional(self) -> bool: ...


QuestionT = TypeVar("QuestionT", bound=Question)

OPTIONAL_TRIES_MAX = 2
"""Older firmware is silent about what it doesn't know: it is asked once more, in case a byte was lost."""


class Questions(Generic[QuestionT]):
    """A list of questions that is worked off. What counts as an answer is the caller's to say."""

    def __init__(self, answer_ms: int, tries_max: int) -> None:
        self.given_up = False
        self._answer_ms = answer_ms
        self._tries_max = tries_max
        self._waiting: list[QuestionT] = []
        self._tries = 0
        self._due_ms: int | None = None

    @property
    def current(self) -> QuestionT | None:
        """The question that waits for its answer."""
        return self._waiting[0] if self._waiting else None

    @property
    def was_asked(self) -> bool:
        """Whether the current question has been asked at least once: an answer before that answers something else."""
        return self._tries > 0

    def begin(self, questions: Sequence[QuestionT], at_ms: int) -> None:
        """Forget what waits and ask these, the first at `at_ms`."""
        self.given_up = False
        self._waiting = list(questions)
        self._restart(at_ms)

    def insert(self, question: QuestionT, at_ms: int) -> None:
        """Ask this one instead of the current question."""
        self._waiting[:1] = [question]
        self._restart(at_ms)

    def next(self, now_ms: int) -> None:
        """The current question is answered: on to the one after it."""
        del self._waiting[:1]
        self._restart(now_ms)

    def drop(self) -> None:
        """Ask nothing any more."""
        self._waiting.clear()
        self._due_ms = None

    def poll(self, now_ms: int) -> bytes:
        """The bytes of a question that is due, or nothing. Sets `given_up` when one stays without an answer."""
        while self._waiting and self._due_ms is not None and now_ms >= self._due_ms:
            question = self._waiting[0]
            if self._tries < (OPTIONAL_TRIES_MAX if question.optional else self._tries_max):
                self._tries += 1
                self._due_ms = now_ms + self._answer_ms
                return question.request
            if not question.optional:
                self.given_up = True
                self.drop()
                return b""
            self.next(now_ms)
        return b""

    def deadline_ms(self) -> int | None:
        """When the current question is due, for the first time or again."""
        return self._due_ms

    def _restart(self, at_ms: int) -> None:
        self._tries = 0
        self._due_ms = at_ms if self._waiting else None
