"""The keys of `items_service` for MySQL and MariaDB.

```json
{"name": "items", "module": "items_service",
 "config": {"db_type": "mysql", "db_name": "sharedstate", "db_table": "items",
            "db_host": "localhost", "db_user": "myuser", "db_password": "mypassword"}}
```

| key | meaning | default |
|---|---|---|
| `db_name` | name of the database; it is created if the user may do that | required |
| `db_host`, `db_port` | where the server listens | `"localhost"`, 3306 |
| `db_socket` | path of the server's socket on this machine, instead of host and port | null |
| `db_user`, `db_password` | the database's user | `db_user` is required; no password |
| `db_pool_size` | maximum number of connections | 8 |
| `db_collections` | maximum number of collections, from 1 to 1000000000 | 1000000 |
| `db_timeout` | seconds that connecting or one answer may take | 10 |
| `ssl.enabled` | encrypt the connection, and make sure that it is the right server | false |
| `ssl.ca` | file with the authorities to trust, in PEM; null: those that the system trusts | null |
| `ssl.check_hostname` | whether the server's certificate must name `db_host` | true |
| `ssl.cert`, `ssl.key` | files with a certificate to show, and its key, in PEM | null |
"""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Final

from sharedstate_backends.contract import ConfigurationError
from sharedstate_backends.error_collector import ErrorCollector
from sharedstate_backends.keys import MAX_TIMEOUT, max_collections, number

from .backend import POOL_SIZE, MysqlBackend
from .wire.address import Address

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_POOL_SIZE: Final = 1000

_DATABASE_NAME: Final = re.compile(r"[A-Za-z0-9_$-]{1,64}")


def get_backend(config: Mapping[str, object], table: str) -> MysqlBackend:
    """Return the backend for a `config` whose values have the right types.

    Raises:
        ConfigurationError: the message names the key, what is wrong and what to do.
    """
    name, socket = str(config.get("db_name", "")), config.get("db_socket")
    with ErrorCollector() as errors:
        for key in ("db_name", "db_user"):
            if not config.get(key):
                errors.add(key, "is missing: MySQL needs it")
        for key in ("db_host", "db_socket", "db_user", "db_password"):
            if "\0" in str(config.get(key)):
                errors.add(key, "holds a NUL character")
        if name and not _DATABASE_NAME.fullmatch(name):
            problem = "is not a usable name: letters, digits, and the characters _ $ -, at most 64"
            errors.add("db_name", f"{name[:100]!r} {problem}")
        port = int(number(config, "db_port", 3306, 1, 65535, errors))
        timeout = number(config, "db_timeout", 10.0, 1.0, MAX_TIMEOUT, errors)
        pool_size = int(number(config, "db_pool_size", POOL_SIZE, 1, MAX_POOL_SIZE, errors))
        collections = max_collections(config, errors)
        tls = errors.attempt(_tls, config) if config.get("ssl.enabled") else None
    address = Address(
        host=str(config.get("db_host") or "localhost"),
        port=port,
        socket=str(socket) if socket else None,
        user=str(config["db_user"]),
        password=str(config.get("db_password", "")),
        database=name,
        tls=tls,
        timeout=timeout,
    )
    return MysqlBackend(address, table, pool_size=pool_size, max_collections=collections)


def _tls(config: Mapping[str, object]) -> ssl.SSLContext:
    if config.get("db_socket"):
        raise ConfigurationError(
            "ssl.enabled", "a socket on this machine needs no encryption; leave out one of the two"
        )
    ca, cert, key = (config.get(f"ssl.{name}") for name in ("ca", "cert", "key"))
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
    except (OSError, ValueError) as error:
        raise ConfigurationError("ssl.ca", _unusable(ca, error)) from None
    context.check_hostname = bool(config.get("ssl.check_hostname", True))
    if key and not cert:
        raise ConfigurationError("ssl.cert", "is missing: ssl.key needs its certificate")
    if cert:
        try:
            context.load_cert_chain(str(cert), str(key) if key else None, password=_no_password)
        except (OSError, ValueError) as error:
            raise ConfigurationError("ssl.cert", _unusable(cert, error)) from None
    return context


def _no_password() -> str:
    """Keep OpenSSL from asking the terminal for the password of a key."""
    raise ValueError("the key is protected by a password, which is not supported")


def _unusable(file: object, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or error
    return f"{str(file)[:200]!r} cannot be used: {reason}"
