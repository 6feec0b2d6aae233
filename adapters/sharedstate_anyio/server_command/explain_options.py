"""The command line of `sharedstate-anyio explain`."""

from __future__ import annotations

import argparse
from math import isfinite, nan
from pathlib import Path
from typing import Any, Final

import msgspec

from .base_parser import Parser
from .options import CONFIG

ACTIONS: Final = ("read", "insert", "update", "remove", "reset", "list")
"""What somebody may want to do."""


def explain_parser() -> argparse.ArgumentParser:
    """Return the parser of `explain`."""
    parser = Parser(
        prog="sharedstate-anyio explain",
        description="Tell whether the rules of a configuration allow something, and why: the entry that decides, "
        "each part of its expression with its place and its value, the item as the server would stamp it. "
        "Neither a server nor stored data is asked.",
        epilog='example: sharedstate-anyio explain config.json --user \'{"id": "ann"}\' update /chat/items/lobby '
        """--item '{"id": "m1", "by": "bob"}' --new '{"id": "m1", "text": "hi"}'. """
        "exit status: 0 if it is allowed, 1 if it is denied, 2 for a wrong command or configuration",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help=CONFIG)
    parser.add_argument("action", metavar="ACTION", choices=ACTIONS, help=", ".join(ACTIONS))
    parser.add_argument(
        "path",
        metavar="PATH",
        help="the collection, /app/service/name; to list names /app/service, /app or /apps",
    )
    parser.add_argument(
        "--user",
        type=_object_with_id,
        metavar="JSON",
        help="who it is, as a token tells: an object with an id, and other claims (default: nobody)",
    )
    parser.add_argument(
        "--item",
        type=_item,
        metavar="JSON",
        help="what is stored: for update, remove, and reset, of which it is one of the items; for read, one that "
        "may be read, or not (default: which may be read is told); an id is made up if there is none",
    )
    parser.add_argument(
        "--new",
        type=_item,
        metavar="JSON",
        help="what the client wants to store: for insert, update; its id is that of --item, or made up, if it has none",
    )
    parser.add_argument(
        "--session", metavar="ID", help="public name of the session (default: none)"
    )
    parser.add_argument(
        "--now",
        type=_seconds,
        metavar="SECONDS",
        help="the time, since the Unix epoch (default: this machine's)",
    )
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = nan
    if not isfinite(seconds):
        raise argparse.ArgumentTypeError(f"expected seconds since the Unix epoch, found {text!r}")
    return seconds


def _object_with_id(text: str) -> dict[str, Any]:
    value = _json(text)
    if isinstance(value, dict) and isinstance(value.get("id"), str):
        return value
    raise argparse.ArgumentTypeError(f'expected an object with an id, {{"id": "…"}}, found {text}')


def _item(text: str) -> dict[str, Any]:
    value = _json(text)
    if isinstance(value, dict) and isinstance(value.get("id", ""), str):
        return value
    raise argparse.ArgumentTypeError(f"expected an object, its id a text, found {text}")


def _json(text: str) -> object:
    try:
        found: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise argparse.ArgumentTypeError(f"expected JSON, found {text!r}: {error}") from None
    return found
