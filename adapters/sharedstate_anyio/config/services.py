"""The configuration's `services`: what stores collections, by the second segment of their path.

Checks shapes only. What a service's `config` may hold is up to the service: it is passed on unchanged
(`storage/plugins.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from types import MappingProxyType
from typing import Final

from sharedstate_backends.contract import ConfigurationError
from sharedstate_backends.error_collector import ErrorCollector
from sharedstate_backends.items_description import Description
from sharedstate_core.errors import RequestError
from sharedstate_core.paths import split_path

from .document import kind, object_at, shown

BUILT_IN: Final[Mapping[str, str]] = {"items_service": "sharedstate_backends.items_service"}
"""Built-in services by module name, found without the package's metadata; each also has `describe`."""

POLL_SECONDS: Final = 1.0
"""Default interval, in seconds, at which a service looks for commits of other processes."""


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """One entry of `services`.

    Attributes:
        name: the service's segment in a path.
        module: what implements it: a built-in or installed service's name, or a dotted module.
        poll_seconds: how often to look for what other server processes have committed; 0 for never.
        config: passed to the module's `get_service`; omitted from the `repr`, as it may hold a password.
        place: the place of the entry in the configuration, for messages.

    Raises:
        ConfigurationError: the name cannot be part of a path, or `poll_seconds` is out of range.
    """

    name: str
    module: str
    config: Mapping[str, object] = field(default_factory=dict, repr=False)
    poll_seconds: float = POLL_SECONDS
    place: str = field(default="services[0]", compare=False)

    def __post_init__(self) -> None:
        _name(self.name, "name")
        _poll_seconds(self.poll_seconds, "poll_seconds")

    @property
    def is_built_in(self) -> bool:
        """Whether it is built in, going by its name or its module's."""
        return self.module in BUILT_IN or self.module in BUILT_IN.values()

    @property
    def description(self) -> Description | None:
        """Where its items are, as its module describes it; None for other services."""
        if not self.is_built_in:
            return None
        module = import_module(BUILT_IN.get(self.module, self.module))
        described: Description | None = module.describe(self.config)
        return described

    @property
    def in_memory(self) -> bool:
        """Whether, as far as is known, it forgets everything when the server stops."""
        return self.description is not None and self.description.in_memory

    @property
    def store(self) -> str:
        """What stores its items, in words fit for any visitor: no file, host or user."""
        return f"module {self.module}" if self.description is None else self.description.kind


def parse_services(entries: object, errors: ErrorCollector) -> tuple[ServiceConfig, ...]:
    """Return the document's `services`: those without mistakes, in order; the mistakes go to `errors`."""
    if not isinstance(entries, list) or not entries:
        found = f"expected a list, found {kind(entries)}"
        errors.add(
            "services", found if entries != [] else "is empty; describe at least one service"
        )
        return ()
    services: dict[str, ServiceConfig] = {}
    for index, entry in enumerate(entries):
        service = errors.attempt(_service, entry, f"services[{index}]")
        if service is None:
            continue
        earlier = services.setdefault(service.name, service)
        if earlier is not service:
            problem = f"{earlier.place} is called {shown(service.name)} too; rename one"
            errors.add(f"{service.place}.name", problem)
    return tuple(services.values())


def open_words(services: Iterable[ServiceConfig]) -> set[str]:
    """Return what of services is no secret, though it may stand in a `config` too: their names and modules."""
    return {word for service in services for word in (service.name, service.module)}


def _service(value: object, place: str) -> ServiceConfig:
    with ErrorCollector() as errors:
        optional = ("config", "poll_seconds")
        members = object_at(value, place, errors, required=("name", "module"), optional=optional)
        read: dict[str, object] = {
            key: errors.attempt(parse, members[key], f"{place}.{key}")
            for key, parse in _PARSERS.items()
            if key in members
        }
    service = ServiceConfig(**read, place=place)  # type: ignore[arg-type]
    if service.in_memory and "poll_seconds" not in read:
        return replace(service, poll_seconds=0.0)
    return service


def _name(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(place, f"expected a text, found {shown(value)}")
    try:
        segments = split_path(value)
    except RequestError as error:
        problem = f"is not valid in a path: {error.message.rpartition(': ')[2]}"
        raise ConfigurationError(place, problem) from None
    if segments != (value,):
        problem = f'expected one segment of a path, without "/", found {shown(value)}'
        raise ConfigurationError(place, problem)
    return value


def _module(value: object, place: str) -> str:
    if not isinstance(value, str) or not value:
        problem = f'expected a module such as "items_service", found {shown(value)}'
        raise ConfigurationError(place, problem)
    return value


def _config(value: object, place: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ConfigurationError(place, f"expected an object, found {kind(value)}")
    return MappingProxyType(dict(value))


def _poll_seconds(value: object, place: str) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not (value == 0 or 0.01 <= value <= 3600)
    ):
        problem = f"expected 0 (never) or seconds from 0.01 to 3600, found {shown(value)}"
        raise ConfigurationError(place, problem)
    return float(value)


_PARSERS: Final[Mapping[str, Callable[[object, str], object]]] = {
    "name": _name,
    "module": _module,
    "config": _config,
    "poll_seconds": _poll_seconds,
}
