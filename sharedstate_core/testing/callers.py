"""Those who ask without a message, by `World.put` and `World.get`, and what they were told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .contract import check

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sharedstate_core.effects import Answer
    from sharedstate_core.updates import Update


class Called(NamedTuple):
    """What an author has asked for; `update` is None for a read."""

    path: str
    update: Update | None


class Callers:
    """All authors, each of whom asks once.

    Attributes:
        asked: by author.
        answers: in the order in which they came.
        waiting: authors who were not answered yet.
    """

    def __init__(self) -> None:
        self.asked: dict[Hashable, Called] = {}
        self.answers: list[Answer] = []
        self.waiting: set[Hashable] = set()

    def ask(self, author: Hashable | None, path: str, update: Update | None) -> None:
        """Note what an author asks for."""
        if author is not None:
            check(author not in self.asked, f"{author!r} asks twice")
            self.asked[author] = Called(path, update)
            self.waiting.add(author)

    def hear(self, answer: Answer) -> None:
        """Note what an author was told."""
        check(answer.author in self.waiting, f"{answer} comes twice, or nobody has asked")
        self.waiting.discard(answer.author)
        self.answers.append(answer)
