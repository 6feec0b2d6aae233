"""The public face of a client."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar, overload

import msgspec

from sharedstate_core import (
    Condition,
    Cursor,
    parse_collection_path,
)
from sharedstate_core.arguments import check_number, expect
from sharedstate_core.paths import split_path

from . import values
from .changes import Status, StatusChanges, User, UserChanges
from .client_hub import ClientHub
from .clock import Clock
from .dataset import Dataset
from .net.pause import Pause
from .replica import Replica
from .values import ItemLike, ItemT_co, Reader, check_loads, make_condition, make_update

T = TypeVar("T")

_COLLECTION_SEGMENTS: Final = 3
_texts = msgspec.json.Decoder(list[msgspec.Raw])
_names = msgspec.json.Decoder(list[str])


class _Held(NamedTuple):
    ds: Dataset[Any]
    replica: Replica


class Client(Generic[ItemT_co]):
    """A connection to a server and the datasets that it keeps in sync; made by `connect`.

    It belongs to the event loop in which it was made: in another loop or thread, its methods raise `RuntimeError`.
    """

    def __init__(self, hub: ClientHub, pause: Pause, loads: Callable[[bytes], ItemT_co]) -> None:
        self._hub = hub
        self._pause = pause
        self._loads = loads
        self._held: dict[tuple[str, Callable[[bytes], Any]], _Held] = {}
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
    async def acquire(self, path: str) -> Dataset[ItemT_co]: ...

    @overload
    async def acquire(self, path: str, *, loads: Callable[[bytes], T]) -> Dataset[T]: ...

    async def acquire(
        self, path: str, *, loads: Callable[[bytes], Any] | None = None
    ) -> Dataset[Any]:
        """Return the dataset of a collection once it is in sync; without a connection, wait for one.

        Acquiring a path again with the same `loads`, in whatever spelling, returns the same dataset. It is kept in sync
        until it has been released as often as it was acquired; `acquired` does that by itself. If the wait is
        cancelled, nothing is held.

        Args:
            path: `/app/service/collection`.
            loads: makes an item from its JSON text; default: the client's.

        Raises:
            RequestError: `bad_path`, or the server refused, for example with `no_service`.
            ClosedError: the client is closed.
        """
        self._hub.check_open()
        if loads is not None:
            check_loads(loads)
        key = (str(parse_collection_path(path)), loads or self._loads)
        if (held := self._held.get(key)) is None:
            replica = self._hub.hold(key[0])
            held = self._held[key] = _Held(Dataset(replica, self._hub, key[1]), replica)
        try:
            self._hub.acquire(held.replica)
            await held.replica.wait_synced()
        except BaseException:
            self.release(held.ds)
            raise
        return held.ds

    @overload
    def acquired(self, path: str) -> AbstractAsyncContextManager[Dataset[ItemT_co]]: ...

    @overload
    def acquired(
        self, path: str, *, loads: Callable[[bytes], T]
    ) -> AbstractAsyncContextManager[Dataset[T]]: ...

    @asynccontextmanager
    async def acquired(
        self, path: str, *, loads: Callable[[bytes], Any] | None = None
    ) -> AsyncIterator[Dataset[Any]]:
        """Hold a dataset for the length of a block: `async with client.acquired(path) as ds`.

        The dataset is released however the block ends: normally, by an error, a timeout or a cancellation.

        Args:
            path: `/app/service/collection`.
            loads: makes an item from its JSON text; default: the client's.

        Raises:
            RequestError, ClosedError: as `acquire`; whatever the block raises passes through unchanged.
        """
        ds = await self.acquire(path, loads=loads or self._loads)
        try:
            yield ds
        finally:
            self.release(ds)

    def release(self, ds: Dataset[Any]) -> None:
        """Release a dataset. The last release ends the synchronisation; the dataset stays readable as it was then."""
        self._hub.affinity.check_thread()
        expect("ds", ds, Dataset)
        held = self._held.get((ds.path, ds.loads))
        if held is not None and held.ds is ds:
            self._hub.release(held.replica)
            if held.replica.handles == 0:
                del self._held[ds.path, ds.loads]

    @overload
    async def get(self, path: Literal["/"]) -> list[str]: ...

    @overload
    async def get(self, path: Literal["/clock"]) -> float: ...

    @overload
    async def get(self, path: str) -> Any: ...

    @overload
    async def get(self, path: str, *, loads: Callable[[bytes], T]) -> T: ...

    async def get(self, path: str, *, loads: Callable[[bytes], Any] | None = None) -> Any:
        """Read something from the server, once.

        Args:
            path: `/app/service/collection`: a list of items, as the client's `loads` makes them; `/app/service`: names
                of collections (`too_large` if there are very many, see `pages`); `/app`: names of services that hold
                some of the app; `/`: names of services; `/clock`: the server's time, in seconds since the Unix epoch.
            loads: makes the result from the JSON text of the whole answer instead, which also gives its type.

        Raises:
            RequestError, ConnectionLostError, ClosedError: as `Dataset.update`; `bad_message` if the answer is not a
                list of items.
        """
        if loads is not None:
            check_loads(loads)
        segments = split_path(path)
        path = "/" + "/".join(segments)
        answer = await self._hub.request("GET", path)
        if loads is not None:
            return loads(answer)
        if len(segments) != _COLLECTION_SEGMENTS:
            return values.loads(answer)
        texts = values.decoded(answer, _texts.decode, "not a list of items")
        read = Reader(self._loads, path)
        return [read(bytes(text)) for text in texts]

    async def pages(self, path: str, *, limit: int | None = None) -> AsyncIterator[list[str]]:
        """Yield a list of names page by page, however long it is: `async for names in client.pages("/app/service")`.

        Names are sorted by code point. Each page is what is there when it is read.

        Args:
            path: `/app/service`: names of collections; `/apps`: names of apps.
            limit: maximum number of names in a page; None for as many as the server gives.

        Raises:
            ValueError: the limit is less than 1.
            RequestError, ConnectionLostError, ClosedError: as `get`; `bad_message` if an answer is no list of names.
        """
        check_number("limit", limit, 1, optional=True)
        path = "/" + "/".join(split_path(path))
        after = ""
        while True:
            arg = msgspec.json.encode({"after": after, "limit": limit})
            answer = await self._hub.request("GET", path, arg)
            found = values.decoded(answer, _names.decode, "not a list of names")
            names = [name for name in found if name > after]
            if (
                not names
            ):  # also from a server that knows no pages, and has given all of them at once
                return
            yield names
            after = max(names)

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
        if_: Cursor | Condition | None = None,
    ) -> int:
        """Update a collection, acquired or not; see `Dataset.update`."""
        name = str(parse_collection_path(path))
        update = make_update(insert, remove, reset=reset)
        return await self._hub.put(name, update, make_condition(if_))
