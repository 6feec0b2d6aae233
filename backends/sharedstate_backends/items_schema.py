"""The `config` of `items_service` as a JSON Schema, for editors that check while people type.

It accepts what `items_service.get_service` accepts, as far as that can be known without reading files.
"""

from __future__ import annotations

from typing import Final

from .collection_limit import MAX_COLLECTIONS
from .items_service import DATABASES, KINDS, SYNCHRONOUS
from .keys import COLLECTIONS_LIMIT
from .layout import MAX_TABLE_NAME

Schema = dict[str, object]

_DESCRIPTIONS: Final = {
    "db_type": "What stores the items.",
    "db_name": 'SQLite: path of the file, or ":memory:". MySQL: name of the database.',
    "db_table": "Name of the table; further tables have names that begin with it.",
    "db_synchronous": "SQLite. FULL: an acknowledged update survives a loss of power. NORMAL: it survives a "
    "crash of the server, but the last ones may be lost with the power; much faster on a disk.",
    "db_host": "MySQL: where it listens.",
    "db_port": "MySQL: its port.",
    "db_socket": "MySQL: path of its socket on this machine, instead of host and port.",
    "db_user": "MySQL: who we are there.",
    "db_password": "MySQL: the user's password.",
    "db_pool_size": "MySQL: connections at the most.",
    "db_collections": "Collections that it keeps at the most.",
    "db_timeout": "MySQL: seconds that connecting or one answer may take. SQLite: seconds to wait while another "
    "program holds the lock for writing.",
    "ssl.enabled": "MySQL: encrypt the connection, and make sure that it is the right server.",
    "ssl.key": "MySQL: PEM file of the key of the certificate to show.",
    "ssl.ca": "MySQL: PEM file of the authorities to trust; null: those that the system trusts.",
    "ssl.cert": "MySQL: PEM file of a certificate to show.",
    "ssl.check_hostname": "MySQL: whether the server's certificate must name db_host.",
}
_DEFAULTS: Final[dict[str, object]] = {
    "db_table": "items",
    "db_synchronous": "FULL",
    "db_host": "localhost",
    "db_port": 3306,
    "db_socket": None,
    "db_pool_size": 8,
    "db_collections": MAX_COLLECTIONS,
    "ssl.enabled": False,
    "ssl.key": None,
    "ssl.ca": None,
    "ssl.cert": None,
    "ssl.check_hostname": True,
}
_TYPES: Final[dict[type, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}
_FILLED: Final[Schema] = {"minLength": 1, "type": "string"}
_NO_NUL: Final = "^[^\\u0000]*$"
_SQLITE: Final[Schema] = {
    "db_name": {"minLength": 1, "pattern": _NO_NUL},
    "db_synchronous": {"enum": list(SYNCHRONOUS)},
    "db_timeout": {"minimum": 0, "maximum": 3600},
}
_MYSQL: Final[Schema] = {
    "db_name": {"pattern": "^[A-Za-z0-9_$-]{1,64}$"},
    "db_user": {"minLength": 1, "pattern": _NO_NUL},
    "db_host": {"pattern": _NO_NUL},
    "db_socket": {"pattern": _NO_NUL},
    "db_password": {"pattern": _NO_NUL},
    "db_port": {"minimum": 1, "maximum": 65535},
    "db_pool_size": {"minimum": 1, "maximum": 1000},
    "db_timeout": {"minimum": 1, "maximum": 3600},
}


def config_schema() -> Schema:
    """Return the schema of the object `config`."""
    properties: dict[str, Schema] = {key: _property(key) for key in KINDS}
    properties["db_type"]["enum"] = list(DATABASES)
    properties["db_collections"] |= {"minimum": 1, "maximum": COLLECTIONS_LIMIT}
    properties["db_table"]["pattern"] = (
        "^(?![sS][qQ][lL][iI][tT][eE]_)"  # SQLite reserves these names
        f"[A-Za-z_][A-Za-z0-9_]{{0,{MAX_TABLE_NAME - 1}}}$"
    )
    return {
        "type": "object",
        "properties": properties,
        "required": ["db_type"],
        "additionalProperties": False,
        "allOf": [
            _when({"db_type": {"const": "sqlite"}}, {"properties": _SQLITE}),
            _when(
                {"db_type": {"const": "mysql"}},
                {"properties": _MYSQL, "required": ["db_name", "db_user"], "allOf": _tls()},
            ),
        ],
    }


def _tls() -> list[Schema]:
    """Return the rules for encryption: not through a socket, and a key needs its certificate."""
    encrypted = {"ssl.enabled": {"const": True}}
    return [
        _when({**encrypted, "db_socket": _FILLED}, {"not": {}}),
        _when(
            {**encrypted, "ssl.key": _FILLED},
            {"properties": {"ssl.cert": _FILLED}, "required": ["ssl.cert"]},
        ),
    ]


def _when(properties: Schema, then: Schema) -> Schema:
    return {"if": {"properties": properties, "required": list(properties)}, "then": then}


def _property(key: str) -> Schema:
    kinds = KINDS[key][0]
    names = ["number"] if float in kinds else [_TYPES[kind] for kind in kinds]
    schema: Schema = {
        "description": _DESCRIPTIONS[key],
        "type": names[0] if len(names) == 1 else names,
    }
    if key in _DEFAULTS:
        schema["default"] = _DEFAULTS[key]
    return schema
