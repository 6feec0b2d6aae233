"""Reloading: which parts of a new configuration take effect at once, and which need a restart."""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Final, NamedTuple

from sharedstate_core import Limits

from .config import Config
from .limits import TransportLimits

_AT_START: Final = ("ping_seconds", "pong_seconds")
"""Limits that are read only at the start."""


class Reload(NamedTuple):
    """The outcome of a reload.

    Attributes:
        config: the one now in force.
        changed: keys whose new values are in force.
        waiting: keys whose new values need a restart.
    """

    config: Config
    changed: tuple[str, ...]
    waiting: tuple[str, ...]

    def __str__(self) -> str:
        said = f"changed: {', '.join(self.changed)}" if self.changed else "nothing has changed"
        if self.waiting:
            said += f"; after a restart: {', '.join(self.waiting)}"
        return said


def compare(old: Config, new: Config) -> Reload:
    """Return the parts of `new` that a running server can adopt."""
    keys = [*_limits(old.limits, new.limits), *_limits(old.transport, new.transport)]
    changed = [f"limits.{key}" for key in keys if key not in _AT_START]
    changed += [
        key
        for key in ("origins", "hosts", "compression", "metrics", "files", "auth", "rules")
        if getattr(old, key) != getattr(new, key)
    ]
    waiting = [f"limits.{key}" for key in keys if key in _AT_START]
    if old.listen != new.listen:
        waiting.append("service")
    if old.services != new.services:
        waiting.append("services")
    kept = {key: getattr(old.transport, key) for key in _AT_START}
    transport = replace(new.transport, **kept)
    config = replace(new, listen=old.listen, services=old.services, transport=transport)
    return Reload(config, tuple(changed), tuple(waiting))


def _limits(old: Limits | TransportLimits, new: Limits | TransportLimits) -> Iterator[str]:
    return (f.name for f in fields(old) if getattr(old, f.name) != getattr(new, f.name))
