"""Paths: the names of collections, `/app/service/collection`, and of other things that can be read.

Segments compare by code point. Empty segments are dropped, so `app/items/c`, `/app/items/c/` and `/app//items/c` all
name the same collection (PROTOCOL.md, "Paths").
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from .errors import RequestError

MAX_SEGMENT_BYTES: Final = 128
"""Maximum length of a segment, in bytes of UTF-8: it must fit both an application key and an index column."""


MAX_PATH_CHARACTERS: Final = 512
"""Maximum length of a path as spelled, including empty segments: every notification repeats it."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class CollectionPath(NamedTuple):
    """A collection's path in normal form: equal paths name the same collection."""

    app: str
    service: str
    collection: str

    def __str__(self) -> str:
        return f"/{self.app}/{self.service}/{self.collection}"


def split_path(text: str) -> tuple[str, ...]:
    """Return the non-empty segments of a path; if there are three, as a `CollectionPath`.

    Raises:
        RequestError: `bad_path`, if it is longer than `MAX_PATH_CHARACTERS`, or if a segment is `.` or `..`, holds
            a control character or a lone surrogate, or is longer than `MAX_SEGMENT_BYTES`.
        TypeError: it is not a str.
    """
    if not isinstance(text, str):
        raise TypeError(f"path: expected a str, found {type(text).__name__}")
    if len(text) > MAX_PATH_CHARACTERS:
        problem = f"longer than {MAX_PATH_CHARACTERS} characters"
        raise RequestError("bad_path", f"path {text[:200]!r}...: {problem}")
    return _split(text)


def parse_collection_path(text: str) -> CollectionPath:
    """Return the collection that `text` names.

    Raises:
        RequestError: `bad_path`, as for `split_path`, or if there are not exactly three segments.
    """
    segments = split_path(text)
    if not isinstance(segments, CollectionPath):
        raise RequestError(
            "bad_path", f"path {text[:200]!r}: expected /app/service/collection, three segments"
        )
    return segments


@lru_cache(maxsize=1024)  # connections keep naming the same few paths
def _split(text: str) -> tuple[str, ...]:
    segments = tuple(segment for segment in text.split("/") if segment)
    for segment in segments:
        if problem := _problem(segment):
            raise RequestError("bad_path", f"path {text[:200]!r}: {problem}")
    return CollectionPath(*segments) if len(segments) == 3 else segments


def _problem(segment: str) -> str | None:
    if segment in {".", ".."}:
        return f"a segment may not be {segment!r}"
    try:
        size = len(segment.encode())
    except UnicodeEncodeError:
        return "a segment holds a lone surrogate"
    if size > MAX_SEGMENT_BYTES:
        return f"a segment is longer than {MAX_SEGMENT_BYTES} bytes of UTF-8"
    if _CONTROL.search(segment):
        return "a segment holds a control character"
    return None
