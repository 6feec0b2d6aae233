"""The authors of requests without a message (`World.put`, `World.get`), and their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .contract import check

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sharedstate_core.effects import Answer
    from sharedstate_core.updates import Update


class Called(NamedTuple):
    """An author's request; `update` is None for a read."""

    path: str
    update: Update | None


class Callers:
    """All authors, each of which makes one request.

    Attributes:
        asked: the requests, by author.
        answers: the answers, in order of arrival.
        waiting: authors that have not been answered yet.
    """

    def __init__(self) -> None:
        self.asked: dict[Hashable, Called] = {}
        self.answers: list[Answer] = []
        self.waiting: set[Hashable] = set()

    def ask(self, author: Hashable | None, path: str, update: Update | None) -> None:
        """Record an author's request."""
        if author is not None:
            check(author not in self.asked, f"{author!r} asks twice")
            self.asked[author] = Called(path, update)
            self.waiting.add(author)

    def hear(self, answer: Answer) -> None:
        """Record an answer to an author."""
        check(answer.author in self.waiting, f"{answer} comes twice, or nobody has asked")
        self.waiting.discard(answer.author)
        self.answers.append(answer)
