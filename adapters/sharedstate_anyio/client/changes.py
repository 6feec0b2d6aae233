"""What a program reads at its own pace: changes of a dataset, and of the connection's status."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, Literal, NamedTuple, Self, TypeAlias

import anyio
import anyio.lowlevel

from sharedstate_core.updates import Diff as TextDiff

from .loop_affinity import LoopAffinity
from .values import ItemT_co

Status: TypeAlias = Literal["connecting", "connected", "unauthenticated", "reconnecting", "closed"]
"""`connecting`: not connected yet. `reconnecting`: was connected, and is trying again. `closed`: for good.
`unauthenticated`: connected, but the server has refused the token, or `token` has raised `Unauthorized`."""

User: TypeAlias = Mapping[str, Any]
"""What the server knows of a user: `id`, and more."""

CLOSED: Final = "closed"


class Diff(NamedTuple, Generic[ItemT_co]):
    """What happened to one item.

    Attributes:
        id: its id.
        new: the item now; None if it was removed.
        old: the item before; None if there was none.
    """

    id: str
    new: ItemT_co | None
    old: ItemT_co | None


class Changes(Generic[ItemT_co]):
    """The changes of a dataset since this object was made; see `Dataset.changes`.

    Unread changes are merged into one net difference, so the backlog is bounded by the size of the collection: at most
    one diff for each item before and after.
    """

    def __init__(self, loads: Callable[[bytes], ItemT_co], affinity: LoopAffinity) -> None:
        self._affinity = affinity
        self._loads = loads
        self._merged: dict[str, TextDiff] = {}
        self._wake = anyio.Event()
        self._end: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Diff[ItemT_co]]:
        self._affinity.check()
        await anyio.lowlevel.checkpoint()
        while not self._merged:
            if self._end is not None:
                raise self._end.with_traceback(None)
            self._wake = anyio.Event()
            await self._wake.wait()
        merged, self._merged = self._merged, {}
        return [Diff(id, self._value(new), self._value(old)) for id, new, old in merged.values()]

    def _value(self, text: bytes | None) -> ItemT_co | None:
        return None if text is None else self._loads(text)

    def add(self, diffs: Iterable[TextDiff]) -> None:
        """Add the next changes."""
        for diff in diffs:
            before = self._merged.pop(diff.id, None)
            old = diff.old if before is None else before.old
            if diff.new is not None or old is not None:
                self._merged[diff.id] = TextDiff(diff.id, diff.new, old)
        self._wake.set()

    def end(self, error: Exception | None = None) -> None:
        """End the iteration once the backlog is read, with this error if there is one."""
        self._end = error or StopAsyncIteration()
        self._wake.set()


class StatusChanges:
    """The client's status, each time it changes; a slow reader gets only the latest. Ends after `closed`."""

    def __init__(self, status: Status, affinity: LoopAffinity) -> None:
        self._affinity = affinity
        self._told: Status = status
        self._status: Status = status
        self._wake = anyio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Status:
        self._affinity.check()
        await anyio.lowlevel.checkpoint()
        if self._told == CLOSED:
            raise StopAsyncIteration
        while self._status == self._told:
            self._wake = anyio.Event()
            await self._wake.wait()
        self._told = self._status
        return self._told

    def set(self, status: Status) -> None:
        """Set the new status."""
        self._status = status
        self._wake.set()


class UserChanges:
    """The client's user, each time it changes; a slow reader gets only the latest. Ends when the client is closed."""

    def __init__(self, user: User | None, affinity: LoopAffinity) -> None:
        self._affinity = affinity
        self._told = self._user = user
        self._closed = False
        self._wake = anyio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> User | None:
        self._affinity.check()
        await anyio.lowlevel.checkpoint()
        while self._user == self._told:
            if self._closed:
                raise StopAsyncIteration
            self._wake = anyio.Event()
            await self._wake.wait()
        self._told = self._user
        return self._told

    def set(self, user: User | None) -> None:
        """Set the new user."""
        self._user = user
        self._wake.set()

    def end(self) -> None:
        """Note that there will be no other."""
        self._closed = True
        self._wake.set()
