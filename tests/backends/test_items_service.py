"""Configurations: each mistake gives one error that names the key and the remedy."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

import pytest

from sharedstate_backends import ConfigurationError
from sharedstate_backends.conformance import path
from sharedstate_backends.items_service import get_service

from .opening import opened

if TYPE_CHECKING:
    from pathlib import Path

MYSQL = {
    "db_type": "mysql",
    "db_name": "sharedstate",
    "db_table": "items",
    "db_host": "localhost",
    "db_user": "myuser",
    "db_password": "mypassword",
    "ssl.enabled": False,
    "ssl.key": None,
    "ssl.ca": None,
    "ssl.cert": None,
}


async def test_in_memory() -> None:
    config = {"db_type": "sqlite", "db_name": ":memory:", "db_table": "items"}
    async with opened(get_service(config)) as backend:
        assert list(await backend.collections("app")) == []


async def test_memory_is_private_and_new() -> None:
    first, second = (get_service({"db_type": "sqlite"}) for _ in range(2))
    async with opened(first), opened(second):
        assert await first.heads([]) == {}
    epochs = set()
    for _ in range(2):
        async with opened(get_service({"db_type": "sqlite"})) as backend:
            epochs.add((await backend.commit(path(), [])).epoch)
    assert len(epochs) == 2


def test_the_well_known_mysql_configuration_is_accepted() -> None:
    get_service(MYSQL)


def test_a_missing_driver_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sharedstate_backends.mysql.service", raising=False)
    for name in [name for name in sys.modules if name.startswith("sharedstate_backends.mysql")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncmy", None)
    with pytest.raises(ConfigurationError) as caught:
        get_service(MYSQL)
    assert str(caught.value) == ("db_type: MySQL needs its driver: pip install asyncmy")


def test_of_many_unknown_keys_some_are_told() -> None:
    keys = {f"k{number}": 1 for number in range(40_000)}
    with pytest.raises(ConfigurationError) as caught:
        get_service({"db_type": "sqlite", **keys})
    *told, rest = caught.value.each
    assert len(told) == 10
    assert str(rest) == "39,990 more unknown keys"


def test_a_mysql_configuration_turned_to_sqlite_is_accepted() -> None:
    get_service(MYSQL | {"db_type": "sqlite"})


@pytest.mark.parametrize(
    ("config", "key", "problem"),
    [
        ({}, "db_type", 'is missing: use "sqlite" or "mysql"'),
        ({"db_type": "sqlte"}, "db_type", 'did you mean "sqlite"?'),
        ({"db_type": "SQLite"}, "db_type", 'did you mean "sqlite"?'),
        ({"db_type": "postgres"}, "db_type", "Known: sqlite, mysql"),
        ({"db_type": "MariaDB"}, "db_type", 'MariaDB is "mysql" here, too'),
        ({"db_type": None}, "db_type", "expected a string, not null"),
        ({"db_tabel": "x"}, "db_tabel", 'did you mean "db_table"? Known: db_type, db_name'),
        ({"": 1}, "", "unknown key"),
        ({"db_name": 7}, "db_name", "expected a string, not a number"),
        ({"db_name": ""}, "db_name", "expected the path of a file"),
        ({"db_name": "a\0b"}, "db_name", "expected the path of a file"),
        (
            {"db_name": "file:x.db?mode=ro"},
            "db_name",
            "expected the path of a file, not SQLite's URI",
        ),
        ({"db_table": ["x"]}, "db_table", "expected a string, not a list"),
        ({"db_table": ""}, "db_table", "letters, digits and underscores"),
        ({"db_table": "1st"}, "db_table", "no digit first"),
        ({"db_table": 'a"; DROP TABLE x'}, "db_table", "letters, digits and underscores"),
        ({"db_table": "items\n"}, "db_table", "letters, digits and underscores"),
        ({"db_table": "é"}, "db_table", "letters, digits and underscores"),
        ({"db_table": "x" * 48}, "db_table", "at most 47 characters"),
        ({"db_table": "SQLite_x"}, "db_table", "belong to SQLite"),
        ({"db_synchronous": "OFF"}, "db_synchronous", "Known: FULL, NORMAL"),
        ({"db_synchronous": "full"}, "db_synchronous", 'did you mean "FULL"?'),
        ({"db_collections": 0}, "db_collections", "from 1 to 1000000000, not 0"),
        ({"db_collections": 1.5}, "db_collections", "expected a whole number, not a number"),
        ({"db_timeout": -1}, "db_timeout", "from 0 to 3600, not -1"),
        ({"db_timeout": "5"}, "db_timeout", "expected a number of seconds, not a string"),
        ({"ssl.enabled": "no"}, "ssl.enabled", "expected true or false, not a string"),
        ({"ssl.key": True}, "ssl.key", "expected a string or null, not true"),
        ({"db_host": {}}, "db_host", "expected a string, not an object"),
        ({"db_port": True}, "db_port", "expected a whole number, not true"),
        (MYSQL | {"db_name": ""}, "db_name", "is missing"),
        (MYSQL | {"db_user": ""}, "db_user", "is missing"),
        (MYSQL | {"db_name": "a`b"}, "db_name", "is not a usable name"),
        (MYSQL | {"db_name": "x" * 65}, "db_name", "at most 64"),
        (MYSQL | {"db_name": "é"}, "db_name", "is not a usable name"),
        (MYSQL | {"db_table": "a`; DROP TABLE x"}, "db_table", "letters, digits and underscores"),
        (MYSQL | {"db_password": "a\0b"}, "db_password", "NUL"),
        (MYSQL | {"db_port": 0}, "db_port", "from 1 to 65535, not 0"),
        (MYSQL | {"db_pool_size": 0}, "db_pool_size", "from 1 to 1000, not 0"),
        (MYSQL | {"db_collections": 10**10}, "db_collections", "from 1 to 1000000000"),
        (MYSQL | {"db_timeout": 1e9}, "db_timeout", "from 1 to 3600"),
        (MYSQL | {"db_timeout": float("nan")}, "db_timeout", "from 1 to 3600, not nan"),
        (MYSQL | {"db_timeout": "10"}, "db_timeout", "expected a number of seconds, not a string"),
        (MYSQL | {"ssl.enabled": True, "ssl.ca": "/no/such"}, "ssl.ca", "'/no/such' cannot be"),
        (MYSQL | {"ssl.enabled": True, "ssl.ca": __file__}, "ssl.ca", "cannot be used"),
        (MYSQL | {"ssl.enabled": True, "ssl.cert": "/no"}, "ssl.cert", "'/no' cannot be used"),
        (MYSQL | {"ssl.enabled": True, "ssl.key": "/no"}, "ssl.cert", "needs its certificate"),
        (MYSQL | {"ssl.enabled": True, "db_socket": "/s"}, "ssl.enabled", "needs no encryption"),
    ],
)
def test_mistakes(config: dict[str, object], key: str, problem: str) -> None:
    config = config if "db_type" in config or not config else {"db_type": "sqlite"} | config
    with pytest.raises(ConfigurationError) as caught:
        get_service(config)
    assert caught.value.key == key
    assert problem in caught.value.problem
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("table", ["x", "_", "ORDER", "t" * 47, "Items_2"])
async def test_tables(table: str) -> None:
    async with opened(get_service({"db_type": "sqlite", "db_table": table})) as backend:
        assert (await backend.load(path(), None)).version == 0


@pytest.mark.parametrize(("config", "milliseconds"), [({}, 5000), ({"db_timeout": 0.25}, 250)])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_timeout_of_sqlite(
    config: dict[str, object], milliseconds: int, tmp_path: Path
) -> None:
    file = {"db_type": "sqlite", "db_name": str(tmp_path / "items.db")}
    async with opened(get_service(file | config)) as island:
        store = cast("Any", island)._backend
        for thread in (store._threads._writer, store._threads._reader):
            found = await thread.run(lambda it: it.execute("PRAGMA busy_timeout").fetchall())
            assert found == [(milliseconds,)]
