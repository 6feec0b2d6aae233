"""What readers must see of a collection, in the plainest way, and a reader that follows the protocol to the letter.

Nothing here knows how views work. What a reader shows is compared, after each notification, with the state that the
notification names, filtered and in order.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Item = Mapping[str, Any]
    State = Mapping[str, bytes]
    States = Callable[[str, int], State]

READS: Final[Mapping[str, tuple[str, Callable[[Item, Item], bool]]]] = {
    "room": (
        "user != null && (user.admin || item.room == user.room)",
        lambda user, item: user["admin"] or item.get("room") == user["room"],
    ),
    "n": (
        "user != null && (user.admin || item.n == user.room)",
        lambda user, item: user["admin"] or item["n"] == user["room"],
    ),
    "tags": (
        "user != null && (user.admin || 'x' in item.tags)",
        lambda user, item: user["admin"] or "x" in item.get("tags", ()),
    ),
    "users": ("user != null", lambda _, __: True),
    "admins": ("user != null && user.admin", lambda user, _: bool(user["admin"])),
}
"""Rules, by name, and what each says of a user, if there is one, and an item."""

FIRST: Final = "room"
"""The rule that is in force in the beginning."""

FILTERS: Final[Sequence[tuple[Any, Callable[[Item], bool]]]] = (
    (None, lambda _: True),
    ({"room": 0}, lambda item: item.get("room") == 0),
    ({"room": {"in": [0, 1]}}, lambda item: item.get("room") in (0, 1)),
    ({"n": {"gte": 1}}, lambda item: item.get("n", -1) >= 1),
    ({"not": {"room": 0}}, lambda item: item.get("room") != 0),
    (
        {"tags": {"has": "x"}, "n": {"ne": 2}},
        lambda item: "x" in item.get("tags", ()) and item.get("n") != 2,
    ),
)


class Shape(NamedTuple):
    """What a reader asks for."""

    filter: int = 0
    last: int | None = None
    fields: tuple[str, ...] | None = None

    def sub(self) -> dict[str, Any]:
        """Its members in a `sub`."""
        sub: dict[str, Any] = {}
        if FILTERS[self.filter][0] is not None:
            sub["where"] = FILTERS[self.filter][0]
        if self.last is not None:
            sub["last"] = self.last
        if self.fields is not None:
            sub["fields"] = list(self.fields)
        return sub

    def of(self, state: Mapping[str, bytes], user: Item | None, *, has_rules: bool) -> list[Item]:
        """What is shown of a state."""
        items = [json.loads(text) for text in state.values()]
        items = [
            item
            for item in items
            if FILTERS[self.filter][1](item) and (not has_rules or may_read(user, item))
        ]
        if self.last is not None:
            items = items[-self.last :]
        if self.fields is None:
            return items
        return [{k: v for k, v in item.items() if k == "id" or k in self.fields} for item in items]


def may_read(user: Item | None, item: Item) -> bool:
    """What the rule says that is in force for this user: its `rule`."""
    return user is not None and READS[user["rule"]][1](user, item)


def may_subscribe(user: Item | None) -> bool:
    """Whether there may be an item that a user may read."""
    return user is not None and (user["rule"] != "admins" or bool(user["admin"]))


class Copy:
    """What a reader holds of one subscription."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.items: dict[str, tuple[tuple[int, int], Item]] = {}
        self.is_ordered = False
        self.epoch: str | None = None
        self.version = 0
        self.tunnel = ""
        self.is_asked = False  # what comes before the answer belongs to another subscription
        self.awaited = 0
        self.scope: str | None = None
        self.is_synced = False
        self.is_refused = False
        self.parts: list[Any] = []

    def shown(self) -> list[Item]:
        """The items, in order."""
        values = list(self.items.values())
        if self.is_ordered:
            values.sort(key=lambda each: each[0])
        return [item for _, item in values]

    # --- what it is told ---

    def refuse(self) -> None:
        """Hold nothing."""
        self.is_refused = True
        self.items.clear()
        self.epoch = None

    def hear(self, version: int, *, is_stored: bool) -> None:
        """Take in that the collection is at a version: what is stored has been shown, the rest soon will be."""
        self.awaited = max(self.awaited, version)
        assert not is_stored or self.version >= version

    def take(self, message: Any, user: Item | None, states: States, *, has_rules: bool) -> None:
        """Apply a notification, once all its parts are there, and check what is shown then.

        Args:
            message: the notification, or a part of it.
            user: who it was sent to.
            states: returns the state of the collection in an epoch, at a version.
            has_rules: whether the user may see only some of the items.
        """
        self.parts.append(message)
        if message.get("more"):
            return
        parts, self.parts = self.parts, []
        first = parts[0]
        epoch, version, base = message["epoch"], message["version"], first["base"]
        if epoch == "":  # it is emptied
            self.items.clear()
            self.epoch = self.scope = None
            return
        before = set(self.items)
        if first["data"]["reset"]:
            self.items.clear()
        else:
            assert (epoch, base) == (self.epoch, self.version), "a gap"
        assert epoch != self.epoch or version >= self.version, "back to an earlier version"
        for id in first["data"]["remove"]:
            assert (
                not has_rules or id in before or self._was_visible(id, base, message, user, states)
            )
            self.items.pop(id, None)
        self.is_ordered = "at" in first
        for part in parts:
            items = part["data"]["insert"]
            places = part.get("at", [(0, 0)] * len(items))
            for item, at in zip(items, places, strict=True):
                self.items[item["id"]] = (tuple(at), item)
        if epoch != self.epoch:
            self.awaited = 0
        self.epoch, self.version, self.scope = epoch, version, message.get("scope")
        self.is_synced = True
        expected = self.shape.of(states(epoch, version), user, has_rules=has_rules)
        assert self.shown() == expected, (self.shown(), expected, message)

    def _was_visible(
        self, id: str, base: int, message: Any, user: Item | None, states: States
    ) -> bool:
        """Return whether the user could have seen an item meanwhile: nobody else may hear of it."""
        if user is not None and user["admin"]:
            return True
        whole = Shape()
        return any(
            item["id"] == id
            for version in range(base, message["version"] + 1)
            for item in whole.of(states(message["epoch"], version), user, has_rules=True)
        )
