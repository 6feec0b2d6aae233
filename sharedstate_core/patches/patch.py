"""What a patch is: which members of one item to change, and how.

Members are named as PROTOCOL.md has it, by name or JSON Pointer, and stand here as their author spelled them. Values
are JSON text, so that numbers keep their digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, pairwise
from math import isfinite
from operator import itemgetter

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from .pointers import inside, path_of
from .values import is_whole


class Patch(Struct, frozen=True):
    """Changes of the members of one item; each is named once, and none lies inside another: see `check_patch`.

    Attributes:
        id: the item.
        set: values by member.
        unset: members that go.
        inc: numbers, by which members are incremented.
        now: members that become the time of the commit, in seconds since the Unix epoch; `at` resolves them.
        add: JSON arrays of values, those of which that are not in the member, a list, are added at its end.
        pull: JSON arrays of values, all of which go from the member, a list.
        upsert: whether an item that is not there begins as one with nothing but its id.
        whole: the text of an item that comes first, in place of what is there: never part of a message, see
            `updates.compose`.
    """

    id: str
    set: Mapping[str, bytes] = {}
    unset: tuple[str, ...] = ()
    inc: Mapping[str, bytes] = {}
    now: tuple[str, ...] = ()
    add: Mapping[str, bytes] = {}
    pull: Mapping[str, bytes] = {}
    upsert: bool = False
    whole: bytes | None = None

    @property
    def size(self) -> int:
        """Number of members it names."""
        lists = self.set, self.unset, self.inc, self.now, self.add, self.pull
        return sum(map(len, lists))

    @property
    def length(self) -> int:
        """Length of its values, together."""
        values = chain(self.set.values(), self.inc.values(), self.add.values(), self.pull.values())
        return sum(map(len, values))

    @property
    def is_only_whole(self) -> bool:
        """Whether it does nothing but put an item in the place of what is there."""
        return self.whole is not None and not self.size

    def members(self) -> Iterator[tuple[str, str]]:
        """Yield the kind of each change, such as `inc`, and its member."""
        for kind in ("set", "unset", "inc", "now", "add", "pull"):
            for member in getattr(self, kind):
                yield kind, member

    def at(self, time: float) -> Patch:
        """Return the same with values for what becomes the time of the commit."""
        if not self.now:
            return self
        text = msgspec.json.encode(time)
        return replace(self, set={**self.set, **dict.fromkeys(self.now, text)}, now=())


class PatchFault(Exception):  # noqa: N818  (it is not an error of its own: callers name the whole place)
    """Something is wrong with a patch, whatever the item.

    Attributes:
        place: where in the patch, such as `.inc.votes`; empty for the whole.
        problem: what was expected, in words.
    """

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


def check_patch(patch: Patch) -> None:
    """Check the names of members, and the numbers; other values are JSON, and `add` and `pull` arrays, already.

    Raises:
        PatchFault: a pointer is not valid, `id` would change, a member is named twice or lies inside another, or a
            number is beyond doubles.
    """
    names = [*patch.set, *patch.unset, *patch.inc, *patch.now, *patch.add, *patch.pull]
    if "id" in names or len({*names}) < len(names) or any(name[:1] == "/" for name in names):
        _check_paths(patch)
    for member, by in patch.inc.items():
        if not is_whole(by) and not isfinite(float(by)):
            raise PatchFault(inside(".inc", member), "expected a number that a double can be")


def _check_paths(patch: Patch) -> None:
    """Check the names of members, some of which may be pointers."""
    paths: list[tuple[tuple[str, ...], int, str]] = []
    for number, (kind, member) in enumerate(patch.members()):
        place = inside(f".{kind}", member)
        try:
            path = path_of(member)
        except ValueError as error:
            raise PatchFault(place, str(error)) from None
        if path[0] == "id":
            raise PatchFault(place, "the id of an item cannot be changed")
        paths.append((path, number, place))
    paths.sort()
    for one, other in pairwise(paths):
        if other[0][: len(one[0])] == one[0]:
            place = max(one, other, key=itemgetter(1))[2]  # of what comes later in the patch
            raise PatchFault(place, "this member, or one around or inside it, is changed twice")


def at(patches: tuple[Patch, ...], time: float) -> tuple[Patch, ...]:
    """Return patches with values for what becomes the time of the commit."""
    return tuple([patch.at(time) for patch in patches])


def need_time(patches: tuple[Patch, ...]) -> bool:
    """Return whether any member becomes the time of the commit."""
    return any(patch.now for patch in patches)
