"""What a program passes to `serve` besides a configuration: its own backends, and open sockets.

They are checked first: when an error is raised, nothing has been opened, bound or closed.
"""

from __future__ import annotations

import errno
import inspect
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sharedstate_core.arguments import expect, found, service_names

from .config.config import Config
from .config.services import ServiceConfig
from .net.listening import ListenError
from .storage.plugins import lacking

if TYPE_CHECKING:
    from sharedstate_backends import Backend


def check_backends(backends: object) -> None:
    """Check backends by the name of their service.

    Raises:
        TypeError: `backends` is not a mapping, or a value is not a backend.
        ValueError: a name cannot be part of a path, or two names share a backend.
    """
    if not isinstance(backends, Mapping):
        problem = "expected a mapping from the service's name to its backend"
        raise TypeError(f"backends: {problem}, found {found(backends)}")
    names: dict[int, str] = {}
    for name, backend in backends.items():
        place = f"backends[{name!r}]"
        try:
            service_names([name])
        except (TypeError, ValueError) as error:
            problem = str(error).partition(": ")[2]
            raise type(error)(f"{place}: the name of a service: {problem}") from None
        if inspect.isclass(backend):
            raise TypeError(f"{place}: expected a backend, found the class {backend.__name__}")
        if missing := lacking(backend):
            advice = "python -m pydoc sharedstate_backends.contract says what a backend needs"
            raise TypeError(f"{place}: {found(backend)} has no {', '.join(missing)}; {advice}")
        if id(backend) in names:
            raise ValueError(f"{place}: is the backend of {names[id(backend)]!r}, too; make two")
        names[id(backend)] = name


def complete(config: Config, backends: Mapping[str, Backend]) -> Config:
    """Return a configuration with these backends in place of the services with their names.

    A service of the configuration keeps its place and its `poll_seconds`; others are added.

    Raises:
        TypeError: `config` is not a `Config`; it may be the name of a file.
        ValueError: there are no services.
    """
    if not isinstance(config, Config):
        advice = "load_config reads a file, parse_config takes a document"
        raise TypeError(f"config: expected a Config ({advice}), found {found(config)}")
    services = {service.name: service for service in config.services}
    for name, backend in backends.items():
        known = services.get(name, ServiceConfig(name, ""))
        module = f"{type(backend).__module__}.{type(backend).__qualname__}"
        place = f"backends[{name!r}]"
        services[name] = replace(known, module=module, config={}, place=place)
    if not services:
        raise ValueError("config: has no services; describe one, or hand in a backend")
    return replace(config, services=tuple(services.values()))


def check_sockets(sockets: object) -> None:
    """Check that each is a socket that listens.

    Raises:
        TypeError: they are not sockets.
        ValueError: one occurs twice.
        ListenError: one does not listen.
    """
    if isinstance(sockets, socket.socket):
        raise TypeError("sockets: expected several sockets, such as [sock], found a single one")
    if not isinstance(sockets, Sequence):
        raise TypeError(f"sockets: expected a list of sockets, found {found(sockets)}")
    places: dict[int, str] = {}
    for index, sock in enumerate(sockets):
        expect(f"sockets[{index}]", sock, socket.socket)
        place = f"sockets[{index}]"
        try:
            listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError as error:
            raise ListenError(place, error) from None
        if not listens:
            problem = "it does not listen; call its listen() before it is handed in"
            raise ListenError(place, OSError(errno.EINVAL, problem))
        first = places.setdefault(sock.fileno(), place)
        if first != place:
            raise ValueError(f"{place}: is the same socket as {first}; hand in each once")
