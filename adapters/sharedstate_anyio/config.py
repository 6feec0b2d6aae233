"""From a configuration file to a `Config`: the document checked, with its types.

Rules:

1. Every error is a `ConfigurationError` of one line: the place in the document
   (`services[1].config.db_table`) or the file, then what is wrong and what to do.
2. Parsing looks at shapes only. What a service's `config` may hold is the service's business: it
   goes through untouched (`services.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sharedstate_backends.contract import ConfigurationError
from sharedstate_core import Limits
from sharedstate_core.errors import RequestError
from sharedstate_core.paths import split_path

from .compression import parse_compression
from .document import decode, kind, object_at, shown
from .inspection import Audience, parse_audience
from .limits import TransportLimits, parse_limits
from .listeners import DEFAULT_HOST, DEFAULT_PORT, Listen, parse_listeners
from .origins import Origins, parse_origins
from .services import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

POLL_SECONDS: Final = 1.0
"""How often a service that other processes may share looks for their commits."""


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """One entry of `services`.

    Attributes:
        name: the service's segment in a path.
        module: what implements it: a built-in or installed service's name, or a dotted module.
        poll_seconds: how often to look for what other server processes have committed; 0 for never.
        config: handed to the module's `get_service`; left out of the `repr`, as it may hold a password.
    """

    name: str
    module: str
    config: Mapping[str, object] = field(default_factory=dict, repr=False)
    poll_seconds: float = POLL_SECONDS

    @property
    def in_memory(self) -> bool:
        """Whether it is known to forget everything when the server stops."""
        return self.module in BUILT_IN and (
            self.config.get("db_type") == "sqlite"
            and self.config.get("db_name", ":memory:") == ":memory:"
        )

    @property
    def store(self) -> str:
        """What keeps its items, in words for any visitor: no file, host or user."""
        db_type = self.config.get("db_type") if self.module in BUILT_IN else None
        if db_type == "sqlite":
            return "SQLite, in memory" if self.in_memory else "SQLite file"
        return "MySQL or MariaDB" if db_type == "mysql" else f"module {self.module}"


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration; `listen` and `services` are never empty, names of services are distinct."""

    listen: tuple[Listen, ...]
    services: tuple[ServiceConfig, ...]
    limits: Limits = field(default_factory=Limits)
    origins: Origins = field(default_factory=Origins)
    transport: TransportLimits = field(default_factory=TransportLimits)
    compression: int | None = None
    metrics: Audience = "local"


DEFAULT_DOCUMENT: Final[Mapping[str, object]] = {
    "service": {"host": DEFAULT_HOST, "port": DEFAULT_PORT},
    "services": [
        {
            "name": "items",
            "module": "items_service",
            "config": {"db_type": "sqlite", "db_name": "sharedstate.db", "db_table": "items"},
        },
        {
            "name": "mitems",
            "module": "items_service",
            "config": {"db_type": "sqlite", "db_name": ":memory:", "db_table": "items"},
        },
    ],
}
"""What holds without a configuration file."""


def load_config(file: Path | None) -> Config:
    """Read a configuration file: JSON in UTF-8, with or without a byte order mark.

    Args:
        file: None stands for `DEFAULT_DOCUMENT`.

    Raises:
        ConfigurationError: the file cannot be read, is not JSON, or breaks the format. Its `key` is
            the file (and line and column) or the place in the document.
    """
    if file is None:
        return parse_config(DEFAULT_DOCUMENT)
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(_named(file), "there is no such file; check the path") from None
    except IsADirectoryError:
        problem = "is a directory; name the JSON file in it"
        raise ConfigurationError(_named(file), problem) from None
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 (byte {error.start}); save it again as UTF-8"
        raise ConfigurationError(_named(file), problem) from None
    except OSError as error:
        problem = f"cannot be read: {error.strerror or type(error).__name__}; check its permissions"
        raise ConfigurationError(_named(file), problem) from None
    return parse_config(decode(text, _named(file)))


def parse_config(document: object) -> Config:
    """Check a decoded configuration document and give it its types.

    Args:
        document: `{"service": {"host", "port", ...}, "services": [{"name", "module", "config", "poll_seconds"}, ...],
            "limits": {...}, "origins": [...], "compression": ..., "metrics": ..., "$schema": ...}`.
            All but `services` and the names and modules in it may be left out.

    Raises:
        ConfigurationError: the document breaks the format; `key` is the place.
    """
    optional = ("service", "limits", "origins", "compression", "metrics", "$schema")
    top = object_at(document, "", optional=optional, required=("services",))
    if not isinstance(top.get("$schema", ""), str):
        problem = f"expected the address of a JSON Schema, found {kind(top['$schema'])}"
        raise ConfigurationError("$schema", problem)
    entries = top["services"]
    if not isinstance(entries, list):
        raise ConfigurationError("services", f"expected a list, found {kind(entries)}")
    if not entries:
        raise ConfigurationError("services", "is empty; describe at least one service")
    services: list[ServiceConfig] = []
    for index, entry in enumerate(entries):
        service = _service(entry, f"services[{index}]")
        for other, earlier in enumerate(services):
            if earlier.name == service.name:
                problem = f"services[{other}] is called {shown(service.name)} too; rename one"
                raise ConfigurationError(f"services[{index}].name", problem)
        services.append(service)
    limits, transport = parse_limits(top.get("limits", {}))
    origins = parse_origins(top["origins"]) if "origins" in top else Origins()
    compression = parse_compression(top.get("compression", False))
    listeners = parse_listeners(top.get("service", {}))
    metrics = parse_audience(top.get("metrics", "local"))
    return Config(listeners, tuple(services), limits, origins, transport, compression, metrics)


def _service(value: object, place: str) -> ServiceConfig:
    optional = ("config", "poll_seconds")
    members = object_at(value, place, required=("name", "module"), optional=optional)
    name, module = members["name"], members["module"]
    if not isinstance(name, str):
        raise ConfigurationError(f"{place}.name", f"expected a text, found {shown(name)}")
    try:
        segments = split_path(name)
    except RequestError as error:
        problem = f"cannot stand in a path: {error.message.rpartition(': ')[2]}"
        raise ConfigurationError(f"{place}.name", problem) from None
    if segments != (name,):
        problem = f'expected one segment of a path, without "/", found {shown(name)}'
        raise ConfigurationError(f"{place}.name", problem)
    if not isinstance(module, str) or not module:
        problem = f'expected a module such as "items_service", found {shown(module)}'
        raise ConfigurationError(f"{place}.module", problem)
    config = members.get("config", {})
    if not isinstance(config, dict):
        raise ConfigurationError(f"{place}.config", f"expected an object, found {kind(config)}")
    service = ServiceConfig(name, module, MappingProxyType(dict(config)))
    default = 0.0 if service.in_memory else POLL_SECONDS
    seconds = members.get("poll_seconds", default)
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or not (seconds == 0 or 0.01 <= seconds <= 3600)
    ):
        problem = f"expected 0 (never) or seconds from 0.01 to 3600, found {shown(seconds)}"
        raise ConfigurationError(f"{place}.poll_seconds", problem)
    return replace(service, poll_seconds=float(seconds))


def _named(file: Path) -> str:
    return str(file) if str(file).isprintable() else json.dumps(str(file))
