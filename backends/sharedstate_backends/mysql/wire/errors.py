"""The meaning of errors of MySQL and MariaDB: whether the connection is lost, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from asyncmy.errors import MySQLError

from sharedstate_backends.contract import StorageError

if TYPE_CHECKING:
    from .address import Address

ACCESS_DENIED: Final = 1044
LOGIN_DENIED: Final = 1045
NOT_READY: Final = 1047
UNKNOWN_DATABASE: Final = 1049
DUPLICATE_COLUMN: Final = 1060
DUPLICATE_KEY: Final = 1062
UNKNOWN_COLUMN: Final = 1054
SYNTAX_ERROR: Final = 1064
NO_SUCH_TABLE: Final = 1146
TABLE_ACCESS_DENIED: Final = 1142
DEADLOCK: Final = 1213
OUT_OF_RANGE: Final = 1690

_LOST: Final = {
    *(0, 2003, 2006, 2013),  # of the driver: not connected, refused, gone, lost
    *(1040, 1203, 1226),  # too many connections
    *(1053, 1077, 1078, 1079, 1080, 1927, 3169, 4031),  # shut down, killed, idle for too long
    *(1158, 1159, 1160, 1161, 1184),  # the network
}
"""Errors after which the connection is useless."""

_REMEDIES: Final = {
    LOGIN_DENIED: "check db_user and db_password",
    ACCESS_DENIED: "let the user of db_user use this database: GRANT ALL ON ...",
    TABLE_ACCESS_DENIED: "let the user of db_user use this database: GRANT ALL ON ...",
    2003: "start it, or check db_host, db_port and db_socket",
    1040: "raise its max_connections, or lower db_pool_size",
    1130: "let db_user connect from this machine",
    1153: "raise its max_allowed_packet",
    1205: "another program holds a lock; try again",
    NOT_READY: "this node is not in step with a majority of its cluster; wait, or see its error log",
    1290: "the server is read-only",
    1836: "the server is read-only",
    1114: "make room",
    1021: "make room",
}

_TLS_REMEDY: Final = "check ssl.enabled, ssl.ca and db_host"


class LostError(StorageError):
    """The connection is lost, or was closed because its state was in doubt."""


class DatabaseError(StorageError):
    """The server refused a statement.

    Attributes:
        number: the server's error number.
        statement: index of the statement in the packet.
    """

    def __init__(self, message: str, number: int, statement: int) -> None:
        super().__init__(message)
        self.number = number
        self.statement = statement


def explained(error: BaseException, address: Address, statement: int = 0) -> StorageError:
    """Return one line: the database, what is wrong, what to do, and the server's own message."""
    if isinstance(error, TimeoutError):
        return LostError(f"{address}: no answer within {address.timeout:g} s")
    if isinstance(error, MySQLError) and error.args and isinstance(error.args[0], int):
        code, words = error.args[0], " ".join(str(part) for part in error.args[1:])
        remedy = _TLS_REMEDY if "[SSL" in words else _REMEDIES.get(code)
        text = f"{address}: {remedy} ({words})" if remedy else f"{address}: {words}"
        if code in _LOST:
            return LostError(text)
        return DatabaseError(text, code, statement)
    return LostError(f"{address}: {' '.join(str(error).split()) or type(error).__name__}")
