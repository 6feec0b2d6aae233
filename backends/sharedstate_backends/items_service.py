"""The service `items_service`: collections in SQLite, in memory or in a file, or in MySQL or MariaDB.

```json
{"name": "items", "module": "items_service",
 "config": {"db_type": "sqlite", "db_name": "items.db", "db_table": "items"}}
```

| key | meaning | default |
|---|---|---|
| `db_type` | `"sqlite"` or `"mysql"` | required |
| `db_name` | SQLite: path of the file, or `":memory:"`: kept until the server ends | `":memory:"` |
| `db_table` | name of the table; further tables have names that begin with it | `"items"` |
| `db_synchronous` | SQLite: `"FULL"`: an acknowledged update survives a loss of power. `"NORMAL"`: it survives a \
crash of the server, but the last ones may be lost with the power; much faster on a disk | `"FULL"` |
| `db_collections` | maximum number of collections, from 1 to 1000000000 | 1000000 |
| `db_timeout` | SQLite: seconds to wait while another program holds the lock for writing, from 0 to 3600 | 5 |

`mysql.service` documents the keys of MySQL and MariaDB. A configuration may hold the keys of both; each uses its own.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from .contract import ConfigurationError
from .error_collector import ErrorCollector
from .island.island import Island
from .items_description import describe
from .keys import MAX_TIMEOUT, max_collections, number
from .layout import MAX_TABLE_NAME, TABLE_NAME
from .sqlite.backend import BUSY_TIMEOUT, SqliteBackend
from .sqlite.connection import MEMORY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .contract import Backend

__all__ = ["describe", "get_service"]

MAX_UNKNOWN: Final = 10
"""Maximum number of unknown keys that are reported one by one."""

DATABASES: Final = ("sqlite", "mysql")
SYNCHRONOUS: Final = ("FULL", "NORMAL")
KINDS: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "db_type": ((str,), "a string"),
    "db_name": ((str,), "a string"),
    "db_table": ((str,), "a string"),
    "db_synchronous": ((str,), "a string"),
    "db_host": ((str,), "a string"),
    "db_port": ((int,), "a whole number"),
    "db_socket": ((str, type(None)), "a string or null"),
    "db_user": ((str,), "a string"),
    "db_password": ((str,), "a string"),
    "db_pool_size": ((int,), "a whole number"),
    "db_collections": ((int,), "a whole number"),
    "db_timeout": ((int, float), "a number of seconds"),
    "ssl.enabled": ((bool,), "true or false"),
    "ssl.key": ((str, type(None)), "a string or null"),
    "ssl.ca": ((str, type(None)), "a string or null"),
    "ssl.cert": ((str, type(None)), "a string or null"),
    "ssl.check_hostname": ((bool,), "true or false"),
}


def get_service(config: Mapping[str, object]) -> Backend:
    """Return the backend that a service's `config` asks for, not yet open; it works on asyncio and trio.

    Raises:
        ConfigurationError: the message names the key, what is wrong and what to do.
    """
    with ErrorCollector() as errors:
        unknown = [key for key in config if key not in KINDS]
        told = {*KINDS, *unknown[:MAX_UNKNOWN]}
        for key in filter(told.__contains__, config):
            errors.attempt(_check, key, config[key])
        if len(unknown) > MAX_UNKNOWN:
            errors.add("", f"{len(unknown) - MAX_UNKNOWN:,} more unknown keys")
        if "db_type" not in config:
            errors.add("db_type", 'is missing: use "sqlite" or "mysql"')
    database = config["db_type"]
    if database not in DATABASES:
        if str(database).lower() == "mariadb":
            raise ConfigurationError("db_type", 'MariaDB is "mysql" here, too')
        raise ConfigurationError("db_type", _one_of(database, DATABASES))
    return Island(_mysql(config) if database == "mysql" else _sqlite(config))


def _sqlite(config: Mapping[str, object]) -> Backend:
    name = str(config.get("db_name", MEMORY))
    synchronous = str(config.get("db_synchronous", "FULL"))
    with ErrorCollector() as errors:
        table = _table_name(config, errors)
        if not name or "\0" in name:
            errors.add("db_name", 'expected the path of a file, or ":memory:"')
        elif name.startswith("file:"):
            problem = "expected the path of a file, not SQLite's URI; for a file of that name, write ./file:..."
            errors.add("db_name", problem)
        if synchronous not in SYNCHRONOUS:
            errors.add("db_synchronous", _one_of(synchronous, SYNCHRONOUS))
        timeout = number(config, "db_timeout", BUSY_TIMEOUT, 0.0, MAX_TIMEOUT, errors)
        collections = max_collections(config, errors)
    return SqliteBackend(
        name,
        table,
        synchronous=synchronous,
        busy_timeout=timeout,
        max_collections=collections,
    )


def _mysql(config: Mapping[str, object]) -> Backend:
    with ErrorCollector() as errors:
        table = _table_name(config, errors)
        try:
            from .mysql.service import get_backend  # noqa: PLC0415 (only there with its driver)
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] != "asyncmy":
                raise
            problem = "MySQL needs its driver: pip install asyncmy"
            raise ConfigurationError("db_type", problem) from None
        return get_backend(config, table)


def _check(key: str, value: object) -> None:
    if key not in KINDS:
        raise ConfigurationError(key, f"unknown key; {_known(key, tuple(KINDS))}")
    kinds, wanted = KINDS[key]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ConfigurationError(key, f"expected {wanted}, not {_json_kind(value)}")


def _table_name(config: Mapping[str, object], errors: ErrorCollector) -> str:
    """Return the table name; collect an error and return the default if it cannot be used."""
    name = str(config.get("db_table", "items"))
    if not TABLE_NAME.fullmatch(name):
        problem = (
            f"{name[:100]!r} is not a usable name: letters, digits and underscores, no digit first, "
            f"at most {MAX_TABLE_NAME} characters"
        )
        errors.add("db_table", problem)
        return "items"
    if name.lower().startswith("sqlite_"):
        errors.add("db_table", "names that begin with sqlite_ belong to SQLite")
    return name


def _one_of(value: object, choices: tuple[str, ...]) -> str:
    return f"{str(value)[:100]!r} is not known; {_known(str(value), choices)}"


def _known(word: str, choices: tuple[str, ...]) -> str:
    folded = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(word.lower(), folded, n=1)
    hint = f'did you mean "{folded[close[0]]}"? ' if close else ""
    return f"{hint}Known: {', '.join(choices)}"


def _json_kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"
