"""Who somebody is, by all that the configuration's `auth` names.

1. A token is held against the static keys; then, if it has the form of a JSON Web Token and these are configured, their
   verdict counts; any other, and a connection without a token, is the function's business.
2. A user whom a trusted proxy names has signed in there.
3. Whatever goes wrong is an `Unauthenticated` that holds nothing of the token.
4. What has vouched for somebody is not alive any more once it is not in force: then `dropped` is called.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, Final

import anyio

from sharedstate_anyio.config.auth import AuthConfig
from sharedstate_anyio.config.jwt import ALGORITHMS
from sharedstate_backends.contract import ConfigurationError
from sharedstate_backends.error_collector import ErrorCollector

from . import function
from .cache import Cache
from .faults import describe
from .fetch import loader
from .identity import TOKEN_BYTES, Identity, Unauthenticated
from .key_set import KeySet
from .static_keys import StaticKeys
from .token_parts import take_apart

if TYPE_CHECKING:
    from collections.abc import Callable

    from sharedstate_anyio.config.jwt import JwtConfig
    from sharedstate_anyio.logs.repeated_errors import RepeatedErrors

    from .identity import AuthRequest, Voucher
    from .jwt_tokens import JwtVerifier
    from .verification_keys import Key

PLACE: Final = "auth.jwt"
NEEDED: Final = "needs PyJWT: pip install 'sharedstate[jwt]'"


class Authenticator:
    """Tells who somebody is.

    Args:
        config: what is valid; None: nothing.
        errors: logs errors that may repeat.
        clock: seconds since the Unix epoch.

    Attributes:
        dropped: called when something is not in force any more that may have vouched for somebody.

    Raises:
        ConfigurationError: a file, a key or a function cannot be used, or a package is missing.
    """

    def __init__(
        self,
        config: AuthConfig | None,
        errors: RepeatedErrors,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._errors = errors
        self._clock = clock
        self._key_set: KeySet[Key] | None = None
        self._config: AuthConfig | None = None
        self._changed: anyio.Event | None = None
        self._static = StaticKeys()
        self._jwt: JwtVerifier | None = None
        self.dropped: Callable[[], None] = _do_nothing
        self.change(config)

    def change(self, config: AuthConfig | None) -> bool:
        """Put another configuration in force: what was valid by the old one alone is not valid any more.

        Files are read again. The key set stays if it is the same, also while its provider is away.

        Returns:
            Whether anything that has vouched for somebody does so no more.

        Raises:
            ConfigurationError: it cannot be used; nothing has changed.
        """
        config = config or AuthConfig()
        with ErrorCollector() as errors:
            key_set = errors.attempt(self._wanted_key_set, config)
            verifier = errors.attempt(_verifier, config, key_set, self._jwt)
            asked = errors.attempt(self._wanted_function, config)
            static = errors.attempt(StaticKeys, config.keys, self._static)
        before = _vouchers(self._static, self._jwt)
        self._cache = Cache()
        self._static = static or StaticKeys()
        self._jwt, self._function = verifier, asked
        self._config = config
        gone = before - _vouchers(self._static, self._jwt)
        for each in gone:
            each.alive = False
        is_other = key_set is not self._key_set
        if is_other:
            if self._key_set is not None:
                self._key_set.drop()
            self._key_set = key_set
            if self._changed is not None:
                self._changed.set()
        if gone or is_other:
            self.dropped()
        return bool(gone or is_other)

    async def run(self) -> None:
        """Keep the key set up to date, until cancelled: the server's task group owns this."""
        while True:
            self._changed = anyio.Event()
            async with anyio.create_task_group() as tasks:
                if self._key_set is not None:
                    tasks.start_soon(self._key_set.run)
                await self._changed.wait()
                tasks.cancel_scope.cancel()

    async def check(self) -> str | None:
        """Return what cannot be used at the moment, None if nothing: fetches the key set, once."""
        problem = None if self._key_set is None else await self._key_set.refresh()
        return f"{PLACE}.jwks: {problem}" if problem else None

    def known(self, request: AuthRequest) -> Identity | None:
        """Return whom a token names if it is a static key, or was verified lately; else `authenticate` finds out."""
        token = request.token
        if token is None or request.fault is not None or len(token) > TOKEN_BYTES:
            return None
        return self._known(hashlib.sha256(token.encode(errors="surrogatepass")).digest())

    def _known(self, digest: bytes) -> Identity | None:
        return self._static.find(digest) or self._cache.find(digest, self._clock())

    async def authenticate(self, request: AuthRequest) -> Identity | None:
        """Return who somebody is; None: nobody, who has shown nothing.

        Raises:
            Unauthenticated: what was shown names nobody. Never anything else.
        """
        try:
            return await self._authenticate(request)
        except Unauthenticated:
            raise
        except Exception as error:  # noqa: BLE001  (a fault of ours)
            text = f"a token could not be verified: {describe(error, request)}"
            fields = {"event": "authenticate_failed"}
            self._errors.report(("authenticate", type(error)), text, None, fields)
        raise Unauthenticated("unavailable", "the token cannot be verified at the moment")

    async def _authenticate(self, request: AuthRequest) -> Identity | None:
        token = request.token
        if request.fault is not None:
            raise Unauthenticated("invalid", request.fault)
        if token is None:
            if request.user is not None:
                return Identity({"id": request.user})
            return None if self._function is None else await self._function.ask(request)
        data = _encoded(token)
        digest = hashlib.sha256(data).digest()
        if (found := self._known(digest)) is not None:
            return found
        if self._jwt is not None and (self._function is None or _has_form(token)):
            return await self._verify(self._jwt, token, digest)
        found = None if self._function is None else await self._function.ask(request)
        if found is None:
            raise Unauthenticated("invalid", "the token is not known")
        return found

    async def _verify(self, jwt: JwtVerifier, token: str, digest: bytes) -> Identity:
        parts = take_apart(token)
        key = jwt.own_key(parts)
        if key is None:
            published = await jwt.published_key(parts)
            if jwt is not self._jwt:
                raise Unauthenticated("unavailable", "the configuration has changed meanwhile")
            # Somebody who has waited for the same key may have been first.
            if (found := self._cache.find(digest, self._clock())) is not None:
                return found
            if published is None or parts.algorithm not in published.algorithms:
                _check_algorithm(jwt, parts.algorithm)
            elif published.verifies(parts.algorithm, parts.signed, parts.signature):
                key = published
        if key is None:
            raise Unauthenticated("invalid", "the signature of the token fits none of the keys")
        identity = jwt.identity(parts, key, self._clock())
        self._cache.keep(digest, identity, self._clock(), len(token))
        return identity

    def _wanted_key_set(self, config: AuthConfig) -> KeySet[Key] | None:
        new, old = config.jwt, self._config.jwt if self._config else None
        if new is None or new.jwks is None:
            return None
        if old is not None and (old.jwks, old.algorithms) == (new.jwks, new.algorithms):
            return self._key_set
        return _key_set(new.jwks, new, self._drop)

    def _drop(self) -> None:
        self.dropped()

    def _wanted_function(self, config: AuthConfig) -> function.Function | None:
        if config.python is None:
            return None
        found = function.find(config.python, "auth.python")
        return function.Function(config.python, found, self._errors, self._clock)


def _encoded(token: str) -> bytes:
    if len(token) <= TOKEN_BYTES:
        try:
            data = token.encode()
        except UnicodeEncodeError:
            raise Unauthenticated("invalid", "the token is no text") from None
        if len(data) <= TOKEN_BYTES:
            return data
    raise Unauthenticated("invalid", f"the token is longer than {TOKEN_BYTES:,} bytes")


def _check_algorithm(jwt: JwtVerifier, algorithm: str) -> None:
    """Refuse a token whose algorithm no key is made for."""
    if not jwt.has_key_for(algorithm):
        name = algorithm if algorithm in ALGORITHMS else "an algorithm that is not supported"
        raise Unauthenticated(
            "invalid", f"the token is signed by {name}, and no key is made for that"
        )


def _has_form(token: str) -> bool:
    return token.count(".") == 2


def _vouchers(static: StaticKeys, jwt: JwtVerifier | None) -> set[Voucher]:
    """Return what vouches for somebody, without the keys of a set, which drops them itself."""
    found: set[Voucher] = {*static.entries}
    if jwt is not None:
        found.update((*jwt.keys, jwt.terms))
    return found


def _do_nothing() -> None:
    """Tell nobody: nobody has been vouched for."""


def _key_set(name: str, config: JwtConfig, dropped: Callable[[], None]) -> KeySet[Key]:
    try:
        from .verification_keys import from_jwk  # noqa: PLC0415  (needs PyJWT)
    except ImportError:
        raise ConfigurationError(PLACE, NEEDED) from None

    def make(jwk: dict[str, Any]) -> Key:
        return from_jwk(jwk, config.algorithms)

    return KeySet(loader(name), make, f"{PLACE}.jwks", dropped=dropped)


def _verifier(
    config: AuthConfig, key_set: KeySet[Key] | None, before: JwtVerifier | None
) -> JwtVerifier | None:
    if config.jwt is None:
        return None
    try:
        from .jwt_tokens import JwtVerifier, load_keys  # noqa: PLC0415  (needs PyJWT)
    except ImportError:
        raise ConfigurationError(PLACE, NEEDED) from None
    return JwtVerifier(config.jwt, load_keys(config.jwt, PLACE), key_set, before)
