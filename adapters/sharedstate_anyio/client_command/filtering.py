"""The options that ask for a part of a collection."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final, TypedDict

if TYPE_CHECKING:
    from argparse import Namespace

MAX_LAST: Final = 1000
"""As many as a server takes (PROTOCOL.md)."""

FILTER: Final = """
A filter is JSON: {"room": "r3", "n": {"gte": 1}, "or": [{"done": false}, {"tags": {"has": "new"}}]}. Tests are eq ne lt
lte gt gte in has prefix exists, a scalar alone means eq, and all must hold; and, or, not take filters. A member deeper
down is named like /geo/lat.
"""


class Part(TypedDict):
    """What of a collection is asked for; None for all that there is."""

    where: dict[str, Any] | None
    last: int | None
    fields: list[str] | None


WHOLE: Final = Part(where=None, last=None, fields=None)


def add_filter(made: argparse.ArgumentParser) -> None:
    """Add the options."""
    made.add_argument(
        "--where", type=_where, metavar="JSON", help="only items that fit this filter"
    )
    made.add_argument("--last", type=_last, metavar="N", help="only the N that were inserted last")
    made.add_argument(
        "--fields", type=_fields, metavar="A,B", help="only these members of each item, and id"
    )


def part_of(options: Namespace) -> Part:
    """Return what they ask for."""
    return Part(where=options.where, last=options.last, fields=options.fields)


def is_part(part: Part) -> bool:
    """Return whether they ask for less than everything."""
    return part != WHOLE


def _where(text: str) -> dict[str, Any]:
    from sharedstate_anyio.client.values import loads  # noqa: PLC0415  (what --help does without)
    from sharedstate_core import RequestError  # noqa: PLC0415
    from sharedstate_core.client import make_filter  # noqa: PLC0415

    try:
        where = loads(text.encode())
    except (ValueError, RecursionError) as error:
        problem = f'expected a filter, such as \'{{"room": "r3"}}\'; this is not JSON: {error}'
        raise argparse.ArgumentTypeError(problem) from None
    if not isinstance(where, dict):
        problem = f'expected a filter, such as \'{{"room": "r3"}}\', found {text[:100]!r}'
        raise argparse.ArgumentTypeError(problem)
    try:
        make_filter(where)
    except RequestError as error:
        raise argparse.ArgumentTypeError(error.message) from None
    return where


def _last(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 9 and 1 <= int(text) <= MAX_LAST:
        return int(text)
    raise argparse.ArgumentTypeError(
        f"expected a whole number from 1 to {MAX_LAST}, found {text!r}"
    )


def _fields(text: str) -> list[str]:
    names = text.split(",")
    if "" in names:
        problem = f"expected names of members with commas between them, found {text!r}"
        raise argparse.ArgumentTypeError(problem)
    return list(dict.fromkeys(names))
