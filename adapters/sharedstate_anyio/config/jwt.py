"""The configuration's `auth.jwt`: whose JSON Web Tokens are valid, and for whom they are issued."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from sharedstate_backends.contract import ConfigurationError
from sharedstate_backends.error_collector import ErrorCollector

from .addresses import is_loopback
from .document import kind, object_at, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ALGORITHMS: Final = (
    *("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Those that can be allowed; "none" is not among them."""

SECRET_CHARACTERS: Final = 32
"""A shorter secret can be guessed from one token (RFC 7518, section 3.2)."""
MAX_SECRETS: Final = 10
LEEWAY_SECONDS: Final = (0, 300)

SOURCES: Final = ("secret", "secrets", "secret_file", "key", "jwks")
"""Where the keys are that verify a token."""
URL_PATTERN: Final = (
    r"^(https://[^\s/?#@]+([/?][^\s#]*)?"
    r"|http://(localhost|127\.[0-9]+\.[0-9]+\.[0-9]+|\[::1\])(:[0-9]{1,5})?([/?][^\s#]*)?)$"
)


@dataclass(frozen=True, slots=True)
class JwtConfig:
    """Whose tokens are valid.

    Attributes:
        secrets: texts with which tokens are signed; the first signs new ones.
        secret_file: file that holds such a text, in place of `secrets`.
        key: PEM file with a public key.
        jwks: file, or https address, of a set of public keys.
        algorithms: those that are allowed; empty: all that a key is made for.
        issuer: who may have issued a token; empty: anybody who has the key.
        audience: for whom a token may be issued; empty: for anybody.
        user: the claim that is the user's id.
        leeway_seconds: how far the clock of the issuer may be off.
        require_exp: whether a token must say when it expires.
    """

    secrets: tuple[str, ...] = field(default=(), repr=False)
    secret_file: str | None = None
    key: str | None = None
    jwks: str | None = None
    algorithms: tuple[str, ...] = ()
    issuer: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    user: str = "sub"
    leeway_seconds: float = 10.0
    require_exp: bool = True


def parse_jwt(value: object, place: str) -> JwtConfig:
    """Return the document's `auth.jwt`, checked.

    Raises:
        ConfigurationError: the document breaks the format; `key` is the place.
    """
    with ErrorCollector() as errors:
        members = object_at(value, place, errors, optional=("secret", *_PARSERS))
        read: dict[str, object] = {
            key: errors.attempt(parse, members[key], f"{place}.{key}")
            for key, parse in _PARSERS.items()
            if key in members
        }
        given = [key for key in SOURCES if key in members]
        if not given:
            words = ", ".join(f'"{key}"' for key in SOURCES)
            errors.add(place, f"nothing says whose tokens are valid; add one of {words}")
        for key in given[1:]:
            if key in _SECRETS and given[0] in _SECRETS:
                problem = f'cannot be combined with "{given[0]}"; use "secrets" for several'
                errors.add(f"{place}.{key}", problem)
        if "secret" in members:
            read["secrets"] = (errors.attempt(_secret, members["secret"], f"{place}.secret"),)
        if "jwks" in members and "audience" not in members:
            problem = (
                'is missing, and "jwks" needs it: an identity provider signs tokens for other '
                "applications with the same keys; add the name under which it knows this server"
            )
            errors.add(f"{place}.audience", problem)
    return JwtConfig(**read)  # type: ignore[arg-type]


def parse_seconds(value: object, place: str, least: float, most: float) -> float:
    """Return seconds between two bounds, checked."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        problem = f"expected seconds from {least:,} to {most:,}, found {shown(value)}"
        raise ConfigurationError(place, problem)
    return float(value)


def parse_flag(value: object, place: str) -> bool:
    """Return true or false, checked."""
    if not isinstance(value, bool):
        raise ConfigurationError(place, f"expected true or false, found {shown(value)}")
    return value


def parse_text(value: object, place: str) -> str:
    """Return a text that is not empty, checked."""
    if not isinstance(value, str) or not value:
        raise ConfigurationError(place, f"expected a text, found {shown(value)}")
    return value


def is_address(jwks: str) -> bool:
    """Return whether a key set is fetched, and is no file."""
    return "://" in jwks


def _secret(value: object, place: str) -> str:
    """Read a secret; no message shows any of it."""
    if not isinstance(value, str):
        raise ConfigurationError(place, f"expected a text, found {kind(value)}")
    if len(value) < SECRET_CHARACTERS:
        problem = (
            f"has {len(value)} characters, and whoever has a token can guess it; take at least"
        )
        advice = 'such as python3 -c "import secrets; print(secrets.token_urlsafe(48))" prints'
        raise ConfigurationError(place, f"{problem} {SECRET_CHARACTERS}, {advice}")
    return value


def _secrets(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_SECRETS:
        problem = f"expected a list of 1 to {MAX_SECRETS} texts, the new one first"
        raise ConfigurationError(place, f"{problem}, found {kind(value)}")
    with ErrorCollector() as errors:
        read = [errors.attempt(_secret, each, f"{place}[{i}]") for i, each in enumerate(value)]
    return tuple(each for each in read if each is not None)


def _file(value: object, place: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigurationError(place, f"expected the name of a file, found {shown(value)}")
    if "-----BEGIN" in value:
        raise ConfigurationError(place, "expected the name of a PEM file, found what is in one")
    return value


def _jwks(value: object, place: str) -> str:
    if not isinstance(value, str) or not is_address(value):
        return _file(value, place)
    address = None
    if re.fullmatch(URL_PATTERN, value):
        try:
            address = urlsplit(value)
            port = address.port
        except ValueError:  # a port that is none
            address = None
    if address is None or not address.hostname or port == 0:
        problem = (
            'expected the name of a file, or an address such as "https://id.example.org/jwks.json"'
        )
        if value.startswith("http://") and not is_loopback(urlsplit(value).hostname):
            problem = "keys that come by plain http can be exchanged on their way; write https://"
        found = "one with a user" if "@" in value else shown(value)
        raise ConfigurationError(place, f"{problem}, found {found}")
    return value


def _algorithms(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        found = "an empty list" if value == [] else kind(value)
        raise ConfigurationError(place, f'expected a list such as ["ES256"], found {found}')
    with ErrorCollector() as errors:
        for index, entry in enumerate(value):
            if entry not in ALGORITHMS:
                problem = f"expected one of {', '.join(ALGORITHMS)}, found {shown(entry)}"
                errors.add(f"{place}[{index}]", problem)
    return tuple(dict.fromkeys(value))


def _texts(value: object, place: str) -> tuple[str, ...]:
    """Read a text, or a list of some."""
    if not isinstance(value, list):
        return (parse_text(value, place),)
    if not value:
        raise ConfigurationError(place, "expected a text, or a list of some, found an empty list")
    with ErrorCollector() as errors:
        for index, entry in enumerate(value):
            errors.attempt(parse_text, entry, f"{place}[{index}]")
    return tuple(value)


def _leeway(value: object, place: str) -> float:
    return parse_seconds(value, place, *LEEWAY_SECONDS)


_SECRETS: Final = {"secret", "secrets", "secret_file"}

_PARSERS: Final[Mapping[str, Callable[[object, str], object]]] = {
    "secrets": _secrets,
    "secret_file": _file,
    "key": _file,
    "jwks": _jwks,
    "algorithms": _algorithms,
    "issuer": _texts,
    "audience": _texts,
    "user": parse_text,
    "leeway_seconds": _leeway,
    "require_exp": parse_flag,
}
