"""The configuration's `service`: where the server listens, and with which certificates."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sharedstate_backends.contract import ConfigurationError
from sharedstate_backends.error_collector import ErrorCollector

from .document import MAX_UNKNOWN, join, kind, object_at, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 9000
DEFAULT_MODE: Final = 0o600

_HOST_NAME: Final = re.compile(r"[^\s:/\[\]\x00-\x1f\x7f]{1,255}")
_MODE: Final = re.compile(r"0?[0-7]{3}")
UNIX_BYTES: Final = 107
"""Longest path of a UNIX socket: what `sockaddr_un` holds on Linux."""

_WHERE: Final = ("host", "port", "unix", "mode", "ssl")
_FLAT: Final = ("ssl.enabled", "ssl.cert", "ssl.key", "ssl.ca")


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files of one listener.

    Attributes:
        cert: the server's certificate, followed by intermediate certificates.
        key: its private key, not encrypted.
        ca: the authority whose certificates clients must present; None: they need none.
        place: the place of `ssl` in the configuration, for messages.
    """

    cert: str
    key: str
    ca: str | None = None
    place: str = dataclasses.field(default="service.ssl", compare=False)


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen: on a host and port, or on a UNIX socket.

    Attributes:
        host: address or host name.
        port: 0 lets the system choose one.
        unix: path of a UNIX socket, in place of host and port.
        mode: permissions of the UNIX socket.
        ssl: speak TLS; None: plain text.

    Raises:
        ConfigurationError: an attribute cannot be used; `key` is its name.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    unix: str | None = None
    mode: int = DEFAULT_MODE
    ssl: Certificates | None = None

    def __post_init__(self) -> None:
        _host(self.host, "host")
        _port(self.port, "port")
        if self.unix is not None:
            _unix(self.unix, "unix")
        if isinstance(self.mode, bool) or not isinstance(self.mode, int):
            problem = f"expected permissions as a number, such as 0o660, found {self.mode!r}"
            raise ConfigurationError("mode", problem)
        if self.ssl is not None and not isinstance(self.ssl, Certificates):
            problem = f"expected Certificates or None, found {type(self.ssl).__name__}"
            raise ConfigurationError("ssl", problem)

    def __str__(self) -> str:
        return self.unix or f"{self.host} port {self.port}"


def parse_listeners(value: object) -> tuple[Listen, ...]:
    """Return the document's `service`, checked: one listener, or `{"listen": [...]}` for several.

    Raises:
        ConfigurationError: the document breaks the format; `key` is the place.
    """
    if not isinstance(value, dict) or "listen" not in value:
        return (_listener(value, "service", optional=("listen",)),)
    with ErrorCollector() as errors:
        beside = [key for key in value if key != "listen"]
        for key in beside[:MAX_UNKNOWN]:
            problem = 'cannot be combined with "listen"; move it into the entries of that list'
            errors.add(join("service", str(key)), problem)
        if len(beside) > MAX_UNKNOWN:
            more = f'{len(beside) - MAX_UNKNOWN:,} more keys cannot be combined with "listen"'
            errors.add("service", more)
        entries = value["listen"]
        if not isinstance(entries, list) or not entries:
            found = "an empty list" if entries == [] else kind(entries)
            problem = f"expected a list of at least one listener, found {found}"
            raise ConfigurationError("service.listen", problem)
        read = [
            errors.attempt(_listener, entry, f"service.listen[{i}]")
            for i, entry in enumerate(entries)
        ]
    return tuple(listen for listen in read if listen is not None)


def override(
    listeners: tuple[Listen, ...], host: str | None, port: int | None, unix: str | None
) -> tuple[Listen, ...]:
    """Return the listeners, overridden by options of the command line.

    Raises:
        ConfigurationError: several listeners are configured.
    """
    if unix is not None:
        return (Listen(unix=_unix(unix, "--unix"), mode=listeners[0].mode),)
    if host is None and port is None:
        return listeners
    if len(listeners) > 1:
        option = "--host" if port is None else "--port"
        problem = "the configuration has several listeners; change them there"
        raise ConfigurationError(option, problem)
    only = listeners[0]
    return (
        Listen(
            only.host if host is None else _host(host, "--host"),
            only.port if port is None else port,
            ssl=only.ssl,
        ),
    )


def _listener(value: object, place: str, *, optional: tuple[str, ...] = ()) -> Listen:
    with ErrorCollector() as errors:
        members = object_at(value, place, errors, optional=(*_WHERE, *_FLAT, *optional))
        ssl = errors.attempt(_certificates, members, place)
        read: dict[str, object] = {
            key: errors.attempt(parse, members[key], f"{place}.{key}")
            for key, parse in _PARSERS.items()
            if key in members
        }
        if "unix" not in members and "mode" in members:
            errors.add(f"{place}.mode", 'belongs to a UNIX socket; add "unix"')
        for key in ("host", "port"):
            if "unix" in members and key in members:
                problem = (
                    'cannot be combined with "unix"; use one of them, or two entries of "listen"'
                )
                errors.add(f"{place}.{key}", problem)
    return Listen(**read, ssl=ssl)  # type: ignore[arg-type]


def _host(value: object, place: str) -> str:
    if not isinstance(value, str) or not (_HOST_NAME.fullmatch(value) or _is_ipv6(value)):
        problem = f"expected a host name or an address and nothing else, found {shown(value)}"
        raise ConfigurationError(place, problem)
    if not _is_ipv6(value):
        try:
            value.encode("idna")  # as the resolver receives it
        except UnicodeError:
            problem = (
                "a part between dots is empty, too long or not text; each has 1 to 63 characters"
            )
            raise ConfigurationError(place, f"{problem}, found {shown(value)}") from None
    return value


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _port(value: object, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535:
        problem = f"expected a whole number from 0 to 65535, found {shown(value)}"
        raise ConfigurationError(place, problem)
    return value


def _unix(value: object, place: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        problem = f"expected the path of a UNIX socket, found {shown(value)}"
        raise ConfigurationError(place, problem)
    try:
        size = len(os.fsencode(value))
    except UnicodeEncodeError:
        problem = f"expected the path of a UNIX socket, found {shown(value)}"
        raise ConfigurationError(place, problem) from None
    if size > UNIX_BYTES:
        problem = f"a path of a UNIX socket has at most {UNIX_BYTES} bytes; choose a shorter one"
        raise ConfigurationError(place, problem)
    return value


def _mode(value: object, place: str) -> int:
    if value is None:
        return DEFAULT_MODE
    if not isinstance(value, str) or not _MODE.fullmatch(value):
        problem = f'expected permissions as octal digits, such as "660", found {shown(value)}'
        raise ConfigurationError(place, problem)
    return int(value, 8)


_PARSERS: Final[Mapping[str, Callable[[object, str], object]]] = {
    "host": _host,
    "port": _port,
    "unix": _unix,
    "mode": _mode,
}


def _certificates(members: dict[str, object], place: str) -> Certificates | None:
    """Read `ssl`, in either spelling: an object, or flat keys with `ssl.enabled`."""
    flat = [key for key in _FLAT if key in members]
    if members.get("ssl") is not None:
        if flat:
            problem = 'cannot be combined with "ssl"; use one spelling'
            raise ConfigurationError(f"{place}.{flat[0]}", problem)
        with ErrorCollector() as errors:
            names = ("cert", "key")
            found = object_at(
                members["ssl"], f"{place}.ssl", errors, required=names, optional=("ca",)
            )
    else:
        enabled = members.get("ssl.enabled")
        if not isinstance(enabled, bool):
            if "ssl.enabled" not in members and all(members[key] is None for key in flat):
                return None
            problem = f"expected true or false, found {shown(enabled)}"
            if "ssl.enabled" not in members:
                problem = "is missing; add true or false"
            raise ConfigurationError(f"{place}.ssl.enabled", problem)
        if not enabled:
            return None
        found = {key: members.get(f"ssl.{key}") for key in ("cert", "key", "ca")}
    files: dict[str, str | None] = {}
    with ErrorCollector() as errors:
        for key in ("cert", "key", "ca"):
            name = found.get(key)
            if isinstance(name, str) and name and "\0" not in name:
                files[key] = name
            elif name is not None or key != "ca":
                problem = f"expected the name of a PEM file, found {shown(name)}"
                errors.add(f"{place}.ssl.{key}", problem)
    return Certificates(str(files["cert"]), str(files["key"]), files.get("ca"), f"{place}.ssl")
