"""Tokens that never expire, known by their SHA-256: they are random, so that one round of it is enough."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

import msgspec

from sharedstate_backends.error_collector import ErrorCollector
from sharedstate_core.server.identity_inputs import MAX_USER_BYTES

from .identity import Identity, is_deep

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sharedstate_anyio.config.auth import StaticKey


class StaticKeys:
    """The tokens of the configuration's `auth.keys`.

    Raises:
        ConfigurationError: a user is too large.
    """

    def __init__(self, keys: Iterable[StaticKey] = ()) -> None:
        self._known: list[tuple[bytes, Identity]] = []
        with ErrorCollector() as errors:
            for index, key in enumerate(keys):
                user = dict(key.user)
                if is_deep(user) or len(msgspec.json.encode(user)) > MAX_USER_BYTES:
                    problem = f"is nested too deep, or longer than {MAX_USER_BYTES:,} bytes of JSON"
                    errors.add(f"auth.keys[{index}].user", problem)
                self._known.append((bytes.fromhex(key.sha256), Identity(user)))

    def find(self, digest: bytes) -> Identity | None:
        """Return whom a token names, by its SHA-256; all are compared, each in constant time."""
        found = None
        for known, identity in self._known:
            if hmac.compare_digest(known, digest):
                found = identity
        return found
