"""A bounded pool of connections, which recovers when a server returns.

1. There are at most `size` connections; callers wait their turn.
2. A broken connection closes the idle ones too: their server is gone.
3. While the server does not answer, at most one attempt to connect is under way, with growing pauses; all other callers
   fail at once. So nobody waits long in vain, and a returning server is not overwhelmed.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from sharedstate_backends.contract import StorageError

from .connection import Connection
from .errors import DatabaseError, LostError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from .address import Address

PAUSES: Final = (0.05, 2.0)
"""First and longest pause between attempts to connect, in seconds; each is twice the last."""


class Pool:
    """Connections to one address.

    Args:
        address: where the server is.
        size: maximum number of connections.
        greet: called with each new connection before it is used.
    """

    def __init__(
        self, address: Address, size: int, greet: Callable[[Connection], Awaitable[None]]
    ) -> None:
        self._address = address
        self._greet = greet
        self._turn = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._closed = False
        self._problem: StorageError | None = None
        self._pause = 0.0
        self._next_attempt = 0.0
        self._attempting = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection for a block; it is returned to the pool if it is still usable.

        Raises:
            LostError: the server cannot be reached now.
            DatabaseError: it refuses us.
        """
        async with self._turn:
            connection = self._usable() or await self._connect()
            try:
                yield connection
            except DatabaseError:
                await connection.roll_back()
                raise
            except BaseException:
                connection.close()
                raise
            finally:
                if not connection.is_open:
                    self.drop_idle()
                elif self._closed:
                    connection.close()
                else:
                    self._idle.append(connection)

    def drop_idle(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    async def close(self) -> None:
        """Close every connection; all must have been returned."""
        self._closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(*(connection.end() for connection in idle))
        await asyncio.sleep(0)  # the sockets just closed are released in the next turn of the loop

    def _usable(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and time.monotonic() - connection.used < self._address.idle / 2:
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        if self._problem and (self._attempting or time.monotonic() < self._next_attempt):
            raise LostError(str(self._problem))
        again = self._problem is not None
        self._attempting = True
        try:
            connection = await Connection.open(self._address)
            try:
                await self._greet(connection)
            except BaseException:
                connection.close()
                raise
        except StorageError as error:
            first, longest = PAUSES
            self._pause = min(longest, self._pause * 2) if again else first
            self._problem = error
            self._next_attempt = time.monotonic() + self._pause
            raise
        finally:
            self._attempting = False
        self._problem = None
        return connection
