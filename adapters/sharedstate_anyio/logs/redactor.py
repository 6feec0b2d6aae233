"""Redaction: what stands under a service's `config` stays out of everything the server prints, unless it is harmless.

1. A value is shown if its key is one of `HARMLESS`, or if it is a boolean, null, a fraction or a number below 1,000;
   but not if it holds a password or lines, or is under a key that names a secret.
2. All else is left out, in every spelling. Nobody can list the names that keys of secrets have.
3. What stands openly elsewhere, such as the name of a service, is shown, unless its key names a secret.
4. Nothing is shown that has the form of a JSON Web Token, or stands where tokens are sent: in `Authorization`, in
   cookies, in a query.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

HIDDEN: Final = "***"

HARMLESS: Final = frozenset(
    {
        *("type", "name", "table", "user", "host", "port", "socket", "database"),
        *("path", "file", "folder", "directory", "timeout", "pool_size", "synchronous"),
        *("collections", "ssl.enabled", "ssl.ca", "ssl.cert", "ssl.key", "ssl.check_hostname"),
    }
)
"""Keys whose values are shown, with or without `db_` before them: those of `items_service`, and the like."""

LONG: Final = 8
"""Shorter values are matched only as whole words, or nothing readable would be left; secrets from 4 characters on are
not."""

_SECRET_KEY: Final = re.compile(
    r"pass|pwd|secret|token|credential|dsn|ur[il]|key|auth|private", re.IGNORECASE
)
_NOT_PLAIN: Final = re.compile(r"://|@|[\r\n]")
_IN_URL: Final = re.compile(r"://[^/@\s]*?:([^/@\s]+)@")
_PAIR: Final = re.compile(r"(\w+)=([^\s;&=][^\s;&]*)")
_NEVER: Final[re.Pattern[str]] = re.compile(r"(?!)")

# A JSON object in base64url begins with `e`, then mostly `yJ`; without that it takes capitals to tell it from a host.
_JWT: Final = re.compile(
    r"(?<![\w-])(?:e[wy](?=[a-z_-]*[A-Z0-9])[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)+|eyJ[A-Za-z0-9_-]{8,})"
)
# As a line of a request's head, or as Python or JSON shows a pair; `auth.cookie: ` is a place in the configuration.
_PAIRED: Final = r"(?:\\*['\"]\s*[:,=]\s*b?\\*['\"]|\s*:\s*)"
_AUTHORIZATION: Final = re.compile(
    rf"(?P<before>(?<![\w.])(?:proxy-)?authorization{_PAIRED})(?:\w+ +)?[^\s'\",;\\]+",
    re.IGNORECASE,
)
_COOKIE: Final = re.compile(
    rf"(?P<before>(?<![\w.])(?:set-)?cookie{_PAIRED})(?:=\\?\"[^\"\r\n]*\"|[^'\"\r\n\\])+",
    re.IGNORECASE,
)
_BEARER: Final = re.compile(r"(?P<before>\bbearer +)[A-Za-z0-9._~+/-]{6,}=*", re.IGNORECASE)
_MEMBERS: Final = ("token", "access_token", "id_token", "refresh_token")


class _Secret(NamedTuple):
    """A value to leave out; `certain` if the name of its key says that it is a secret."""

    text: str
    certain: bool

    @property
    def is_word(self) -> bool:
        return len(self.text) < (4 if self.certain else LONG) or self.text.isdigit()


class Redactor:
    """Replaces what may be a secret of configurations by `***`, in any text.

    Args:
        configs: objects of the configuration, each of a service.
        public: what is shown anyway, unless its key names a secret: names of services and their modules.
        members: names of cookies, and of members of a query, that hold a token.
    """

    def __init__(
        self,
        configs: Iterable[Mapping[str, object]] = (),
        public: Collection[str] = (),
        members: Collection[str] = (),
    ) -> None:
        shown: set[str] = set(public)
        found = [secret for config in configs for secret in _secrets(config, shown, certain=False)]
        kept = {secret for secret in found if secret.certain or secret.text not in shown}
        longest_first = sorted(kept, key=lambda secret: len(secret.text), reverse=True)
        spellings = [spelling for secret in longest_first for spelling in _spellings(secret)]
        self._pattern = re.compile("|".join(dict.fromkeys(spellings))) if spellings else _NEVER
        names = "|".join(re.escape(name) for name in members)
        own = rf"|(?<![\w.-])(?:{names})=" if names else ""
        of_a_query = "|".join(_MEMBERS)
        member = re.compile(rf"(?P<before>[?&](?:{of_a_query})={own})[^\s&;,'\"#]+")
        self._places = (_AUTHORIZATION, _COOKIE, _BEARER, member)

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        text = _JWT.sub(HIDDEN, self._pattern.sub(HIDDEN, text))
        for place in self._places:
            text = place.sub(rf"\g<before>{HIDDEN}", text)
        return text


def _secrets(value: object, shown: set[str], *, certain: bool) -> Iterator[_Secret]:
    """Yield what is to be left out, and add to `shown` what is harmless."""
    match value:
        case Mapping():
            for key, member in value.items():
                if not certain and _is_harmless(str(key), member):
                    shown.add(str(member))
                else:
                    named = certain or bool(_SECRET_KEY.search(str(key)))
                    yield from _secrets(member, shown, certain=named)
        case list() | tuple() | set() | frozenset():
            for element in value:
                yield from _secrets(element, shown, certain=certain)
        case int() if value not in {0, 1} and (certain or abs(value) >= 1000):  # True is 1
            yield _Secret(str(value), certain)
        case bytes():
            yield from _secrets(value.decode("latin-1"), shown, certain=certain)
        case str() if value:
            yield from (
                _Secret(part, certain)
                for part in {value, *map(str.strip, value.splitlines())}
                if part.strip()
            )
            for password in _IN_URL.findall(value):
                yield from (
                    _Secret(each, True) for each in (password, urllib.parse.unquote(password))
                )
            yield from _secrets(dict(_PAIR.findall(value)), shown, certain=False)
        case _:
            pass


def _is_harmless(key: str, value: object) -> bool:
    if key.lower().removeprefix("db_") not in HARMLESS:
        return False
    return isinstance(value, int) or (isinstance(value, str) and not _NOT_PLAIN.search(value))


def _spellings(secret: _Secret) -> Iterator[str]:
    """Yield patterns for a secret, both verbatim and as Python, JSON and URLs write it."""
    edges = (r"(?<!\w)", r"(?!\w)") if secret.is_word else ("", "")
    text = secret.text
    quoted = urllib.parse.quote(text, safe="")
    for spelling in (text, repr(text)[1:-1], json.dumps(text)[1:-1], quoted):
        yield re.escape(spelling).join(edges)
