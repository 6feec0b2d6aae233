"""JSON Web Tokens (RFC 7519): their signature, and then their claims; and how they are signed.

The algorithm that a token names only says which keys may be tried: each verifies by those that it is made for, and
by no others. So a token cannot choose `none`, nor have a public key taken for a secret.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jwt

from sharedstate_backends.contract import ConfigurationError
from sharedstate_backends.error_collector import ErrorCollector

from .claims import identity_of, read_object
from .verification_keys import Key, UnusableKeyError, from_pem, from_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sharedstate_anyio.config.jwt import JwtConfig

    from .identity import Identity
    from .key_set import KeySet
    from .token_parts import Parts

FILE_BYTES: Final = 64 * 1024
"""Longest file of a key or a secret."""


class Terms:
    """What is demanded of tokens, a `Voucher`.

    Attributes:
        rules: the configuration, without its keys.
        alive: whether it is in force; set by whoever drops it.
    """

    __slots__ = ("alive", "rules")

    def __init__(self, rules: JwtConfig) -> None:
        self.rules = rules
        self.alive = True


class JwtVerifier:
    """Verifies tokens.

    Args:
        rules: what their claims have to say.
        keys: those of the configuration.
        key_set: those that their issuer publishes; None: it publishes none.
        before: what was in force; a key that is the same stays the same voucher, and so does what is demanded.

    Attributes:
        keys: those of the configuration.
        terms: what is demanded of tokens, beside that a key has signed them.
    """

    def __init__(
        self,
        rules: JwtConfig,
        keys: Sequence[Key],
        key_set: KeySet[Key] | None,
        before: JwtVerifier | None = None,
    ) -> None:
        there = {(key.digest, key.algorithms): key for key in (before.keys if before else ())}
        self._rules = rules
        self.keys: tuple[Key, ...] = tuple(
            there.get((key.digest, key.algorithms), key) for key in keys
        )
        self.terms = Terms(replace(rules, secrets=(), secret_file=None, key=None, jwks=None))
        if before is not None and before.terms.rules == self.terms.rules:
            self.terms = before.terms
        self._key_set = key_set

    def own_key(self, parts: Parts) -> Key | None:
        """Return the key of the configuration that has signed a token, if one has."""
        for key in self.keys:
            if key.verifies(parts.algorithm, parts.signed, parts.signature):
                return key
        return None

    def has_key_for(self, algorithm: str) -> bool:
        """Return whether a key of the configuration is made for an algorithm."""
        return any(algorithm in key.algorithms for key in self.keys)

    async def published_key(self, parts: Parts) -> Key | None:
        """Return the published key that may have signed a token, when it has come.

        Raises:
            Unauthenticated: there is none.
        """
        if self._key_set is None or parts.algorithm.startswith("HS"):
            return None
        return await self._key_set.find(parts.kid)

    def identity(self, parts: Parts, key: Key, now: float) -> Identity:
        """Return whom a token names that a key has signed.

        Raises:
            Unauthenticated: nobody, or not now.
        """
        found = identity_of(read_object(parts.payload, "the content"), self._rules, now)
        return replace(found, vouchers=(key, self.terms))


# --- keys of the configuration -----------------------------------------------------------------------


def load_keys(config: JwtConfig, place: str) -> list[Key]:
    """Return the keys that the configuration holds, or names files of; secrets first.

    Raises:
        ConfigurationError: one cannot be used.
    """
    with ErrorCollector() as errors:
        secrets = errors.attempt(load_secrets, config, place) or []
        keys = [
            errors.attempt(_key, from_secret, secret, config.algorithms, where)
            for where, secret in secrets
        ]
        if config.key is not None:
            where = f"{place}.key"
            text = errors.attempt(_read, config.key, where)
            if text is not None:
                keys.append(errors.attempt(_key, from_pem, text, config.algorithms, where))
    return [key for key in keys if key is not None]


def load_secrets(config: JwtConfig, place: str) -> list[tuple[str, str]]:
    """Return the secrets, each with its place, the one that signs first."""
    found = [(f"{place}.secrets[{i}]", secret) for i, secret in enumerate(config.secrets)]
    if len(found) == 1:
        found = [(f"{place}.secret", config.secrets[0])]
    if config.secret_file is not None:
        where = f"{place}.secret_file"
        found.append((where, _read(config.secret_file, where).strip()))
    return found


def _key(
    make: Callable[[str, Collection[str]], Key], text: str, allowed: Collection[str], place: str
) -> Key:
    try:
        return make(text, allowed)
    except UnusableKeyError as error:
        raise ConfigurationError(place, str(error)) from None


def _read(name: str, place: str) -> str:
    try:
        with Path(name).open("rb") as file:
            data = file.read(FILE_BYTES + 1)
        if len(data) > FILE_BYTES:
            raise ConfigurationError(place, f"is longer than {FILE_BYTES:,} bytes; check {name!r}")
        return data.decode()
    except UnicodeDecodeError:
        raise ConfigurationError(place, f"is no text; check {name!r}") from None
    except OSError as error:
        problem = f"cannot be read: {error.strerror or type(error).__name__}; check {name!r}"
        raise ConfigurationError(place, problem) from None


# --- signing ----------------------------------------------------------------------------------------


def sign(config: JwtConfig, claims: dict[str, Any], place: str) -> str:
    """Return a token with these claims, signed with the first secret.

    Raises:
        ConfigurationError: there is no secret, or it cannot be used.
    """
    secrets = load_secrets(config, place)
    if not secrets:
        problem = 'has no "secret", and other keys only verify: their issuer signs tokens'
        raise ConfigurationError(place, problem)
    where, secret = secrets[0]
    key = _key(from_secret, secret, config.algorithms, where)
    token: str = jwt.encode(claims, secret, algorithm=min(key.algorithms))
    return token
