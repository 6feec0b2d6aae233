"""Plugins: find the module that implements a service, make its backend, and open it.

Rules:

1. A service's error about its `config` becomes a one-line `ConfigurationError` with the full place.
2. This module never prints a value of a service's `config`: it may be a password.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast

from sharedstate_anyio.config import other_keys
from sharedstate_anyio.config.document import join, nearest, shown
from sharedstate_anyio.config.services import BUILT_IN
from sharedstate_anyio.logs.redactor import Redactor
from sharedstate_backends.contract import Backend, ConfigurationError, StorageError
from sharedstate_backends.error_collector import ErrorCollector
from sharedstate_backends.sqlite import ownership

from .contract_checks import BrokenContractError, call
from .proof import prove

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sharedstate_anyio.config.config import Config
    from sharedstate_anyio.config.services import ServiceConfig
    from sharedstate_backends.contract import Surveying

ENTRY_POINT_GROUP: Final = "sharedstate.services"

_BACKEND_METHODS: Final = ("open", "close", "load", "commit", "heads", "collections")


def build_backends(
    config: Config, made: Mapping[str, Backend] = MappingProxyType({})
) -> dict[str, Backend]:
    """Make the backends of all services, by name, in order; those in `made` are used as they are. None is opened.

    A service's `module` is looked up among the built-in services, then among the entry points of
    the group `sharedstate.services`, then as a module. It must have `get_service(config)`.

    Raises:
        ConfigurationError: a module cannot be found or imported, is not a service, or refuses its `config`; `key` is
            the place in the document. Any other exception is a fault in the service's module.
    """
    with ErrorCollector() as errors:
        check_tables(config.services, errors)
        built = {
            service.name: made[service.name]
            if service.name in made
            else errors.attempt(build_backend, service)
            for service in config.services
        }
    return {name: backend for name, backend in built.items() if backend is not None}


def check_tables(services: Iterable[ServiceConfig], errors: ErrorCollector) -> None:
    """Report built-in services that share a table: they would be one service under two names."""
    first: dict[tuple[str, ...], ServiceConfig] = {}
    for service in services:
        described = service.description
        if described is None or described.table is None:
            continue
        earlier = first.setdefault(described.table, service)
        if earlier is not service:
            problem = f"{earlier.place} has this table already; choose another name"
            errors.add(f"{service.place}.config.db_table", problem)


def lacking(backend: object) -> list[str]:
    """Return what an object lacks to be a `Backend`: names of methods."""
    return [name for name in _BACKEND_METHODS if not callable(getattr(backend, name, None))]


def foreign_files(service: ServiceConfig) -> str | None:
    """Return a problem with the ownership of a service's files that root would not notice; None if there is none."""
    described = service.description
    return ownership.foreign(described.file) if described and described.file else None


def whereabouts(service: ServiceConfig) -> str:
    """Return what stores a service's items, and where, for the operator; without user and password."""
    return service.store if service.description is None else service.description.where


def build_backend(service: ServiceConfig) -> Backend:
    """Make the backend of one service, not open; see `build_backends`."""
    place = service.place
    target = _resolve(service.module, f"{place}.module")
    get_service = getattr(target, "get_service", None)
    if not callable(get_service):
        problem = (
            f"{shown(service.module)} has no function get_service(config): it is not a service"
        )
        raise ConfigurationError(f"{place}.module", problem)
    try:
        backend = get_service(dict(service.config))
    except ConfigurationError as error:
        raise placed(error, service) from None
    if inspect.iscoroutine(backend):
        backend.close()
        problem = "get_service is a coroutine function; make it a plain one, and connect in open()"
        raise ConfigurationError(f"{place}.module", problem)
    if missing := lacking(backend):
        problem = f"get_service returned {type(backend).__name__}, without {', '.join(missing)}"
        advice = "python -m pydoc sharedstate_backends.contract says what a service needs"
        raise ConfigurationError(f"{place}.module", f"{problem}; {advice}")
    return cast("Backend", backend)


async def open_backend(backend: Backend, service: ServiceConfig) -> None:
    """Open the backend of a service, and make sure, as far as it can tell, that it can be read and written.

    Raises:
        ConfigurationError, StorageError: as the service raised it, with the full place.
    """
    with _placing(service):
        await call(backend.open(), "open")
        await prove(backend, service.name)


async def survey(backend: Backend, service: ServiceConfig) -> str | None:
    """Return what opening the backend of a service would create; None if nothing or unknown.

    Raises:
        ConfigurationError, StorageError: as the service raised it, with the full place.
    """
    missing = getattr(backend, "missing", None)
    if missing is None:
        return None
    with _placing(service):
        return await call(cast("Surveying", backend).missing(), "missing")


@contextmanager
def _placing(service: ServiceConfig) -> Iterator[None]:
    """Prefix errors that a service raises while it is opened with its full place."""
    try:
        yield
    except ConfigurationError as error:
        raise placed(error, service) from None
    except StorageError as error:
        error.args = (f"{service.place}: {error}",)
        raise
    except BrokenContractError as error:
        raise StorageError(f"{service.place}: {error}") from error
    except Exception as error:
        problem = f"{service.place}: opening it failed: {type(error).__name__}: {error}"
        raise StorageError(problem) from error


def placed(error: ConfigurationError, service: ServiceConfig) -> ConfigurationError:
    """Return a service's error with full places and without the secrets of its `config`."""
    errors = ErrorCollector()
    for each in error.each:
        key = join(f"{service.place}.config", each.key) if each.key else f"{service.place}.config"
        other = other_keys.SERVICE.get(each.key) if service.is_built_in else None
        problem = f"unknown key; {other.advice}" if other else each.problem
        errors.add(key, _redacted(problem, service.config))
    return errors.joined()


def _resolve(module: str, place: str) -> object:
    """Return the module, or whatever an entry point names, that should have `get_service`."""
    installed = importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)
    offers = {point.value: point for point in installed if point.name == module}
    try:
        if module in BUILT_IN:
            return importlib.import_module(BUILT_IN[module])
        if len(offers) > 1:
            problem = f"several packages offer it; write one of {', '.join(sorted(offers))}"
            raise ConfigurationError(place, problem)
        if offers:
            return offers.popitem()[1].load()
        if all(part.isidentifier() for part in module.split(".")):
            return importlib.import_module(module)
    except (ImportError, AttributeError, SyntaxError) as error:
        absent = error.name if isinstance(error, ModuleNotFoundError) else None
        if absent is None or not f"{module}.".startswith(f"{absent}."):
            reason = " ".join(str(error).split())
            problem = f"importing {shown(module)} failed: {reason}; mend or install what it needs"
            raise ConfigurationError(place, problem) from None
    problem = f"there is neither a service nor a module {shown(module)}; "
    near = nearest(module, {*BUILT_IN, *installed.names})
    advice = f"did you mean {shown(near)}?" if near else "install its package, or set PYTHONPATH"
    raise ConfigurationError(place, problem + advice)


def _redacted(problem: str, config: Mapping[str, object]) -> str:
    """Return a service's message on one line, without the secrets of its `config`."""
    return " ".join(Redactor([dict(config)])(problem).split())
