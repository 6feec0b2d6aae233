"""Keys of other versions' configurations, and their replacements here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Other(NamedTuple):
    """What became of a key.

    Attributes:
        advice: what to write instead, or that nothing is necessary.
        key: its name here, if it was only renamed.
    """

    advice: str
    key: str | None = None


_LOG: Final = Other("leave it out: the log goes to standard error, whose file the shell names")
_SSL: Final = Other('write "ssl": {"cert": ..., "key": ...}')

DOCUMENT: Final[Mapping[str, Other]] = {
    "stores": Other('it is called "services", with "module": "items_service"', "services"),
    "description": Other("leave it out"),
    "http_log": _LOG,
    "ws_log": _LOG,
    "ssl_cert": _SSL,
    "ssl_key": _SSL,
}
"""Keys anywhere but in the `config` of a service."""

SERVICE: Final[Mapping[str, Other]] = {
    "db_pool_minsize": Other("leave it out: connections are opened as they are needed"),
    "db_pool_maxsize": Other('it is called "db_pool_size"', "db_pool_size"),
    "db_isolation_level": Other("leave it out: the server sets what it needs"),
    "ssl_cert": Other('it is called "ssl.cert"', "ssl.cert"),
    "ssl_key": Other('it is called "ssl.key"', "ssl.key"),
    "ssl_ca": Other('it is called "ssl.ca"', "ssl.ca"),
}
"""Keys in the `config` of a service."""
