"""The connections of one store to its SQLite database, each on a thread of its own.

A file has two, one for writing and one for reading, so that a large load does not hold up commits. A database in memory
has one, since it exists only in that connection. If the file turns out to be another one, they are closed, and reopened
as soon as a database has the name again (see `files`).
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, cast

import aiosqlite
import anyio

from sharedstate_backends.contract import OutcomeUnknownError, StorageError

from . import connection as sqlite_connection
from . import files
from .files import IN_MEMORY, DatabaseFile, MovedError, identity

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from .files import Identity

T = TypeVar("T")

REOPEN_SECONDS: Final = 0.5
"""Pause between attempts to open a file that was replaced, in seconds."""


class Threads:
    """The connections of a store.

    Args:
        name: name of the database, for messages.
        connect_writer: opens the connection for writing and prepares the tables; its argument says whether to create
            missing ones.
        connect_reader: opens the connection for reading; None if there is only one.
        replaced: called on the writer's thread when it switches to another file.
    """

    def __init__(
        self,
        name: str,
        connect_writer: Callable[[bool], sqlite3.Connection],
        connect_reader: Callable[[], sqlite3.Connection] | None,
        replaced: Callable[[sqlite3.Connection], None],
    ) -> None:
        self._name = name
        self._absolute = str(Path(name).absolute())
        self._replaced = replaced
        self._last: Identity = None
        self._connect_writer = connect_writer
        self._connect_reader = connect_reader
        self._writer: _Thread | None = None
        self._reader: _Thread | None = None
        self._moved: StorageError | None = None
        self._reopening = asyncio.Lock()
        self._next_attempt = 0.0

    async def open(self, *, create: bool = True) -> None:
        """Open the database; without `create`, only if its tables exist.

        Raises:
            StorageError: it cannot be used; the message says what to do.
        """
        connect_writer = partial(self._connect_writer, create)
        self._writer = await _Thread.start(connect_writer, self._absolute)
        self._reader = self._writer
        if self._connect_reader is not None:
            self._reader = await _Thread.start(self._connect_reader, self._absolute)
        self._last = self._writer.file.database

    async def close(self) -> None:
        """Close the database."""
        writer, reader = self._writer, self._reader
        self._writer = self._reader = None
        with files.sparing(writer.file if writer else IN_MEMORY):
            if reader is not None and reader is not writer:
                await reader.end()
            if writer is not None:
                await writer.end()

    async def read(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """Return what `work` reads in one transaction.

        Raises:
            StorageError: the database cannot be read.
        """
        if self._moved is not None:
            await self._come_back()
        reader = self._opened(self._reader)
        try:
            return await reader.run(sqlite_connection.read, self._name, work, reader.file)
        except StorageError as error:
            if _is_other(error):
                self._moved = error
            raise

    async def write(self, work: Callable[[sqlite3.Cursor], T]) -> T:
        """Return the result of `work`, done in one transaction.

        Raises:
            WorkError: `work` failed, and left nothing behind.
            StorageError: nothing was done.
            OutcomeUnknownError: it may or may not be stored.
        """
        if self._moved is not None:
            await self._come_back()
        writer = self._opened(self._writer)
        try:
            result: T = await writer.run(sqlite_connection.write, self._name, work, writer.file)
        except StorageError as error:
            self._moved = error if _is_other(error) else None
            raise
        except OutcomeUnknownError:
            self._moved = None
            raise
        self._moved = None
        return result

    def _opened(self, thread: _Thread | None) -> _Thread:
        if thread is None:
            raise StorageError(f"{self._name}: the store is not open")
        return thread

    async def _come_back(self) -> None:
        """Use the file that now has the name, if it is the same again or another usable one.

        Raises:
            StorageError: there is none.
        """
        async with self._reopening:
            if self._moved is None:
                return  # another caller has done it
            if time.monotonic() < self._next_attempt:
                raise self._moved
            self._next_attempt = time.monotonic() + REOPEN_SECONDS
            with anyio.CancelScope(shield=True):
                try:
                    await self._reopen()
                except StorageError as error:
                    self._moved = error
                    raise
            self._moved = None

    async def _reopen(self) -> None:
        before = self._last
        if self._writer is not None and self._reader is not None:
            file = self._writer.file
            try:
                file.check()
                self._reader.file.check()
            except MovedError:
                if not file.is_there:
                    raise
                await self._writer.run(files.let_go, file)
            else:
                if isinstance(self._moved, MovedError):
                    return  # it was put back
        await self.close()
        try:
            await self.open(create=False)
            if self._writer is not None and self._last != before:
                self._last = before  # until the new epoch is stored
                await self._writer.run(self._replaced)
                self._last = self._writer.file.database
        except BaseException:
            await self.close()
            raise


def _is_other(error: StorageError) -> bool:
    """Return whether an error means that the database is not the one that was prepared."""
    return isinstance(error, MovedError) or "no such column: " in str(error)


class _Thread(aiosqlite.Connection):
    """A connection on its own thread, which runs whole functions rather than single statements.

    Attributes:
        file: the files behind it.
    """

    file: DatabaseFile = IN_MEMORY
    _ended: asyncio.Future[object] | None = None

    @classmethod
    async def start(cls, connect: Callable[[], sqlite3.Connection], name: str) -> _Thread:
        """Start a thread and connect on it; if that fails, the thread has ended when this raises.

        Raises:
            MovedError: the name now belongs to another file; which one was opened is unknown.
        """

        def connect_and_look() -> sqlite3.Connection:
            before = identity(name)
            connection = connect()
            thread.file = DatabaseFile.of(connection, name)
            if before is not None and thread.file.name and thread.file.database != before:
                connection.close()
                raise MovedError(f"{name} was replaced while it was opened; try again")
            return connection

        thread = cls(connect_and_look, iter_chunk_size=64)
        try:
            return cast("_Thread", await thread)
        except BaseException:
            await thread._leave()
            raise

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Return `function(connection, *args)`, called on the thread.

        aiosqlite gets a function without arguments: it logs arguments at DEBUG, and items are private.
        """
        connection = self._conn

        def call() -> T:
            return function(connection, *args)

        return cast("T", await self._execute(call))  # type: ignore[no-untyped-call]

    async def end(self) -> None:
        """Finish earlier calls, close the connection and end the thread."""
        try:
            await self.close()
        finally:
            await self._leave()

    def stop(self) -> asyncio.Future[object] | None:
        """Tell the thread to end after earlier calls."""
        self._ended = super().stop()
        return self._ended

    async def _leave(self) -> None:
        if self._ended is not None:
            await asyncio.wait([self._ended])
        self._thread.join()  # it is already ending
