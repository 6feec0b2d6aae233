"""A service that cannot be used, and fails where it is told to, with a password in its words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from sharedstate_backends import ConfigurationError, StorageError

from .delegate import Delegate

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULE = __name__


class Unopenable(Delegate):
    """SQLite in memory with a fault."""

    def __init__(self, config: Mapping[str, object]) -> None:
        super().__init__()
        self._on = config["on"]
        self._complaint = f"no {config.get('password')} today"

    async def open(self) -> None:
        if self._on == "hang":
            await anyio.sleep_forever()
        if self._on == "storage":
            raise StorageError(self._complaint)
        if self._on == "open":
            raise RuntimeError(self._complaint)

    async def close(self) -> None:
        if self._on == "close":
            raise RuntimeError(self._complaint)


def get_service(config: Mapping[str, object]) -> Unopenable:
    """Return it, unless told to fail here."""
    if config["on"] == "make":
        raise RuntimeError(f"no {config['password']} today")
    if config["on"] == "configuration":
        raise ConfigurationError("password", f"no {config['password']} today")
    return Unopenable(config)
