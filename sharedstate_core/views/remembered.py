"""What a view remembers: the ids of what has changed in it, each with the version that changed it, the newest last.

It is bounded: the oldest are forgotten, and `since` says from which version on all is known.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANGED_BYTES: Final = 100
LEFT_BYTES: Final = 200
"""Approximate memory that each id takes of an item that is shown, which has it, too, or of one that was."""


class Remembered:
    """The ids of what has changed in one view.

    Args:
        since: nothing of it is known yet.

    Attributes:
        since: all that has changed after this version is known.
        changed: those that are shown.
        left: those that were shown.
    """

    __slots__ = ("changed", "left", "since")

    def __init__(self, since: int = 0) -> None:
        self.since = since
        self.changed: OrderedDict[str, int] = OrderedDict()
        self.left: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self.changed) + len(self.left)

    @property
    def memory(self) -> int:
        """Approximate memory that it takes, in bytes."""
        return CHANGED_BYTES * len(self.changed) + LEFT_BYTES * len(self.left)

    @property
    def newest(self) -> int:
        """The newest version of which anything is known, or that is not known any more."""
        ends = [next(reversed(those.values())) for those in (self.changed, self.left) if those]
        return max(self.since, *ends) if ends else self.since

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
