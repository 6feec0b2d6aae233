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


class _Entry:
    """One of them, a `Voucher`."""

    __slots__ = ("alive", "digest", "identity", "key")

    def __init__(self, key: StaticKey) -> None:
        self.key = key
        self.digest = bytes.fromhex(key.sha256)
        self.identity = Identity(dict(key.user), None, (self,))
        self.alive = True


class StaticKeys:
    """The tokens of the configuration's `auth.keys`.

    Args:
        keys: what is configured.
        before: those that were in force; an entry that is the same stays the same voucher.

    Raises:
        ConfigurationError: a user is too large.
    """

    def __init__(self, keys: Iterable[StaticKey] = (), before: StaticKeys | None = None) -> None:
        self.entries: list[_Entry] = []
        there = [] if before is None else before.entries
        with ErrorCollector() as errors:
            for index, key in enumerate(keys):
                user = dict(key.user)
                if is_deep(user) or len(msgspec.json.encode(user)) > MAX_USER_BYTES:
                    problem = f"is nested too deep, or longer than {MAX_USER_BYTES:,} bytes of JSON"
                    errors.add(f"auth.keys[{index}].user", problem)
                same = (each for each in there if each.key == key)
                self.entries.append(next(same, None) or _Entry(key))

    def find(self, digest: bytes) -> Identity | None:
        """Return whom a token names, by its SHA-256; all are compared, each in constant time."""
        found = None
        for entry in self.entries:
            if hmac.compare_digest(entry.digest, digest):
                found = entry.identity
        return found
