"""JSON documents written by people: every error names its place.

A place is written as in JavaScript: `services[1].config.db_table`, `services[1].config["odd key"]`; the document itself
is the empty string. Every message fits on one line.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sharedstate_backends.contract import ConfigurationError
from sharedstate_backends.error_collector import ErrorCollector

from . import other_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

ANY: Final = "*"
"""In place of a list: whatever there is."""

MAX_UNKNOWN: Final = 10
"""Maximum number of unknown keys per object that are reported individually."""

MAX_WORD: Final = 100
"""Longer words are not matched against known keys."""

_PLAIN_KEY: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_.-]{0,59}")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_KINDS: Final[dict[type, str]] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


class _Members(dict[str, object]):
    """A JSON object being parsed, which remembers a duplicate key."""

    __slots__ = ("doubled",)

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        seen: set[str] = set()
        twice = (key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        self.doubled = None if len(self) == len(pairs) else next(twice)


@dataclass(frozen=True, slots=True)
class _NotJson:
    word: str


def decode(text: str, file: str) -> object:
    """Return the JSON document; refuse what `json` accepts in excess: duplicate keys, lone surrogates, `NaN`.

    Raises:
        ConfigurationError: `key` is the file, with line and column, or the place.
    """
    try:
        return _plain(json.loads(text, object_pairs_hook=_Members, parse_constant=_NotJson), "")
    except json.JSONDecodeError as error:
        where = f"{file}, line {error.lineno}, column {error.colno}"
        raise ConfigurationError(where, f"this is not JSON: {error.msg}") from None
    except RecursionError:
        raise ConfigurationError(file, "is nested too deep for a configuration") from None
    except ValueError:  # the only other cause: more digits than Python converts
        raise ConfigurationError(file, "holds a number that is too long") from None


def _plain(value: object, place: str) -> object:
    if isinstance(value, _Members):
        if value.doubled is not None:
            problem = f"the key {shown(value.doubled)} appears twice; keep one"
            raise ConfigurationError(place, problem)
        return {
            str(_plain(key, place)): _plain(member, join(place, key))
            for key, member in value.items()
        }
    if isinstance(value, list):
        return [_plain(element, f"{place}[{index}]") for index, element in enumerate(value)]
    if isinstance(value, _NotJson):
        raise ConfigurationError(place, f"{value.word} is not JSON; write a number or null")
    if isinstance(value, str) and (half := _SURROGATE.search(value)):
        problem = f"holds {shown(half[0])}, half of a character; write the character itself"
        raise ConfigurationError(place, problem)
    return value


def object_at(
    value: object,
    place: str,
    errors: ErrorCollector,
    *,
    required: tuple[str, ...] = (),
    optional: tuple[str, ...] = (),
) -> dict[str, object]:
    """Return the object at a place, without unknown keys.

    Unknown and missing keys are added to `errors`.

    Raises:
        ConfigurationError: it is not an object.
    """
    if not isinstance(value, dict | MappingProxyType):
        names = ", ".join(f'"{name}"' for name in required + optional)
        raise ConfigurationError(place, f"expected an object with {names}, found {kind(value)}")
    meant = set()  # a misspelled key is not also reported as missing
    unknown = [key for key in value if key not in required + optional]
    for key in unknown[:MAX_UNKNOWN]:
        other = other_keys.DOCUMENT.get(str(key))
        near = other.key if other else nearest(str(key), {*required, *optional} - value.keys())
        meant.add(near)
        known = "known here: " + ", ".join(sorted(required + optional))
        problem = f"did you mean {shown(near)}?" if near else known
        problem = other.advice if other else problem
        errors.add(join(place, str(key)), f"unknown key; {problem}")
    if len(unknown) > MAX_UNKNOWN:
        errors.add(place, f"{len(unknown) - MAX_UNKNOWN:,} more unknown keys")
    for key in required:
        if key not in value and key not in meant:
            errors.add(join(place, key), "is missing; add it")
    return {key: member for key, member in value.items() if key in required + optional}


def any_or_some(
    value: object, key: str, kinds: str, read: Callable[[object, str], str]
) -> frozenset[str]:
    """Return the entries of a member that is `"*"`, for any, or a list of some.

    Args:
        value: the member.
        key: its key.
        kinds: what the entries are, in the plural.
        read: returns an entry, checked; it gets the place of the entry, too.

    Raises:
        ConfigurationError: it is neither, or an entry is invalid; `key` is its place.
    """
    if value == ANY:
        return frozenset([ANY])
    if not isinstance(value, list):
        raise ConfigurationError(key, f'expected "*" or a list of {kinds}, found {kind(value)}')
    with ErrorCollector() as errors:
        entries = [errors.attempt(read, entry, f"{key}[{i}]") for i, entry in enumerate(value)]
    return frozenset(entry for entry in entries if entry is not None)


def nearest(word: str, known: Collection[str]) -> str | None:
    """Return the known word that was probably meant, if any."""
    if len(word) > MAX_WORD:
        return None
    return next(iter(difflib.get_close_matches(word, sorted(known), n=1)), None)


def join(place: str, key: str) -> str:
    """Return the place of an object's member."""
    if not _PLAIN_KEY.fullmatch(key):
        return f"{place}[{shown(key)}]"
    return f"{place}.{key}" if place else key


def shown(value: object) -> str:
    """Return a short value as the document spells it, or else its kind."""
    if isinstance(value, str):
        return json.dumps(value if len(value) <= 60 else f"{value[:60]}...")
    if isinstance(value, bool | float | None) or (isinstance(value, int) and abs(value) < 1e30):
        return json.dumps(value)
    return kind(value)


def kind(value: object) -> str:
    """Return the kind of a value in words: all that may be printed about a secret."""
    return _KINDS.get(type(value), type(value).__name__)
