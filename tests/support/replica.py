"""What a subscriber knows, in the plainest words: the model that the server's answers are held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.peer import Message

Item = dict[str, Any]
State = list[Item]


def apply(items: dict[str, Item], change: dict[str, Any]) -> None:
    """Carry out an update, or the data of a notification, on items in order."""
    if change.get("reset"):
        items.clear()
    for id in () if change.get("reset") else change.get("remove", ()):
        items.pop(id, None)
    for item in change.get("insert", ()):
        items[item["id"]] = item


class Copy:
    """A subscriber's own copy of one collection, which accepts only what follows on what it has.

    Attributes:
        seen: every state it has held, by (epoch, version).
        told: the items of every notification, in the order told.
    """

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.epoch = ""
        self.version = -1
        self.seen: dict[tuple[str, int], State] = {}
        self.told: list[Item] = []
        self._in_sync = False

    @property
    def state(self) -> State:
        """The items, in order."""
        return list(self.items.values())

    def leave(self) -> None:
        """The subscription has ended; what comes next must be a snapshot."""
        self._in_sync = False

    def take(self, message: Message) -> None:
        """Apply one notification."""
        data, base = message["data"], message["base"]
        if self._in_sync:
            assert message["epoch"] == self.epoch
            if data["reset"]:
                assert message["version"] > self.version
            else:
                assert base == self.version, "it does not follow on what was told before"
                assert message["version"] > base, "it leads nowhere"
        else:
            assert data["reset"], "the first word must be everything"
            assert (message["epoch"], message["version"]) >= (self.epoch, self.version) or (
                message["epoch"] != self.epoch
            ), "older after newer"
        apply(self.items, data)
        self.epoch, self.version = message["epoch"], message["version"]
        self._in_sync = True
        self.seen[self.epoch, self.version] = self.state
        self.told += data["insert"]


def agree(copies: Iterable[Copy]) -> dict[tuple[str, int], State]:
    """Check that all have seen states of one sequence; return what is known of it."""
    known: dict[tuple[str, int], State] = {}
    for copy in copies:
        versions = [version for _, version in copy.seen]
        assert versions == sorted(versions)
        for cursor, state in copy.seen.items():
            assert known.setdefault(cursor, state) == state, f"two states are called {cursor}"
    return known
