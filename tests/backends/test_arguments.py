"""Whatever a program hands to the constructor of a store that it cannot use is refused at once, by name."""

from __future__ import annotations

from typing import Any

import pytest

from sharedstate_backends.mysql.backend import MysqlBackend
from sharedstate_backends.mysql.wire.address import Address
from sharedstate_backends.sqlite.backend import SqliteBackend


@pytest.mark.parametrize(
    ("arguments", "error", "problem"),
    [
        ({"name": None}, TypeError, "name: expected a str, found None"),
        ({"name": b"file.db"}, TypeError, "name: expected a str, found bytes"),
        ({"table": "items; DROP"}, ValueError, "table: expected letters, digits and _"),
        ({"table": "t" * 48}, ValueError, "table: expected letters, digits and _, at most 47"),
        ({"table": 3}, TypeError, "table: expected a str, found 3"),
        ({"synchronous": "OFF"}, ValueError, "synchronous: expected FULL or NORMAL, found 'OFF'"),
        ({"busy_timeout": "5"}, TypeError, "busy_timeout: expected a number from 0, found str"),
        ({"busy_timeout": -1}, ValueError, "busy_timeout: expected a number from 0, found -1"),
        ({"max_tombstones": 1.5}, TypeError, "max_tombstones: expected a whole number from 0"),
    ],
)
def test_sqlite(arguments: dict[str, Any], error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem):
        SqliteBackend(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "problem"),
    [
        ({"address": "localhost:3306"}, TypeError, "address: expected an Address, found str"),
        ({"table": ""}, ValueError, "table: expected letters"),
        ({"pool_size": 0}, ValueError, "pool_size: expected a whole number from 1, found 0"),
        ({"max_tombstones": -1}, ValueError, "max_tombstones: expected a whole number from 0"),
    ],
)
def test_mysql(arguments: dict[str, Any], error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem):
        MysqlBackend(**{"address": Address(), **arguments})


@pytest.mark.parametrize(
    ("arguments", "error", "problem"),
    [
        ({"host": None}, TypeError, "host: expected a str, found None"),
        ({"port": "3306"}, TypeError, "port: expected a whole number from 0, found str"),
        ({"password": b"secret"}, TypeError, "password: expected a str, found bytes"),
        ({"timeout": 0}, ValueError, "timeout: expected a number from 0.001, found 0"),
        ({"socket": 3}, TypeError, "socket: expected a str, found 3"),
    ],
)
def test_address(arguments: dict[str, Any], error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem):
        Address(**arguments)
