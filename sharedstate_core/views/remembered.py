"""What a view remembers: the ids of what has changed in it, each with the version that changed it, the newest last.

It is bounded: the oldest are forgotten, and `since` says from which version on all is known.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ID_BYTES: Final = 150
"""Approximate memory that each id takes."""


class Remembered:
    """The ids of what has changed in one view.

    Attributes:
        since: all that has changed after this version is known.
        changed: those that are shown.
        left: those that were shown.
    """

    __slots__ = ("changed", "left", "since")

    def __init__(self) -> None:
        self.since = 0
        self.changed: OrderedDict[str, int] = OrderedDict()
        self.left: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self.changed) + len(self.left)

    def begin(self, version: int) -> None:
        """Remember nothing of what has been before a version."""
        self.since = version
        self.changed.clear()
        self.left.clear()

    def record(self, id: str, version: int, *, is_shown: bool) -> None:
        """Record that an item has changed that is shown now, or was."""
        into, other = self.changed, self.left
        if not is_shown:
            into, other = other, into
        if id in other:
            del other[id]
        elif id in into:
            into.move_to_end(id)
        into[id] = version

    def keep(self, most: int, version: int) -> None:
        """Remember no more than so many, but all that this version has changed."""
        beyond = len(self) - most
        while beyond > 0:
            oldest = min(_oldest(those) for those in (self.changed, self.left) if those)
            if oldest >= version:
                break
            self.forget_oldest()
            beyond -= 1

    def forget_oldest(self) -> None:
        """Forget the one that changed first."""
        changed, left = self.changed, self.left
        is_left = not changed or (left and _oldest(left) < _oldest(changed))
        _, self.since = (left if is_left else changed).popitem(last=False)

    def each_since(self, since: int) -> Iterator[str]:
        """Yield those that changed after a version, the newest ones that are shown first, then those that were."""
        yield from newer(self.changed, since)
        yield from newer(self.left, since)


def newer(those: OrderedDict[str, int], since: int) -> Iterator[str]:
    """Yield the ids that changed after a version, the newest first; none may be added meanwhile."""
    for id, version in reversed(those.items()):
        if version <= since:
            break
        yield id


def _oldest(versions: OrderedDict[str, int]) -> int:
    return next(iter(versions.values()))
