"""Tokens that never expire, known by their SHA-256: they are random, so that one round of it is enough."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from .identity import Identity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sharedstate_anyio.config.auth import StaticKey


class StaticKeys:
    """The tokens of the configuration's `auth.keys`."""

    def __init__(self, keys: Iterable[StaticKey]) -> None:
        self._known = [(bytes.fromhex(key.sha256), Identity(dict(key.user))) for key in keys]

    def find(self, digest: bytes) -> Identity | None:
        """Return whom a token names, by its SHA-256; all are compared, each in constant time."""
        found = None
        for known, identity in self._known:
            if hmac.compare_digest(known, digest):
                found = identity
        return found
