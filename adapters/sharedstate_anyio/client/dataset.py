"""The local copy of one collection."""

import inspect
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    Mapping,
    Sequence,
    ValuesView,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType
from typing import Any, Final, TypeVar, overload

import anyio

from sharedstate_core import Condition, Cursor, Update
from sharedstate_core.arguments import found
from sharedstate_core.client import ServerRefusedError

from .changes import Changes
from .client_hub import ClientHub
from .contention import ContentionBackoff
from .parts import Place, cut, where_of
from .patches import PatchLike
from .replica import Replica
from .transaction import Transaction
from .values import ItemLike, ItemT_co, Reader, make_condition, make_update

T = TypeVar("T")

ATTEMPTS: Final = 100
"""How often `transaction` tries: each conflict means that another writer was first."""


class Dataset(Mapping[str, ItemT_co]):
    """The local copy of one collection, or of a part of it: a mapping from id to item, in order of insertion.

    Made by `Client.acquire` and `Client.acquired`. It changes when the server says so, one whole update at a time, and
    only while the program awaits something. After a lost connection it keeps its items and is then brought up to date.
    Every item that it returns is the program's own: modifying it changes nothing here; `update` changes the collection.
    """

    def __init__(
        self, replica: Replica, hub: ClientHub, loads: Callable[[bytes], ItemT_co]
    ) -> None:
        self._replica = replica
        self._hub = hub
        self._loads = loads
        self._read = Reader(loads, self.path)
        self._backoff = ContentionBackoff()

    # --- reading ----------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """Path of the collection, `/app/service/collection`."""
        return self._replica.key.path

    @property
    def where(self) -> dict[str, Any] | None:
        """The filter that holds for all items; None for the whole collection."""
        return where_of(self._replica.asked)

    @property
    def last(self) -> int | None:
        """How many items it shows at most, the newest; None for all."""
        return self._replica.asked.last

    @property
    def fields(self) -> tuple[str, ...] | None:
        """The members that its items have, beside `id`; None for all."""
        return self._replica.asked.fields

    @property
    def before(self) -> Place | None:
        """The place of its first item, for `Client.page`: older items; None if it is empty, or has no filter."""
        return self._replica.first

    @property
    def cursor(self) -> Cursor | None:
        """The (epoch, version) that it shows, for `if_`; None for a server without versions."""
        return self._replica.cursor

    @property
    def loads(self) -> Callable[[bytes], ItemT_co]:
        """Makes an item from its JSON text. Its exceptions are raised where the item is read, with a note."""
        return self._loads

    def get_item(self, id: str) -> ItemT_co | None:
        """Return an item, or None if there is none of that id."""
        text = self._replica.texts.get(id)
        return None if text is None else self._read(text)

    def get_items(self) -> list[ItemT_co]:
        """Return all items, in order."""
        return [self._read(text) for text in self._replica.texts.values()]

    def __getitem__(self, id: str) -> ItemT_co:
        return self._read(self._replica.texts[id])

    def __contains__(self, id: object) -> bool:
        return id in self._replica.texts

    def __len__(self) -> int:
        return len(self._replica.texts)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._replica.texts))  # the caller may await in between

    def keys(self) -> KeysView[str]:
        """Return the ids, in order, as they are now."""
        return dict(self._replica.texts).keys()

    def values(self) -> ValuesView[ItemT_co]:
        """Return the items, in order, as they are now."""
        return self._copy().values()

    def items(self) -> ItemsView[str, ItemT_co]:
        """Return pairs of id and item, in order, as they are now."""
        return self._copy().items()

    def _copy(self) -> dict[str, ItemT_co]:
        return {id: self._read(text) for id, text in self._replica.texts.items()}

    def __repr__(self) -> str:
        asked = self._replica.asked
        part = f" {asked.text}" if asked.is_part else ""
        return f"<Dataset {self.path}{part}: {len(self)} items>"

    # --- writing ----------------------------------------------------------------------------------

    async def update(
        self,
        *,
        insert: Iterable[ItemLike] = (),
        remove: Iterable[str] = (),
        reset: bool = False,
        patch: Iterable[PatchLike] = (),
        if_: Cursor | Condition | None = None,
    ) -> int:
        """Have the server change the collection in one step. When this returns, the dataset shows the change.

        Without a connection the update waits for one. If the call is cancelled, an update that has not been sent yet is
        withdrawn; one that has been sent may take effect.

        Args:
            insert: items; each is added, or replaces the one with the same id. An item without `id` gets a random one.
                The JSON text of an item, as bytes, is sent unchanged. A dataset with `fields` takes none: what it does
                not show would be lost.
            remove: ids of items to remove, before `insert`. Absent ones do not matter.
            reset: remove every item of the collection instead, also those that a filter hides.
            patch: changes of single members, after `insert`, each a mapping with `id` and the arguments of `patch`.
            if_: apply the update only if the collection (a cursor) or some of its items (a `Condition` with `ids`) have
                not changed since; otherwise the error is `conflict`.

        Returns:
            Number of ids touched.

        Raises:
            RequestError: the server refused: `bad_update`, `conflict`, `unavailable`…; `too_many` if too much waits for
                a connection; `failed` for patches if the server knows none.
            ConnectionLostError: whether it took effect is unknown; the dataset shows it once it is in sync again.
            ClosedError: the client is closed; the update was not sent.
            ReleasedError: the dataset was released.
            TypeError: `insert`, `remove` or `patch` is not a list, or `reset` is not a bool.
        """
        self._replica.check_held()
        update = self._made(insert, remove, reset=reset, patch=patch)
        return await self._hub.put(self.path, update, make_condition(if_))

    async def patch(
        self,
        id: str,
        *,
        set: Mapping[str, Any] = MappingProxyType({}),  # noqa: A002  (as on the wire)
        unset: Iterable[str] = (),
        inc: Mapping[str, float] = MappingProxyType({}),
        now: Iterable[str] = (),
        add: Mapping[str, Sequence[Any]] = MappingProxyType({}),
        pull: Mapping[str, Sequence[Any]] = MappingProxyType({}),
        upsert: bool = False,
        if_: Cursor | Condition | None = None,
    ) -> None:
        """Have the server change some members of an item; the others stay as they are, whoever sets them meanwhile.

        A member is a name or, for one inside of another, a JSON Pointer such as `/geo/lat`. Each may be named once.

        Args:
            id: the item.
            set: values by member.
            unset: members that go.
            inc: numbers that are added, by member; to 0 if it is not there.
            now: members that become the server's time, in seconds since the Unix epoch.
            add: values that go to the end of a list, by member, unless they are in it.
            pull: values that go from a list, by member.
            upsert: begin with `{"id": id}` if there is no such item; otherwise the error is `mismatch`.
            if_: as in `update`.

        Raises:
            RequestError: as `update`; `mismatch`, with `place` and `ids`, if it does not fit the item that there is.
            ConnectionLostError, ClosedError, ReleasedError: as `update`.
        """
        wanted = {
            "id": id,
            "set": set,
            "unset": unset,
            "inc": inc,
            "now": now,
            "add": add,
            "pull": pull,
            "upsert": upsert,
        }
        await self.update(patch=[wanted], if_=if_)

    def _made(
        self,
        insert: Iterable[ItemLike] = (),
        remove: Iterable[str] = (),
        *,
        reset: bool = False,
        patch: Iterable[PatchLike] = (),
    ) -> Update:
        update = make_update(insert, remove, reset=reset, patch=patch)
        if update.insert and self.fields is not None:
            raise cut(self.path)
        return update

    @overload
    def transaction(self) -> AbstractAsyncContextManager[Transaction[ItemT_co]]: ...

    @overload
    def transaction(
        self, function: Callable[[Transaction[ItemT_co]], T]
    ) -> Coroutine[Any, Any, T]: ...

    def transaction(
        self, function: Callable[[Transaction[ItemT_co]], T] | None = None
    ) -> AbstractAsyncContextManager[Transaction[ItemT_co]] | Coroutine[Any, Any, T]:
        """Read and write in isolation.

        A transaction shows the dataset as of its beginning and collects updates. At its end they are sent as one
        conditional update: if an item that was read has changed meanwhile (any item of the collection, if all were
        read, also one that a filter hides), nothing happens, and the result is a `conflict`. After an exception
        nothing is sent.

        `await ds.transaction(function)` calls a function with a transaction, again after each conflict, and returns its
        result. Before each retry there is a random pause, which grows with the number of conflicts, up to a second, so
        that every writer gets through. Transactions of one dataset run one after the other. `transact` is another name
        for this.

        `async with ds.transaction() as t` runs a block once: after a conflict it raises `RequestError`.

        Args:
            function: reads and updates the transaction; it must do nothing else, because it may be called many times. A
                plain function: one that could wait would conflict more often.

        Raises:
            RequestError, ConnectionLostError, ClosedError, ReleasedError: as `update`; a function gets `conflict` only
                after 100 attempts.
            TypeError: the function is a coroutine function; nothing was sent.
        """
        if function is None:
            return self._block()
        if not callable(function):
            raise TypeError(
                f"function: expected a function of a transaction, found {found(function)}"
            )
        return self.transact(function)

    @asynccontextmanager
    async def _block(self) -> AsyncIterator[Transaction[ItemT_co]]:
        transaction = self._begin()
        try:
            yield transaction
        finally:
            transaction.over = True
        await self._commit(transaction)

    async def transact(self, function: Callable[[Transaction[ItemT_co]], T]) -> T:
        """Do as `transaction(function)`."""
        self._hub.affinity.check()
        async with self._backoff.turn:
            return await self._attempt(function)

    async def _attempt(self, function: Callable[[Transaction[ItemT_co]], T]) -> T:
        await self._backoff.begin()
        for attempt in range(1, ATTEMPTS + 1):
            transaction = self._begin()
            try:
                result = function(transaction)
            finally:
                transaction.over = True
            if inspect.iscoroutine(result):  # it has not run, and nobody would notice
                result.close()
                raise TypeError("a transaction takes a plain function, not a coroutine function")
            start = anyio.current_time()
            try:
                await self._commit(transaction)
            except ServerRefusedError as error:
                if error.code != "conflict" or attempt == ATTEMPTS:
                    raise
                await self._backoff.conflict(anyio.current_time() - start)
                await self._replica.caught_up(transaction.cursor, error.cursor)
            else:
                break
        return result

    def _begin(self) -> Transaction[ItemT_co]:
        self._replica.check_held()
        return Transaction(self._replica.texts, self.cursor, self._read, self._made)

    async def _commit(self, transaction: Transaction[ItemT_co]) -> None:
        if not transaction.batch.is_noop:
            self._replica.check_held()
            await self._hub.put(self.path, transaction.batch, transaction.condition)

    # --- following --------------------------------------------------------------------------------

    def changes(self) -> Changes[ItemT_co]:
        """Return an iterator of the changes from now on: `async for diffs in ds.changes()`.

        It yields lists of `Diff`, never empty, one for each item that was inserted, replaced or removed; the dataset
        then shows exactly what they lead to. Unread changes are merged into their net difference, so a slow reader
        misses intermediate states but no result, and the backlog is bounded.

        The iteration ends when the dataset is released or the client is closed.

        Raises:
            RequestError: in the iteration; the server no longer keeps the collection in sync. Acquiring it again asks
                again.
            Exception: in the iteration; what `loads` raised. These changes are not repeated; the dataset shows them.
        """
        return self._replica.listen(self._read)
