"""The configuration's `auth`: how the server learns who somebody is.

Checks shapes only; the files and functions that it names are looked at when the server starts (`auth/`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sharedstate_backends.contract import ConfigurationError
from sharedstate_backends.error_collector import ErrorCollector

from .document import ANY, kind, object_at, shown
from .jwt import JwtConfig, parse_flag, parse_jwt, parse_seconds, parse_text
from .origins import NULL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .listeners import Listen
    from .origins import Origins

MAX_ID: Final = 255
"""Longest id of a user, in characters."""
MAX_KEYS: Final = 100
"""Maximum number of static keys: whoever shows a token is held against all of them."""
UNIX: Final = "unix"
"""Stands for every UNIX socket, among the trusted listeners."""
QUERY: Final = "token"
"""The member of the query that holds a token, unless it is named."""

HASH_PATTERN: Final = "^[0-9A-Fa-f]{64}$"
WORD_PATTERN: Final = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
"""Names of headers and cookies (RFC 9110, section 5.6.2)."""
QUERY_PATTERN: Final = r"^[A-Za-z0-9._~-]+$"
TRUSTED_PATTERN: Final = r"^(unix|(\[[0-9A-Za-z:.%_-]+\]|[^\s:/\[\]]+):[0-9]{1,5})$"
PYTHON_PATTERN: Final = (
    "^[A-Za-z_][A-Za-z0-9_]*([.][A-Za-z_][A-Za-z0-9_]*)*:"
    "[A-Za-z_][A-Za-z0-9_]*([.][A-Za-z_][A-Za-z0-9_]*)*$"
)
SECONDS: Final[Mapping[str, tuple[float, float]]] = {
    "deadline_seconds": (1, 3600),
    "grace_seconds": (0, 86_400),
}
"""Bounds of the keys that are seconds."""

_TAKEN: Final = {"authorization", "cookie", "host", "origin"}
"""Headers that say something else."""


@dataclass(frozen=True, slots=True)
class StaticKey:
    """A token that never expires, for scripts.

    Attributes:
        sha256: SHA-256 of the token, in 64 hexadecimal digits.
        user: whom it names: JSON with an `id`.
    """

    sha256: str = field(repr=False)
    user: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """How the server learns who somebody is.

    Attributes:
        required: whether a connection that has shown no valid token is closed after a while.
        deadline_seconds: how long that is.
        grace_seconds: how long somebody whose token has expired may take to bring another one.
        jwt: whose JSON Web Tokens are valid; None: nobody's.
        keys: static tokens.
        cookie: name of the cookie that holds a token; None: no cookie does.
        header: header in which a trusted proxy names the user, in lower case; None: none does.
        trusted: listeners behind such a proxy: `unix` for every UNIX socket, or `host:port`.
        query: member of the query that may hold a token; None: none may.
        python: a function that is asked who somebody is: `module:function`.
    """

    required: bool = False
    deadline_seconds: float = 10.0
    grace_seconds: float = 30.0
    jwt: JwtConfig | None = None
    keys: tuple[StaticKey, ...] = ()
    cookie: str | None = None
    header: str | None = None
    trusted: frozenset[str] = frozenset()
    query: str | None = None
    python: str | None = None

    def trusts(self, listen: Listen) -> bool:
        """Return whether what comes in by this listener has passed a proxy that signs people in."""
        if listen.unix is not None:
            return UNIX in self.trusted
        return _named(listen) in self.trusted

    @property
    def secrets(self) -> dict[str, object]:
        """Return what has to stay out of the log, as `Redactor` takes it."""
        return {"secrets": list(self.jwt.secrets) if self.jwt else []}


def _named(listen: Listen) -> str:
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    return f"{host}:{listen.port}".lower()


def parse_auth(value: object) -> AuthConfig:
    """Return the document's `auth`, checked.

    Raises:
        ConfigurationError: the document breaks the format; `key` is the place.
    """
    with ErrorCollector() as errors:
        members = object_at(value, "auth", errors, optional=tuple(_PARSERS))
        read: dict[str, object] = {
            key: errors.attempt(parse, members[key], f"auth.{key}")
            for key, parse in _PARSERS.items()
            if key in members
        }
        if not members.keys() & {"jwt", "keys", "header", "python"}:
            problem = 'nobody could ever sign in; add "jwt", "keys", "python", or "header"'
            errors.add("auth", problem)
        for key, needed in (("header", "trusted"), ("trusted", "header")):
            if key in members and needed not in members:
                errors.add(f"auth.{needed}", f'is missing, and "{key}" needs it; add it')
    return AuthConfig(**read)  # type: ignore[arg-type]


def check_auth(auth: AuthConfig, listen: Sequence[Listen], origins: Origins) -> None:
    """Check what depends on other keys of the configuration.

    Raises:
        ConfigurationError: any page could act for whoever visits it, or a trusted listener does not exist.
    """
    with ErrorCollector() as errors:
        for key in ("cookie", "header"):
            wide = sorted(origins.allowed & {ANY, NULL})
            if getattr(auth, key) is not None and wide:
                # A browser sends the cookie, and a proxy the header, whatever page opens the connection.
                problem = f'cannot be combined with {shown(wide[0])} in "origins"'
                advice = "any page could act for its visitors; list the pages that may connect"
                errors.add(f"auth.{key}", f"{problem}: {advice}")
        known = {UNIX if each.unix is not None else _named(each) for each in listen}
        for name in sorted(auth.trusted - known):
            problem = f"there is no listener {shown(name)}; there is {', '.join(sorted(known))}"
            errors.add("auth.trusted", problem)


def _seconds(value: object, place: str) -> float:
    return parse_seconds(value, place, *SECONDS[place.rpartition(".")[2]])


def _keys(value: object, place: str) -> tuple[StaticKey, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_KEYS:
        found = f"{len(value):,}" if isinstance(value, list) else kind(value)
        raise ConfigurationError(place, f"expected a list of 1 to {MAX_KEYS:,}, found {found}")
    found_keys: dict[str, StaticKey] = {}
    with ErrorCollector() as errors:
        for index, entry in enumerate(value):
            key = errors.attempt(_static_key, entry, f"{place}[{index}]")
            if key is not None and found_keys.setdefault(key.sha256, key) is not key:
                errors.add(f"{place}[{index}].sha256", "appears twice; keep one")
    return tuple(found_keys.values())


def _static_key(value: object, place: str) -> StaticKey:
    with ErrorCollector() as errors:
        members = object_at(value, place, errors, required=("sha256", "user"))
        sha256 = members.get("sha256")
        if "sha256" in members and not (
            isinstance(sha256, str) and re.fullmatch(HASH_PATTERN, sha256)
        ):
            # What stands here may be the token itself.
            problem = "expected the SHA-256 of the token, 64 hexadecimal digits"
            errors.add(f"{place}.sha256", problem)
        user = members.get("user")
        if "user" in members:
            if not isinstance(user, dict):
                problem = f'expected an object such as {{"id": "importer"}}, found {kind(user)}'
                errors.add(f"{place}.user", problem)
            elif not isinstance(user.get("id"), str) or not 0 < len(user["id"]) <= MAX_ID:
                problem = f"expected a text of 1 to {MAX_ID} characters"
                errors.add(f"{place}.user.id", f"{problem}, found {shown(user.get('id'))}")
    return StaticKey(str(sha256).lower(), MappingProxyType(dict(user or {})))  # type: ignore[call-overload]


def _word(value: object, place: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(WORD_PATTERN, value):
        what = "a cookie" if place.endswith("cookie") else "a header"
        problem = f"expected the name of {what}, found {shown(value)}"
        raise ConfigurationError(place, problem)
    return value


def _header(value: object, place: str) -> str:
    name = _word(value, place).lower()
    if name in _TAKEN:
        problem = (
            f"{shown(value)} means something else; name the header in which the proxy puts the user"
        )
        raise ConfigurationError(place, problem)
    return name


def _trusted(value: object, place: str) -> frozenset[str]:
    if not isinstance(value, list) or not value:
        problem = 'expected a list of listeners, such as ["unix"]'
        found = "an empty list" if value == [] else kind(value)
        raise ConfigurationError(place, f"{problem}, found {found}")
    with ErrorCollector() as errors:
        for index, entry in enumerate(value):
            if not isinstance(entry, str) or not re.fullmatch(TRUSTED_PATTERN, entry):
                problem = f'expected "unix" or "host:port", found {shown(entry)}'
                errors.add(f"{place}[{index}]", problem)
    return frozenset(str(entry).lower() for entry in value)


def _query(value: object, place: str) -> str | None:
    if isinstance(value, bool):
        return QUERY if value else None
    if isinstance(value, str) and re.fullmatch(QUERY_PATTERN, value):
        return value
    problem = f"expected true, false, or a name such as {shown(QUERY)}, found {shown(value)}"
    raise ConfigurationError(place, problem)


def _python(value: object, place: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(PYTHON_PATTERN, value):
        problem = f'expected a function such as "myproject.auth:authenticate", found {shown(value)}'
        raise ConfigurationError(place, problem)
    return parse_text(value, place)


_PARSERS: Final[Mapping[str, Callable[[object, str], object]]] = {
    "required": parse_flag,
    "deadline_seconds": _seconds,
    "grace_seconds": _seconds,
    "jwt": parse_jwt,
    "keys": _keys,
    "cookie": _word,
    "header": _header,
    "trusted": _trusted,
    "query": _query,
    "python": _python,
}
