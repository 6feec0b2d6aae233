"""One connection to MySQL or MariaDB: how it is opened, how it is asked, and what its errors mean to people.

1. Statements that belong together go out in one packet; the first error ends them.
2. Nothing takes longer than the timeout. A connection that was late, broke or was left in the middle of an
   answer is in doubt, and closed: the server then undoes what was not committed.
3. The session is set so that the server's settings do not matter: nothing is ever cut or converted.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import asyncmy
from asyncmy.cursors import SSCursor
from asyncmy.errors import MySQLError

from .contract import StorageError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator

Rows = list[tuple[Any, ...]]

GOODBYE_SECONDS: Final = 1.0
"""How long an orderly end of a connection may take; then it is just closed."""

STATEMENT_BYTES: Final = 1024
"""Room for what surrounds one text in a packet: an id of 255 bytes, escaped, and the statement."""

ACCESS_DENIED: Final = 1044
LOGIN_DENIED: Final = 1045
UNKNOWN_DATABASE: Final = 1049
DUPLICATE_KEY: Final = 1062
NO_SUCH_TABLE: Final = 1146
TABLE_ACCESS_DENIED: Final = 1142
DEADLOCK: Final = 1213

_LOST: Final = {
    *(0, 2003, 2006, 2013),  # the driver's own: not connected, refused, gone, lost
    *(1040, 1203, 1226),  # too many connections
    *(1053, 1077, 1078, 1079, 1080, 1927, 3169, 4031),  # shut down, killed, idle for too long
    *(1158, 1159, 1160, 1161, 1184),  # the network
}
"""Errors after which the connection is useless."""

_REMEDIES: Final = {
    LOGIN_DENIED: "check db_user and db_password",
    ACCESS_DENIED: "let the user of db_user use this database: GRANT ALL ON ...",
    TABLE_ACCESS_DENIED: "let the user of db_user use this database: GRANT ALL ON ...",
    1040: "raise its max_connections, or lower db_pool_size",
    1130: "let db_user connect from this machine",
    1153: "raise its max_allowed_packet",
    1205: "another program holds a lock; try again",
    1290: "the server is read-only",
    1836: "the server is read-only",
    1114: "make room",
    1021: "make room",
}

_SESSION: Final = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', "
    "autocommit = 1, foreign_key_checks = 1, unique_checks = 1, "
    "innodb_lock_wait_timeout = {lock_wait}, wait_timeout = {idle}; "
    "SET NAMES utf8mb4; "
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; "
    "SELECT @@max_allowed_packet"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the database is and how to get in.

    Attributes:
        host: name or address.
        port: TCP port.
        socket: path of a socket on this machine, instead of host and port.
        user: name of the database's user.
        password: the user's password.
        database: a valid name.
        tls: what to trust and to show; None for no encryption.
        timeout: seconds that connecting or an answer may take.
    """

    host: str = "localhost"
    port: int = 3306
    socket: str | None = None
    user: str = ""
    password: str = ""
    database: str = "sharedstate"
    tls: ssl.SSLContext | None = None
    timeout: float = 10.0

    @property
    def lock_wait(self) -> int:
        """Seconds to wait for a lock: less than the timeout, so that the server tells."""
        return max(1, int(self.timeout / 2))

    @property
    def idle(self) -> int:
        """Seconds after which the server ends a connection of which it hears nothing, and frees its locks."""
        return max(5, int(self.timeout * 3))

    def __str__(self) -> str:
        where = self.socket or f"{self.host}:{self.port}"
        return f"database {self.database} at {where}"


class LostError(StorageError):
    """The connection is gone, or in doubt and closed."""


class DatabaseError(StorageError):
    """The server refused a statement.

    Attributes:
        number: its error number.
        statement: index of the statement in the packet.
    """

    def __init__(self, message: str, number: int, statement: int) -> None:
        super().__init__(message)
        self.number = number
        self.statement = statement


class Connection:
    """A connection that is set up, and closed at the first doubt.

    Attributes:
        max_packet: longest packet that the server takes, in bytes.
        used: when it was last used, on the clock of `time.monotonic`.
    """

    def __init__(self, driver: asyncmy.connection.Connection, address: Address) -> None:
        self._driver = driver
        self._address = address
        self.max_packet = 0
        self.used = time.monotonic()

    @classmethod
    async def open(cls, address: Address, *, database: bool = True) -> Connection:
        """Connect; with `database` false, to the server only.

        Raises:
            LostError: the server cannot be reached.
            DatabaseError: it does not let us in.
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
        except Exception as error:  # who answers there may be anybody
            raise explained(error, address) from error
        connection = cls(driver, address)
        session = _SESSION.format(lock_wait=address.lock_wait, idle=address.idle)
        *_, ((connection.max_packet,),) = await connection.run(session)
        return connection

    @property
    def max_text(self) -> int:
        """Longest text that a statement can hold, in bytes, even if each of them has to be escaped."""
        return (self.max_packet - STATEMENT_BYTES) // 2

    @property
    def is_open(self) -> bool:
        """Whether it may be used."""
        return bool(self._driver.connected)

    async def run(self, statements: str, *, timeout: float | None = None) -> list[Rows]:
        """Send statements, separated by semicolons, in one packet; return the rows of each.

        Args:
            statements: with one character for each byte, as `mysql_packets.literal` writes them.
            timeout: seconds that the answer may take; the address's own by default.

        Raises:
            LostError: nobody knows which of them were carried out.
            DatabaseError: the server refused one of them; it did not look at those behind it.
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

    async def stream(self, query: str, size: int, *, timeout: float) -> AsyncGenerator[Rows]:
        """Yield the rows of a query, at most `size` at a time; each may take that many seconds.

        Whoever does not take them all closes the connection.

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
        """Close the connection unless the server is in order; raise what people should read instead of an error."""
        failure = explained(error, self._address, statement)
        if not isinstance(failure, DatabaseError):
            self.close()
        if failure is not error and isinstance(error, Exception):
            raise failure from error

    async def roll_back(self) -> None:
        """Undo the transaction at hand; if that fails the connection is closed, which undoes it too."""
        with suppress(StorageError):
            await self.run("ROLLBACK")
            return
        self.close()

    def close(self) -> None:
        """Close it at once."""
        self._driver.close()

    async def end(self) -> None:
        """Say goodbye and close it."""
        with suppress(MySQLError, OSError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._driver.ensure_closed()
        self._driver.close()


def explained(error: BaseException, address: Address, statement: int = 0) -> StorageError:
    """Return one line: the database, what is wrong, what to do, and the server's own words."""
    if isinstance(error, TimeoutError):
        return LostError(f"{address}: no answer within {address.timeout:g} s")
    if isinstance(error, MySQLError) and error.args and isinstance(error.args[0], int):
        code, words = error.args[0], " ".join(str(part) for part in error.args[1:])
        remedy = _REMEDIES.get(code)
        text = f"{address}: {remedy} ({words})" if remedy else f"{address}: {words}"
        if code in _LOST:
            return LostError(text)
        return DatabaseError(text, code, statement)
    return LostError(f"{address}: {' '.join(str(error).split()) or type(error).__name__}")
