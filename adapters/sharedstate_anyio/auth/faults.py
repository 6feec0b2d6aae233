"""An exception in words that hold nothing of what a connection has shown."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .identity import AuthRequest

PART: Final = 6
"""So many characters of a token, a header or a cookie in a row are a part of it."""
LONGEST: Final = 300
"""Longest text of an exception that is shown, in characters."""
FRAMES: Final = 3

_HARMLESS: Final = (
    *("accept", "connection", "host", "origin", "sec-", "upgrade", "user-agent", "authorization"),
)
"""How headers begin in which there are no secrets, or which are looked at by themselves."""


def describe(error: BaseException, request: AuthRequest) -> str:
    """Return what an exception is, what it says, and where it came from."""
    text = " ".join(str(error)[:LONGEST].split())
    if _holds_part(text, request):
        text = "(its text is left out: it holds a part of what was shown)"
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    where = " > ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{type(error).__name__}: {text} [{where}]"


def _holds_part(text: str, request: AuthRequest) -> bool:
    shown = "\n".join(_shown(request))
    return any(text[i : i + PART] in shown for i in range(max(0, len(text) - PART + 1)))


def _shown(request: AuthRequest) -> Iterator[str]:
    yield request.token or ""
    yield request.headers.get("authorization", "").partition(" ")[2]
    yield from request.cookies.values()
    for name, value in request.headers.items():
        if not name.startswith(_HARMLESS):
            yield value
