"""A new configuration for a server that runs: what can be taken over, and what needs a restart."""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Final, NamedTuple

from sharedstate_core import Limits

from .config import Config
from .limits import TransportLimits

_AT_START: Final = ("ping_seconds", "pong_seconds")
"""Limits by which something is built that lasts."""


class Reload(NamedTuple):
    """What comes of a new configuration.

    Attributes:
        config: what holds from now on.
        changed: keys whose new values hold now.
        waiting: keys whose new values a restart will bring.
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
    """Take over what can be changed while the server runs."""
    keys = [*_limits(old.limits, new.limits), *_limits(old.transport, new.transport)]
    changed = [f"limits.{key}" for key in keys if key not in _AT_START]
    changed += [
        key
        for key in ("origins", "compression", "metrics", "files")
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
