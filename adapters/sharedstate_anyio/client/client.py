"""The public face of a client."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar, overload

import msgspec

from sharedstate_core import (
    Condition,
    Cursor,
    parse_collection_path,
)
from sharedstate_core.arguments import expect
from sharedstate_core.client import make_filter

from . import values
from .changes import Status, StatusChanges, User, UserChanges
from .client_hub import ClientHub
from .clock import Clock
from .dataset import Dataset
from .holdings import Holdings
from .net.pause import Pause
from .parts import Where
from .patches import PatchLike
from .reading import Reads
from .values import ItemLike, ItemT_co, check_loads, make_condition, make_update

T = TypeVar("T")


class Client(Reads[ItemT_co]):
    """A connection to a server and the datasets that it keeps in sync; made by `connect`.

    It belongs to the event loop in which it was made: in another loop or thread, its methods raise `RuntimeError`.
    """

    def __init__(self, hub: ClientHub, pause: Pause, loads: Callable[[bytes], ItemT_co]) -> None:
        super().__init__(hub, loads)
        self._pause = pause
        self._held = Holdings(hub)
        self._clock = Clock(hub.ask_time, hub.affinity)

    @property
    def status(self) -> Status:
        """State of the connection: `connecting`, `connected`, `reconnecting` or `closed`."""
        return self._hub.status

    def status_changes(self) -> StatusChanges:
        """Return an iterator of the status each time it changes: `async for status in client.status_changes()`."""
        return self._hub.listen_status()

    @property
    def user(self) -> User | None:
        """Whose the connection is, as far as the server has said: `id`, and what else it knows; None for nobody.

        It stays while the connection is lost.
        """
        return self._hub.user

    def user_changes(self) -> UserChanges:
        """Return an iterator of the user each time it changes: `async for user in client.user_changes()`."""
        return self._hub.listen_user()

    async def sign_out(self) -> None:
        """Sign out, on this connection and later ones: what nobody may read becomes empty.

        `connect_now` asks for a token again, if there is a function `token`.

        Raises:
            ClosedError: the client is closed.
        """
        self._hub.check_open()
        await self._hub.sign_out()

    @property
    def next_attempt(self) -> float | None:
        """Time of the next attempt to connect, in seconds since the Unix epoch; None unless the client is pausing."""
        return self._pause.until

    def connect_now(self) -> None:
        """If the client is pausing between two attempts to connect, make the next one at once.

        If nobody is signed in, ask for a token.

        Raises:
            RuntimeError: the client belongs to another thread.
        """
        self._hub.affinity.check_thread()
        self._hub.sign_in.resume()
        self._pause.skip()

    @property
    def clock(self) -> Clock:
        """The server's clock."""
        return self._clock

    @overload
    async def acquire(
        self,
        path: str,
        *,
        where: Where | None = None,
        last: int | None = None,
        fields: Sequence[str] | None = None,
    ) -> Dataset[ItemT_co]: ...

    @overload
    async def acquire(
        self,
        path: str,
        *,
        where: Where | None = None,
        last: int | None = None,
        fields: Sequence[str] | None = None,
        loads: Callable[[bytes], T],
    ) -> Dataset[T]: ...

    async def acquire(
        self,
        path: str,
        *,
        where: Where | None = None,
        last: int | None = None,
        fields: Sequence[str] | None = None,
        loads: Callable[[bytes], Any] | None = None,
    ) -> Dataset[Any]:
        """Return the dataset of a collection, or of a part of it, once in sync; without a connection, wait for one.

        Acquiring a path again, in whatever spelling, with an equal filter and the same `loads` returns the same
        dataset. It is kept in sync until it has been released as often as it was acquired; `acquired` does that by
        itself. If the wait is cancelled, nothing is held.

        Args:
            path: `/app/service/collection`.
            where: show only the items for which this filter holds (see `Where`); items enter and leave as they change.
            last: show only so many of them, 1 to 1000: those that were inserted last.
            fields: show only these members of each item, and `id`; nothing can be inserted then.
            loads: makes an item from its JSON text; default: the client's.

        Raises:
            RequestError: `bad_path`, or the server refused, for example with `no_service`; `bad_message` and `too_many`
                for a filter that it does not take; `failed` if it knows no filters.
            ClosedError: the client is closed.
            TypeError, ValueError: an argument has another type, or `last` is less than 1.
        """
        self._hub.check_open()
        if loads is not None:
            check_loads(loads)
        asked = make_filter(where, last, fields)
        name = str(parse_collection_path(path))
        return await self._held.acquire(name, asked, loads or self._loads)

    @overload
    def acquired(
        self,
        path: str,
        *,
        where: Where | None = None,
        last: int | None = None,
        fields: Sequence[str] | None = None,
    ) -> AbstractAsyncContextManager[Dataset[ItemT_co]]: ...

    @overload
    def acquired(
        self,
        path: str,
        *,
        where: Where | None = None,
        last: int | None = None,
        fields: Sequence[str] | None = None,
        loads: Callable[[bytes], T],
    ) -> AbstractAsyncContextManager[Dataset[T]]: ...

    @asynccontextmanager
    async def acquired(
        self,
        path: str,
        *,
        where: Where | None = None,
        last: int | None = None,
        fields: Sequence[str] | None = None,
        loads: Callable[[bytes], Any] | None = None,
    ) -> AsyncIterator[Dataset[Any]]:
        """Hold a dataset for the length of a block: `async with client.acquired(path) as ds`.

        The dataset is released however the block ends: normally, by an error, a timeout or a cancellation.

        Args:
            path: `/app/service/collection`.
            where: as for `acquire`.
            last: as for `acquire`.
            fields: as for `acquire`.
            loads: makes an item from its JSON text; default: the client's.

        Raises:
            RequestError, ClosedError: as `acquire`; whatever the block raises passes through unchanged.
        """
        chosen = loads or self._loads
        ds = await self.acquire(path, where=where, last=last, fields=fields, loads=chosen)
        try:
            yield ds
        finally:
            self.release(ds)

    def release(self, ds: Dataset[Any]) -> None:
        """Release a dataset. The last release ends the synchronisation; the dataset stays readable as it was then."""
        self._hub.affinity.check_thread()
        expect("ds", ds, Dataset)
        self._held.release(ds)

    async def kick(self, user: str) -> int:
        """Sign out a user, by id, for good: the server closes all its connections, and their clients stay away.

        Only for admins of all collections. Whoever has a valid token can come back with it: withdraw that first.

        Returns:
            The number of connections.

        Raises:
            RequestError, ConnectionLostError, ClosedError: as `Dataset.update`; `bad_message` if the answer is not one.
        """
        answer = await self._hub.request("PUT", "/kick", msgspec.json.encode({"user": user}))
        return values.decoded(answer, values.number, "not a number")

    async def update(
        self,
        path: str,
        *,
        insert: Iterable[ItemLike] = (),
        remove: Iterable[str] = (),
        reset: bool = False,
        patch: Iterable[PatchLike] = (),
        if_: Cursor | Condition | None = None,
    ) -> int:
        """Update a collection, acquired or not; see `Dataset.update`."""
        name = str(parse_collection_path(path))
        update = make_update(insert, remove, reset=reset, patch=patch)
        return await self._hub.put(name, update, make_condition(if_))
