"""The configuration as a JSON Schema (draft 2020-12), for editors; a test compares it with the parser.

It accepts what `parse_config` accepts and, of `items_service`, what can be checked without looking at files. It cannot
express that names of services are distinct, that the length of paths is counted in bytes, that `80.0` is not an
integer, or that a listener that is trusted has to exist.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import TYPE_CHECKING

from sharedstate_backends.items_schema import config_schema
from sharedstate_core import Limits
from sharedstate_core.paths import MAX_SEGMENT_BYTES

from .audience import AUDIENCES
from .auth_schema import auth_schema, jwt_schema, static_key_schema
from .compression import LONGEST_BYTES
from .document import ANY
from .folders import OWN_PATTERN, PATH_PATTERN
from .limits import RANGES, TransportLimits
from .listeners import DEFAULT_HOST, DEFAULT_MODE, DEFAULT_PORT, UNIX_BYTES
from .origins import DEFAULT, LOCALHOST, NULL, SAME_HOST
from .rules import rule_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

Schema = dict[str, object]

_FILE: Schema = {"type": "string", "pattern": "^[^\\u0000]+$"}
_NO_FILE: Schema = {"type": "null"}
_FLAT = ("ssl.cert", "ssl.key", "ssl.ca")


def schema() -> Schema:
    """Return the schema of the whole document, ready for `json.dumps`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of sharedstate-anyio",
        "type": "object",
        "properties": {
            "$schema": {"type": "string", "description": "Where this schema is, for editors."},
            "service": _service_key(),
            "services": {
                "description": "What stores collections, by the second segment of their path.",
                "type": "array",
                "minItems": 1,
                "items": {"$ref": "#/$defs/service"},
            },
            "limits": _limits(),
            "origins": _origins(),
            "hosts": _hosts(),
            "compression": {
                "description": "Compress messages: true, or the size in bytes from which to compress.",
                "anyOf": [{"type": "boolean"}, _whole(0, LONGEST_BYTES)],
                "default": False,
            },
            "metrics": {
                "description": "Who may read /metrics: this machine only, anyone, or nobody.",
                "enum": list(AUDIENCES),
                "default": AUDIENCES[0],
            },
            "files": {
                "description": "Folders to serve, by the path under which each is.",
                "type": "object",
                "propertyNames": {"pattern": PATH_PATTERN, "not": {"pattern": OWN_PATTERN}},
                "additionalProperties": _FILE,
                "default": {},
                "examples": [{"/": "./public"}],
            },
            "auth": {
                "description": "How the server learns who somebody is; without it nobody has to sign in.",
                "$ref": "#/$defs/auth",
            },
            "rules": {
                "description": "Who may do what: the first entry whose path fits decides; the rest is denied.",
                "type": "array",
                "items": {"$ref": "#/$defs/rule"},
            },
        },
        "required": ["services"],
        "additionalProperties": False,
        "$defs": {
            "listener": _listener(),
            "service": _service(),
            "items_service": config_schema(),
            "auth": auth_schema(),
            "jwt": jwt_schema(),
            "static_key": static_key_schema(),
            "rule": rule_schema(),
        },
    }


# --- listeners --------------------------------------------------------------------------------------


def _service_key() -> Schema:
    return {
        "description": 'Where to listen: one listener, or {"listen": [...]} for several.',
        "type": "object",
        "if": {"required": ["listen"]},
        "then": {
            "properties": {
                "listen": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/listener"}}
            },
            "additionalProperties": False,
        },
        "else": {"$ref": "#/$defs/listener"},
    }


def _listener() -> Schema:
    described: dict[str, Schema] = {
        "host": {
            "description": "Address or host name to listen on; 0.0.0.0 for every IPv4 address.",
            "default": DEFAULT_HOST,
            "type": "string",
            "anyOf": [
                {"pattern": r"^[^\s:/\[\]\u0000-\u001f\u007f]{1,255}$"},
                {"pattern": r"^(?=[^%]*:[^%]*:)[0-9A-Fa-f:.]+(%.+)?$"},
            ],
        },
        "port": {
            "description": "Port; 0 lets the system choose one.",
            "default": DEFAULT_PORT,
            **_whole(0, 65535),
        },
        "unix": {
            "description": "Path of a UNIX socket, instead of host and port.",
            **_FILE,
            "maxLength": UNIX_BYTES,
        },
        "mode": {
            "description": "Permissions of the UNIX socket, as octal digits.",
            "default": f"{DEFAULT_MODE:o}",
            "type": ["string", "null"],
            "pattern": "^0?[0-7]{3}$",
        },
        "ssl": {
            "description": "Speak TLS, with these PEM files; with ca clients must present a certificate too.",
            "type": ["object", "null"],
            "properties": {"cert": _FILE, "key": _FILE, "ca": {"anyOf": [_FILE, _NO_FILE]}},
            "required": ["cert", "key"],
            "additionalProperties": False,
        },
        "ssl.enabled": {"description": "Speak TLS; the flat spelling of ssl.", "type": "boolean"},
        "ssl.cert": {"description": "PEM file of the certificate and those behind it."},
        "ssl.key": {"description": "PEM file of its key, not encrypted."},
        "ssl.ca": {"description": "PEM file of whose certificates clients have to show."},
    }
    return {
        "type": "object",
        "properties": described,
        "additionalProperties": False,
        "allOf": [
            {
                "if": {"required": ["unix"]},
                "then": _without("host", "port"),
                "else": _without("mode"),
            },
            {
                "if": {"properties": {"ssl": {"type": "object"}}, "required": ["ssl"]},
                "then": _without("ssl.enabled", *_FLAT),
                "else": _flat_spelling(),
            },
        ],
    }


def _flat_spelling() -> Schema:
    """Return the rules for `ssl.enabled` and the keys beside it."""
    files = {"ssl.cert": _FILE, "ssl.key": _FILE, "ssl.ca": {"anyOf": [_FILE, _NO_FILE]}}
    return {
        "if": {"required": ["ssl.enabled"]},
        "then": {
            "if": {"properties": {"ssl.enabled": {"const": True}}},
            "then": {"properties": files, "required": ["ssl.cert", "ssl.key"]},
        },
        "else": {"properties": dict.fromkeys(_FLAT, _NO_FILE)},
    }


def _without(*keys: str) -> Schema:
    return {"properties": dict.fromkeys(keys, False)}


# --- services, limits, origins ----------------------------------------------------------------------


def _service() -> Schema:
    return {
        "type": "object",
        "properties": {
            "name": {
                "description": "The service's segment in paths: /app/name/collection.",
                "type": "string",
                "pattern": r"^(?!\.{1,2}$)[^/\u0000-\u001f\u007f-\u009f]+$",
                "maxLength": MAX_SEGMENT_BYTES,
            },
            "module": {
                "description": "items_service, an installed plugin, or a dotted module with get_service(config).",
                "type": "string",
                "minLength": 1,
                "examples": ["items_service"],
            },
            "config": {"description": "Goes to the module.", "type": "object"},
            "poll_seconds": {
                "description": "How often to look for what other server processes have committed; 0: never.",
                "anyOf": [{"const": 0}, {"type": "number", "minimum": 0.01, "maximum": 3600}],
            },
        },
        "required": ["name", "module"],
        "additionalProperties": False,
        "if": {"properties": {"module": {"const": "items_service"}}, "required": ["module"]},
        "then": {
            "properties": {"config": {"$ref": "#/$defs/items_service"}},
            "required": ["config"],
        },
    }


def _limits() -> Schema:
    documented = {**_attributes(Limits), **_attributes(TransportLimits)}
    defaults = {
        field.name: field.default
        for kind in (Limits, TransportLimits)
        for field in dataclasses.fields(kind)
    }
    properties: dict[str, Schema] = {}
    for key, (minimum, maximum, whole) in RANGES.items():
        bounds = _whole(int(minimum), int(maximum)) if whole else _number(minimum, maximum)
        about = {"description": documented[key]} if key in documented else {}
        properties[key] = {**about, **bounds}
        if defaults[key] is not None:
            properties[key]["default"] = defaults[key]
    return {
        "description": "Bounds on what one client may ask for, and on how many there may be.",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _origins() -> Schema:
    words = {"enum": [ANY, NULL, SAME_HOST, LOCALHOST]}
    origin = {
        "type": "string",
        "pattern": r"^[A-Za-z][A-Za-z0-9+.-]*://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%-]+)(:[0-9]{1,5})?$",
        "examples": ["https://app.example.org"],
    }
    return {
        "description": "Pages that may open a WebSocket.",
        "anyOf": [{"const": ANY}, {"type": "array", "items": {"anyOf": [words, origin]}}],
        "default": list(DEFAULT),
    }


def _hosts() -> Schema:
    name = {
        "type": "string",
        "pattern": r"^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\*)$",
        "examples": ["state.example.org"],
    }
    return {
        "description": "Names under which the server answers, besides addresses, loopback names, those of its "
        "origins and of its listeners.",
        "anyOf": [{"const": ANY}, {"type": "array", "items": name}],
        "default": [],
    }


def _whole(minimum: int, maximum: int) -> Schema:
    return {"type": "integer", "minimum": minimum, "maximum": maximum}


def _number(minimum: float, maximum: float) -> Schema:
    return {"type": "number", "minimum": minimum, "maximum": maximum}


def _attributes(documented: type) -> Mapping[str, str]:
    """Return what a class's docstring says about its attributes; nothing where docstrings are stripped."""
    _, _, text = (inspect.getdoc(documented) or "").partition("Attributes:\n")
    found = re.findall(r"^    (\w+): (.*?)(?=^    \w|\Z)", text, re.MULTILINE | re.DOTALL)
    return {name: " ".join(about.split()) for name, about in found}
