"""Tokens that were found valid, so that a herd that comes back costs one verification for each token.

What was found invalid is not kept: it is refused within the same microseconds, may be valid a moment later (a clock, a
key that is fetched), and would let strangers push out what is valid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from .identity import Identity

SECONDS: Final = 60.0
"""How long a token is not verified again."""
MAX_TOKENS: Final = 10_000
MAX_BYTES: Final = 16 * 1024 * 1024
"""Bytes of all tokens together; what is kept of one is about as long."""


class _Entry(NamedTuple):
    identity: Identity
    since: float
    until: float
    size: int


class Cache:
    """Tokens by their SHA-256; the oldest goes first."""

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, digest: bytes, now: float) -> Identity | None:
        """Return whom a token names, if that is known and still so."""
        entry = self._entries.get(digest)
        if entry is None:
            return None
        if entry.identity.is_vouched_for and entry.since <= now < entry.until:
            return entry.identity
        self._forget(digest)
        return None

    def keep(self, digest: bytes, identity: Identity, now: float, size: int) -> None:
        """Keep whom a token names, for a while, as long as it is vouched for.

        Args:
            digest: SHA-256 of the token.
            identity: whom it names.
            now: seconds since the Unix epoch.
            size: bytes of the token.
        """
        self._forget(digest)
        until = min(now + SECONDS, now + SECONDS if identity.expires is None else identity.expires)
        self._entries[digest] = _Entry(identity, now, until, size)
        self._bytes += size
        while len(self._entries) > MAX_TOKENS or self._bytes > MAX_BYTES:
            self._forget(next(iter(self._entries)))

    def _forget(self, digest: bytes) -> None:
        entry = self._entries.pop(digest, None)
        if entry is not None:
            self._bytes -= entry.size
