"""The command line, and its help."""

from __future__ import annotations

import argparse
import math
import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sharedstate_anyio.server_command.base_parser import Parser
from sharedstate_anyio.server_command.options import CLIENT_COMMANDS
from sharedstate_anyio.version import ShowVersion

from .filtering import FILTER, add_filter
from .tally import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .target import Target

DESCRIPTION: Final = (
    "Read, write, follow, save and restore the collections of a SharedState server."
)

EPILOG: Final = """
A URL is ws://host:port or wss://host (http and https mean the same), or host:port alone. Items go in and out as JSON
lines: one JSON object per line, its numbers kept to the last digit.

examples:
  sharedstate put localhost:9000/app/items/todo '{"id": "milk", "done": false}'
  sharedstate patch localhost:9000/app/items/todo milk '{"set": {"done": true}}'
  sharedstate get localhost:9000/app/items/todo
  sharedstate watch localhost:9000/app/items/todo --initial | jq .new
  sharedstate watch localhost:9000/app/items/chat --where '{"room": "r3"}' --last 50
  sharedstate dump wss://example.org/app/items/todo -o todo.jsonl
  sharedstate load wss://example.org/app/items/todo todo.jsonl --reset
  sharedstate delete localhost:9000/app/items/todo   asks first, at a terminal
  sharedstate get localhost:9000/                    names of the services

exit status: 0 done; 1 the server cannot be reached, refused or went away, or an item does not exist; 2 a wrong command
line or line of input; 130 Ctrl-C, 143 SIGTERM, also of watch, which ends that way; 141 nobody reads the output

The server itself is sharedstate-anyio; sharedstate config.json starts it too.
"""

WATCH: Final = f"""
With a filter, an item that begins to fit comes as "new" without "old", one that no longer does as "old" without "new".
{FILTER}"""

PUT: Final = """
A line is an item, {"id": …}, which is added or replaces the one with the same id, or a change, made in one step:
{"remove": [ids], "insert": [items], "reset": true, "patch": [patches], "if": {"epoch": …, "version": …, "ids": […]}},
all members optional.
Each line is stored before the next one is sent; the first that fails ends the command.
"""

PATCH: Final = """
A change has any of these members: {"set": {"m": value}, "unset": ["m"], "inc": {"m": number}, "now": ["m"],
"add": {"m": [values]}, "pull": {"m": [values]}}. now makes a member the time by the server's clock; add and pull are
for lists. m is the name of a member, or /m/n for one inside another. All other members of the item stay as they are.
"""

LOAD: Final = """
Items are added, or replace those with the same id, in batches. With --reset they replace the present content, in the
order of the lines; everything is read and checked before anything is changed. A batch whose answer is lost with the
connection is sent again. A bad line ends the command once the lines before it are stored. If --reset finds no lines,
perhaps because a command before the pipe failed, it changes nothing unless --allow-empty is given.
"""


DELETE: Final = """
Subscribers see it as one change. The collection is still listed afterwards. It asks first, if standard input is a
terminal. To keep a copy: sharedstate dump URL -o FILE, and load to restore it.
"""


KICK: Final = """
All connections of the user are closed, and their clients do not come back by themselves. Whoever has a valid token can:
take it away first. It needs a token of an admin of all collections, such as sharedstate-anyio token makes.
"""


def names_configuration(given: Sequence[str]) -> bool:
    """Return whether a command line names a file in place of a command: such a command line is meant for the server."""
    if not given or given[0] in CLIENT_COMMANDS:
        return False
    words = [each for each in given if not each.startswith("-")]
    return any(each.endswith(".json") or Path(each).is_file() for each in words)


def parse(given: Sequence[str]) -> argparse.Namespace:
    """Parse the command line, and end the process if it is wrong."""
    made = parser()
    word = given[0] if given else ""
    if word and not word.startswith("-") and word not in CLIENT_COMMANDS:
        meant = get_close_matches(word, CLIENT_COMMANDS, n=1)
        advice = f"there are {', '.join(CLIENT_COMMANDS)}"
        if meant:
            advice = f"did you mean {meant[0]}?"
        elif re.search(r"[:/]", word):
            advice = "put one of them before the URL, such as get"
        made.error(f"there is no command {word!r}, and no such file; {advice}")
    return made.parse_args(given)


def parser() -> argparse.ArgumentParser:
    """Return the parser; its result has `command`, the name of one."""
    made = Parser(
        prog="sharedstate",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action=ShowVersion, help="show the version and exit")
    commands = made.add_subparsers(metavar="COMMAND", required=True, dest="command")

    get = _command(commands, "get", "print items, or names of services and collections", FILTER)
    get.add_argument("target", type=_partial, metavar="URL", help="URL/app/service/collection")
    get.add_argument("ids", nargs="*", metavar="ID", help="only these items")
    add_filter(get)

    put = _command(commands, "put", "make updates, one per line", PUT)
    _target(put)
    put.add_argument("changes", nargs="*", metavar="JSON", help="default: standard input")
    put.set_defaults(tally=Tally("update"))

    patch = _command(commands, "patch", "change some members of an item", PATCH)
    _target(patch)
    patch.add_argument("id", metavar="ID", help="of the item")
    patch.add_argument("change", metavar="JSON", help="what to change")
    patch.add_argument("--upsert", action="store_true", help="make the item if there is none")

    watch = _command(commands, "watch", "print changes as they arrive, until Ctrl-C", WATCH)
    _target(watch)
    watch.add_argument("--initial", action="store_true", help="begin with the present items")
    add_filter(watch)
    watch.set_defaults(patience=math.inf)

    load = _command(commands, "load", "insert many items; restore a dump", LOAD)
    _target(load)
    load.add_argument("file", nargs="?", type=_file, help="default, or -: standard input")
    load.add_argument("--reset", action="store_true", help="replace the present content")
    load.add_argument(
        "--allow-empty",
        action="store_true",
        help="let --reset empty the collection if there are no lines",
    )
    load.add_argument(
        "--id-field", metavar="NAME", help="make the id from this member: text, or a whole number"
    )
    load.add_argument(
        "--batch", type=_count, default=500, metavar="N", help="items per batch (default: 500)"
    )
    _quiet(load)
    load.set_defaults(tally=Tally("item"))

    dump = _command(commands, "dump", "print a whole collection, for load")
    _target(dump)
    dump.add_argument("-o", "--output", type=_file, metavar="FILE", help="whole or not at all")
    _quiet(dump)

    delete = _command(commands, "delete", "remove all items of a collection", DELETE)
    _target(delete)
    delete.add_argument("-y", "--yes", action="store_true", help="do not ask for confirmation")
    _quiet(delete)

    kick = _command(commands, "kick", "sign out a user", KICK)
    kick.add_argument("target", type=_server, metavar="URL", help="of the server")
    kick.add_argument("--user", required=True, metavar="ID", help="whose connections are closed")
    _quiet(kick)
    return made


def _command(
    commands: argparse._SubParsersAction[Parser],
    name: str,
    summary: str,
    more: str = "",
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(tally=None)
    made.add_argument("--ca", metavar="FILE", help="certificates to trust (PEM), for wss")
    made.add_argument(
        "--cert", metavar="FILE", help="certificate to show, if the server asks (PEM)"
    )
    made.add_argument("--key", metavar="FILE", help="its key (default: in the same file)")
    made.add_argument(
        "--header", type=_header, action="append", default=[], help="'Name: value' of the handshake"
    )
    made.add_argument(
        "--token", metavar="TEXT", help="shows the server who you are; others may see it in ps"
    )
    made.add_argument(
        "--token-file", type=Path, metavar="FILE", help="holds the token; read for each connection"
    )
    made.add_argument(
        "--timeout", type=_seconds, default=10.0, metavar="S", help="to connect (default: 10)"
    )
    made.add_argument(
        "--patience",
        type=_seconds,
        default=30.0,
        metavar="S",
        help="once connected, give up after so long without connection, answer or storage (default: 30; watch: never)",
    )
    return made


def _target(made: argparse.ArgumentParser) -> None:
    made.add_argument("target", type=_whole, metavar="URL", help="URL/app/service/collection")


def _quiet(made: argparse.ArgumentParser) -> None:
    made.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary")


def _whole(text: str) -> Target:
    return _parsed(text, partial=False)


def _server(text: str) -> Target:
    from .target import parse_server  # noqa: PLC0415  (what --help does without)

    try:
        return parse_server(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _partial(text: str) -> Target:
    return _parsed(text, partial=True)


def _parsed(text: str, *, partial: bool) -> Target:
    from .target import parse_target  # noqa: PLC0415  (what --help does without)

    try:
        return parse_target(text, partial=partial)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _file(text: str) -> Path | None:
    return None if text == "-" else Path(text)


_HANDSHAKE: Final = {"host", "connection", "upgrade"}


def _header(text: str) -> tuple[str, str]:
    name, _, value = (part.strip() for part in text.partition(":"))
    fits = re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) and value.isprintable()
    if not fits or any(ord(each) > 255 for each in value):
        raise argparse.ArgumentTypeError(f"expected 'Name: value', found {text!r}")
    if name.lower() in _HANDSHAKE or name.lower().startswith("sec-websocket-"):
        raise argparse.ArgumentTypeError(f"the handshake has its own {name}")
    return name, value


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"expected a number of seconds, found {text!r}")
    return seconds


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 20_000:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 20000, found {text!r}")
