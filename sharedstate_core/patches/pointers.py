"""Names of members in filters and patches, and the places of faults.

A member is named by its name, or by a JSON Pointer (RFC 6901), which begins with `/` and goes through objects only.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

Path: TypeAlias = "tuple[str, ...]"
"""The names of members, each of the one before, the first of the item."""

MAX_PATH: Final = 8
"""Maximum number of members of a path: a negated test of a filter looks at each of them twice."""

_WRONG: Final = re.compile(r"~(?![01])")

_SHOWN: Final = 60
"""Maximum length of a name in an error."""


def path_of(member: str) -> Path:
    """Return the path that a name or a pointer stands for.

    Raises:
        ValueError: it is a pointer that is not valid, or is too long; the text says what was expected.
    """
    if not member.startswith("/"):
        return (member,)
    if _WRONG.search(member):
        raise ValueError("expected ~0 or ~1 behind a ~ in a pointer")
    path = member[1:].split("/", MAX_PATH)
    if len(path) > MAX_PATH:
        raise ValueError(f"expected a pointer of at most {MAX_PATH} members")
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in path)


def inside(place: str, name: str) -> str:
    """Return the place of a member of what is at a place; a name that is not plain, or long, is quoted, and cut."""
    is_plain = name.isascii() and name.isidentifier() and len(name) <= _SHOWN
    return f"{place}{f'.{name}' if is_plain else f'[{name[:_SHOWN]!r}]'}"
