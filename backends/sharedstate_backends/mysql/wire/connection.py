"""One connection to MySQL or MariaDB.

1. Statements that belong together are sent in one packet; the first error ends them.
2. Nothing takes longer than the timeout. A connection that was late, broke or was abandoned in the middle of an answer
   is closed: the server then rolls back what was not committed.
3. The session is set up so that the server's settings do not matter: nothing is ever truncated or converted.
4. In a Galera cluster the statements of a transaction are sent as compound statements (see `compound`), and reads are
   at least as new as what any node has acknowledged.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import asyncmy
from asyncmy.cursors import SSCursor
from asyncmy.errors import MySQLError

from sharedstate_backends.contract import StorageError

from .compound import Rows, answers, compound, refused
from .errors import DatabaseError, LostError, explained
from .server import QUESTIONS, Server

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from .address import Address

T = TypeVar("T")

GOODBYE_SECONDS: Final = 1.0
"""How long an orderly close may take, in seconds; then the connection is just dropped."""

WARM_SECONDS: Final = 1.0
"""How long after its last use a connection is assumed to work, in seconds."""

STATEMENT_BYTES: Final = 1024
"""Room for what surrounds a text in a packet: an id of 255 bytes, escaped, and the statement."""

_SESSION: Final = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', "
    "autocommit = 1, completion_type = 0, foreign_key_checks = 1, unique_checks = 1, "
    "sql_select_limit = 18446744073709551615, sql_big_selects = 1, "
    "innodb_lock_wait_timeout = {lock_wait}, wait_timeout = {idle}; "
    "SET NAMES utf8mb4; "
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; "
    "SET SESSION TRANSACTION READ WRITE; "
    "SELECT @@max_allowed_packet"
)

_GALERA_SESSION: Final = (
    "SET SESSION wsrep_sync_wait = @@wsrep_sync_wait | 1, wsrep_dirty_reads = 0, "
    "wsrep_retry_autocommit = 0, wsrep_trx_fragment_size = 0"
)
"""We retry ourselves: a compound statement repeated by the server would be answered twice."""


class Connection:
    """An open connection, which is closed at the first doubt.

    Attributes:
        max_packet: longest packet that the server accepts, in bytes.
        server: the server it leads to, as of the last `identify`.
        is_galera: whether that is a node of a Galera cluster.
        used: when it was last used, on the clock of `time.monotonic`.
    """

    def __init__(self, driver: asyncmy.connection.Connection, address: Address) -> None:
        self._driver = driver
        self._address = address
        self.max_packet = 0
        self.server = Server()
        self.is_galera = False
        self.used = time.monotonic()

    @classmethod
    async def open(cls, address: Address, *, database: bool = True) -> Connection:
        """Connect; with `database` false, to the server only.

        Raises:
            LostError: the server cannot be reached.
            DatabaseError: it refuses us.
        """
        try:
            async with asyncio.timeout(address.timeout):
                driver = await asyncmy.connect(
                    host=address.host,
                    port=address.port,
                    unix_socket=address.socket,
                    user=address.user,
                    password=address.password.encode(),
                    database=address.database if database else None,
                    ssl=address.tls,
                    charset="utf8mb4",
                    connect_timeout=address.timeout,
                    autocommit=None,
                )
        except Exception as error:  # anybody may be answering
            raise explained(error, address) from error
        connection = cls(driver, address)
        session = _SESSION.format(lock_wait=address.lock_wait, idle=address.idle)
        session = "; ".join([session, *QUESTIONS])
        *_, ((connection.max_packet,),), variables, status, now = await connection.run(session)
        connection.server = Server.of([variables, status, now])
        connection.is_galera = connection.server.is_galera
        if connection.is_galera:
            await connection.run(_GALERA_SESSION)
        return connection

    @property
    def max_text(self) -> int:
        """Longest text that a statement can hold, in bytes, even if each byte has to be escaped."""
        return (self.max_packet - STATEMENT_BYTES) // 2

    @property
    def is_open(self) -> bool:
        """Whether it may be used: as far as is known here, nobody has closed it."""
        hung_up = getattr(self._driver, "_stream_broken", False)  # not public
        return bool(self._driver.connected) and not hung_up

    @property
    def is_warm(self) -> bool:
        """Whether it was used recently, so that it very likely still works."""
        return time.monotonic() - self.used < WARM_SECONDS

    async def run(self, statements: str, *, timeout: float | None = None) -> list[Rows]:
        """Send statements, separated by semicolons, in one packet; return the rows of each.

        Args:
            statements: text with one character for each byte, as `packets.literal` writes it.
            timeout: seconds that the answer may take; default: the address's.

        Raises:
            LostError: it is unknown which of them were executed.
            DatabaseError: the server refused one of them, and ignored those after it.
        """
        results: list[Rows] = []
        try:
            async with asyncio.timeout(timeout or self._address.timeout):
                cursor = self._driver.cursor()
                await cursor.execute(statements.encode("latin-1"))
                results.append(list(await cursor.fetchall()) if cursor.description else [])
                while await cursor.nextset():
                    results.append(list(await cursor.fetchall()) if cursor.description else [])
        except BaseException as error:
            self._fail(error, len(results))
            raise
        self.used = time.monotonic()
        return results

    async def run_together(self, statements: Sequence[str]) -> list[Rows]:
        """Send statements in one packet, none of which is executed after one that failed; return the rows of each.

        Raises:
            LostError: it is unknown which of them were executed.
            DatabaseError: the server refused one of them. Its `statement` may be an earlier one, but is that of a final
                COMMIT only if the COMMIT failed.
        """
        if not self.is_galera or len(statements) == 1:
            found = await self.run("; ".join(statements))
        else:
            try:
                found = answers(statements, await self.run(compound(statements)))
            except DatabaseError as error:
                error.statement = refused(statements, error.statement)
                raise
        if len(found) != len(statements):
            self.close()
            raise LostError(f"{self._address}: it has not answered every statement")
        return found

    async def identify(self) -> None:
        """Find out which server the connection leads to now."""
        self.server = Server.of(await self.run("; ".join(QUESTIONS)))

    async def stream(self, query: str, size: int, *, timeout: float) -> AsyncGenerator[Rows]:
        """Yield the rows of a query, at most `size` at a time; each batch may take `timeout` seconds.

        If they are not all consumed, the connection is closed.

        Raises:
            LostError, DatabaseError: as `run`.
        """
        try:
            async with asyncio.timeout(timeout):
                cursor = self._driver.cursor(SSCursor)
                await cursor.execute(query.encode("latin-1"))
            while True:
                async with asyncio.timeout(timeout):
                    rows = await cursor.fetchmany(size)
                if not rows:
                    break
                yield rows
        except GeneratorExit:
            self.close()
            raise
        except BaseException as error:
            self._fail(error, 0)
            raise
        self.used = time.monotonic()

    def _fail(self, error: BaseException, statement: int) -> None:
        """Close the connection unless the server is fine; raise a readable error in place of the driver's."""
        failure = explained(error, self._address, statement)
        if not isinstance(failure, DatabaseError):
            self.close()
        if failure is not error and isinstance(error, Exception):
            raise failure from error

    async def roll_back(self) -> None:
        """Roll back the transaction; if that fails the connection is closed, which has the same effect."""
        with suppress(StorageError):
            await self.run("ROLLBACK")
            return
        self.close()

    def close(self) -> None:
        """Close it at once: the driver would wait for the peer's TLS close, and keep the socket."""
        transport = getattr(self._driver, "_transport", None)  # not public
        if transport is not None:
            transport.abort()
        self._driver.close()

    async def end(self) -> None:
        """Close it in order."""
        with suppress(MySQLError, OSError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._driver.ensure_closed()
        self.close()


class OnConnection(Protocol):
    """Runs work on one of several connections."""

    async def __call__(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Return the result of `work`."""
        ...
