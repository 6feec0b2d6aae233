"""Loads a configuration: from a file or a document to a checked, typed `Config`.

Rules:

1. Every error is a one-line `ConfigurationError`: the place in the document
   (`services[1].config.db_table`) or the file, then what is wrong and what to do.
2. Parsing checks shapes only. What a service's `config` may hold is up to the service: it is passed on unchanged
   (`storage/plugins.py`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Final

from sharedstate_backends.contract import ConfigurationError
from sharedstate_backends.error_collector import ErrorCollector
from sharedstate_core import Access, Limits
from sharedstate_core.arguments import check_number, expect
from sharedstate_core.rules.rules import Rules

from .audience import AUDIENCES, Audience, parse_audience
from .auth import AuthConfig, check_auth, parse_auth
from .compression import parse_compression
from .document import decode, kind, object_at
from .folders import check_own_file, parse_files
from .hosts import Hosts, parse_hosts
from .limits import TransportLimits, parse_limits
from .listeners import DEFAULT_HOST, DEFAULT_PORT, Listen, parse_listeners
from .origins import Origins, parse_origins
from .rules import parse_rules
from .services import ServiceConfig, parse_services


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration, for `serve`; names of services are distinct.

    Attributes:
        listen: where to listen; at least one.
        services: in addition to those whose backends are passed to `serve`.
        limits: bounds on what a peer may ask for.
        origins: which pages may connect.
        transport: bounds on connections.
        compression: size in bytes from which messages are compressed; None: never.
        metrics: who may read the metrics.
        files: folders to serve, by their URL path, such as `{"/": "./public"}`.
        hosts: names under which it answers, besides those that it has anyway.
        auth: how it learns who somebody is, as `parse_config` reads it; None: nobody has to sign in, and nobody can.
        rules: who may do what, likewise; None: everybody may do everything.

    Raises:
        TypeError: an attribute has another type.
        ValueError: there is no listener, or a value is out of range.
        ConfigurationError: a path of `files` is invalid, reserved for the server, or a duplicate.
    """

    listen: tuple[Listen, ...] = (Listen(),)
    services: tuple[ServiceConfig, ...] = ()
    limits: Limits = field(default_factory=Limits)
    origins: Origins = field(default_factory=Origins)
    transport: TransportLimits = field(default_factory=TransportLimits)
    compression: int | None = None
    metrics: Audience = "local"
    files: Mapping[str, str | PathLike[str]] = field(default_factory=dict)
    hosts: Hosts = field(default_factory=Hosts)
    auth: AuthConfig | None = None
    rules: Rules | None = None

    def __post_init__(self) -> None:
        for name, entry_type in (("listen", Listen), ("services", ServiceConfig)):
            entries = getattr(self, name)
            expect(name, entries, tuple)
            for index, entry in enumerate(entries):
                expect(f"{name}[{index}]", entry, entry_type)
        if not self.listen:
            raise ValueError("listen: expected at least one Listen, found none")
        expect("limits", self.limits, Limits)
        expect("origins", self.origins, Origins, "an")
        expect("hosts", self.hosts, Hosts)
        if self.auth is not None:
            expect("auth", self.auth, AuthConfig, "an")
        if self.rules is not None:
            expect("rules", self.rules, Rules)
        expect("transport", self.transport, TransportLimits)
        check_number("compression", self.compression, 0, optional=True)
        if self.metrics not in AUDIENCES:
            raise ValueError(f"metrics: expected one of {AUDIENCES}, found {self.metrics!r}")
        object.__setattr__(self, "files", MappingProxyType(parse_files(self.files)))

    @property
    def access(self) -> Access | None:
        """What is demanded of connections; None: nothing."""
        if self.auth is None:
            return None if self.rules is None else Access(rules=self.rules)
        auth = self.auth
        return Access(auth.required, auth.deadline_seconds, auth.grace_seconds, self.rules)


_OPTIONAL: Final = (
    *(
        "service",
        "limits",
        "origins",
        "hosts",
        "compression",
        "metrics",
        "files",
        "auth",
        "rules",
        "$schema",
    ),
)

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
"""The configuration without a file."""


def load_config(file: Path | str | None, errors: ErrorCollector | None = None) -> Config:
    """Read a configuration file: JSON in UTF-8, with or without a byte order mark.

    Args:
        file: None stands for `DEFAULT_DOCUMENT`.
        errors: see `parse_config`.

    Raises:
        ConfigurationError: the file cannot be read, is not JSON, or breaks the format. Its `key` is
            the file (and line and column) or the place in the document.
        TypeError: `file` is a document: pass it to `parse_config`.
    """
    if file is None:
        return parse_config(DEFAULT_DOCUMENT)
    if isinstance(file, Mapping):
        raise TypeError("file: expected a path; parse_config takes a document")
    file = Path(file)
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
    if errors is None:
        with ErrorCollector() as errors:
            return _load(text, file, errors)
    return _load(text, file, errors)


def _load(text: str, file: Path, errors: ErrorCollector) -> Config:
    config = parse_config(decode(text, _named(file)), errors)
    errors.attempt(check_own_file, config.files, file)
    return config


def parse_config(document: object, errors: ErrorCollector | None = None) -> Config:
    """Check a decoded configuration document, and return it as a `Config`.

    Args:
        document: `{"service": {"host", "port", ...}, "services": [{"name", "module", "config", "poll_seconds"}, ...],
            "limits": {...}, "origins": [...], "hosts": [...], "compression": ..., "metrics": ..., "files": {...},
            "auth": {...}, "rules": [...], "$schema": ...}`. Everything but `services`, with names and modules, is
            optional.
        errors: collects mistakes instead of raising them. The result then has defaults in place of wrong values, and
            leaves out services with mistakes.

    Raises:
        ConfigurationError: the document breaks the format; `key` is the place, `each` lists all mistakes.
    """
    if errors is None:
        with ErrorCollector() as errors:
            return _parse(document, errors)
    return _parse(document, errors)


def _parse(document: object, errors: ErrorCollector) -> Config:
    attempt = errors.attempt
    top = object_at(document, "", errors, optional=_OPTIONAL, required=("services",))
    if not isinstance(top.get("$schema", ""), str):
        problem = f"expected the address of a JSON Schema, found {kind(top['$schema'])}"
        errors.add("$schema", problem)
    services = parse_services(top["services"], errors) if "services" in top else ()
    limits, transport = attempt(parse_limits, top.get("limits", {})) or (
        Limits(),
        TransportLimits(),
    )
    origins = attempt(parse_origins, top["origins"]) if "origins" in top else None
    compression = attempt(parse_compression, top.get("compression", False))
    listeners = attempt(parse_listeners, top.get("service", {})) or (Listen(),)
    metrics = attempt(parse_audience, top.get("metrics", "local")) or "local"
    files = attempt(parse_files, top.get("files", {})) or {}
    hosts = attempt(parse_hosts, top.get("hosts", [])) or Hosts()
    auth = attempt(parse_auth, top["auth"]) if "auth" in top else None
    if auth is not None:
        attempt(check_auth, auth, listeners, origins or Origins())
    rules = attempt(parse_rules, top["rules"]) if "rules" in top else None
    return Config(
        listeners,
        services,
        limits,
        origins or Origins(),
        transport,
        compression,
        metrics,
        files,
        hosts,
        auth,
        rules,
    )


def _named(file: Path) -> str:
    return str(file) if str(file).isprintable() else json.dumps(str(file))
