"""The command line of `sharedstate-anyio`, and its `--help`."""

from __future__ import annotations

import argparse
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sharedstate_anyio.logs.formatting import FORMATS, LEVELS
from sharedstate_anyio.version import ShowVersion

from .base_parser import Parser

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIG: Final = "as for the server"

MAX_DAYS: Final = 36_500
UNITS: Final = {"days": 86_400, "minutes": 60, "seconds": 1}
"""Seconds of each unit of how long a token is valid."""

CLIENT_COMMANDS: Final = ("get", "put", "patch", "watch", "load", "dump", "delete", "kick")
"""The commands of `sharedstate`."""

ABOUT: Final = """\
Serve named collections of JSON items that browsers and programs keep in sync, over WebSockets.

Without a configuration file it serves, on http://127.0.0.1:9000/, the services "items" (the SQLite file
./sharedstate.db) and "mitems" (in memory). Open that page: it shows a live demo.
"""

GUIDE: Final = """\
other commands, each with a --help of its own:
  sharedstate-anyio check [config.json]    find the mistakes in a configuration before a start does
  sharedstate-anyio schema                 print the JSON Schema of the configuration, for editors
  sharedstate-anyio token CONFIG --user ID  sign a token for somebody, with the configuration's secret
  sharedstate-anyio explain CONFIG ACTION PATH  tell which rule allows or denies something, and why
  sharedstate-anyio backup CONFIG TO       save every service in one file, while the server runs
  sharedstate-anyio restore CONFIG FROM    restore that file, whether the server runs or not
  sharedstate-anyio migrate [config.json]  take over the data of an earlier SharedState, once
  sharedstate get|put|watch|dump|load|delete  read and write the collections of a running server

examples:
  sharedstate-anyio                        collections in ./sharedstate.db and in memory, on port 9000
  sharedstate-anyio config.json            services, listeners and limits of a configuration file
  sharedstate-anyio --port 0               any free port; the one chosen is printed
  sharedstate-anyio --demo-users           a page with two users of different rights, to try out
  sharedstate-anyio --host 0.0.0.0         for everybody who can reach this machine; see "origins" below

a configuration to begin with:
  {
    "$schema": "./config.schema.json",
    "service": {"host": "127.0.0.1", "port": 9000},
    "services": [
      {"name": "items", "module": "items_service",
       "config": {"db_type": "sqlite", "db_name": "items.db"}}
    ],
    "origins": ["same-host", "localhost", "https://app.example.org"]
  }
  An item of the service "items" belongs to a collection such as /myapp/items/todo: /app/service/collection.
  "origins" lists the pages that may connect, "hosts" other names of this server. Nobody has to sign in, and
  everybody may do everything, unless "auth" and "rules" say otherwise: docs/users-and-rights.md tells how.

for operators:
  GET /healthz   200 while the process runs
  GET /readyz    200 while every service can store updates, else 503
  GET /metrics   metrics for Prometheus, only for this machine unless "metrics" says otherwise
                 (pip install 'sharedstate[metrics]')
  SIGTERM, Ctrl-C  stop: finish what was accepted, close the clients, which come back later
  SIGQUIT, Ctrl-\\  print the stack of every thread to standard error, and go on
  SIGHUP           reload the configuration and the certificates; the log says what has changed

exit status: 0 after Ctrl-C or SIGTERM, 1 if the server cannot run, 2 for a wrong command or configuration
"""


def serve_parser() -> argparse.ArgumentParser:
    """Return the parser of the command that serves."""
    parser = Parser(
        prog="sharedstate-anyio",
        description=ABOUT,
        epilog=GUIDE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "config",
        nargs="?",
        type=Path,
        help="configuration file (JSON); without: the embedded default",
    )
    where = parser.add_argument_group("where to listen")
    where.add_argument("--host", help="address to listen on; overrides service.host")
    where.add_argument("--port", type=_port, help="port to listen on; overrides service.port")
    where.add_argument("--unix", metavar="PATH", help="listen on a UNIX socket, and nowhere else")
    parser.add_argument(
        "--demo-users",
        action="store_true",
        help="the embedded default with two users of different rights, for this machine only: prints a page to open, "
        "with tokens that are valid until the server stops",
    )
    parser.add_argument(
        "--loop",
        choices=("asyncio", "uvloop", "trio"),
        default="asyncio",
        help="event loop (default: asyncio); uvloop and trio are installed as sharedstate[uvloop] and [trio]",
    )
    says = parser.add_argument_group("output")
    says.add_argument(
        "--log-format",
        choices=FORMATS,
        default="text",
        help="json: all output as JSON lines on standard error (default: text)",
    )
    says.add_argument(
        "--log-level",
        choices=LEVELS,
        default="info",
        help="the lowest level to log (default: info); debug includes every broken connection",
    )
    says.add_argument("--version", action=ShowVersion, help="show the version and exit")
    return parser


def parse_serve(arguments: Sequence[str], commands: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments of a start, and end the process if they are wrong.

    Args:
        arguments: without the program's name.
        commands: words that would have been commands in first place.
    """
    parser = serve_parser()
    options, more = parser.parse_known_args(arguments)
    name = str(options.config or "")
    if name in commands:
        parser.error(f"{name} must come first, and takes only a configuration")
    if name and not Path(name).exists():
        if name in CLIENT_COMMANDS:
            parser.error(f"{name} is a command of the other program: sharedstate {name} ...")
        meant = get_close_matches(name, commands, n=1)
        if meant or (more and not any(each.startswith("-") for each in more)):
            advice = f"did you mean {meant[0]}?" if meant else "sharedstate-anyio FILE serves"
            parser.error(f"there is no command {name!r}, and no file; {advice}")
    if more:
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    if options.unix is not None and (options.host is not None or options.port is not None):
        parser.error("--unix replaces --host and --port: give one or the other")
    if options.demo_users and (options.config or options.host is not None or options.unix):
        parser.error("--demo-users is for this machine only: no configuration, --host or --unix")
    return options


def migrate_parser() -> argparse.ArgumentParser:
    """Return the parser of `migrate`."""
    parser = _command(
        "migrate",
        "Take over the data of an earlier SharedState: tables with the columns app, chnl, id, "
        "ctime, data. Stop its server first. The old tables are kept, under names that end in "
        "_before_migration. It may be interrupted at any moment and run again.",
        "exit status: 0 if all is done or there was nothing to do, 1 if a database cannot be used, "
        "2 for a wrong command or configuration, 3 if all is done but rows were left behind",
    )
    parser.add_argument("config", nargs="?", type=Path, help=CONFIG)
    return parser


def backup_parser() -> argparse.ArgumentParser:
    """Return the parser of `backup`."""
    parser = _command(
        "backup",
        "Save the content of every service of a configuration in one file. Servers may run meanwhile; "
        "each service is saved as of one moment. The file is renamed to its final name only after it has been "
        "read back and verified, so an older one survives any failure. Services in memory are left out. "
        "Run it as the server's user, or as root; a relative db_name is relative to the working directory.",
        "exit status: 0 if all is saved, 1 if a store cannot be read or the file cannot be written, "
        "2 for a wrong command or configuration, or if the file exists already, 3 if a service was left "
        "out whose module cannot do this, 130 after Ctrl-C or SIGTERM",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help=CONFIG)
    parser.add_argument(
        "file", type=Path, metavar="TO", help="the file, such as sharedstate.backup.gz"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    _saving(parser)
    return parser


def restore_parser() -> argparse.ArgumentParser:
    """Return the parser of `restore`."""
    parser = _command(
        "restore",
        "Restore what backup has saved, even into another kind of storage. The whole content of the services in the "
        "backup is replaced, each of them completely or not at all; others stay as they are. "
        "The backup is read and checked before anything is touched. Servers may run meanwhile: "
        "their clients see the change as one step, within seconds.",
        "exit status: 0 if all is restored, 1 if the backup is damaged, or a store cannot be used, or "
        "you did not agree, 2 for a wrong command or configuration, 130 after Ctrl-C or SIGTERM; then each service "
        "is restored or as it was, and a line says which were restored before",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help=CONFIG)
    parser.add_argument("file", type=Path, metavar="FROM", help="what backup has written")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask for confirmation")
    _saving(parser)
    return parser


def _saving(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--service",
        action="append",
        default=[],
        metavar="NAME",
        help="only this service; may be given several times",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print only errors and warnings")


def check_parser() -> argparse.ArgumentParser:
    """Return the parser of `check`."""
    parser = _command(
        "check",
        "Find the mistakes in a configuration: read it, load the certificates, look up the "
        "addresses to listen on, import every service's module, open its storage, write a row of its own there and "
        "close it again. Nothing is created: if a file, a database or tables do not exist yet, it says so, and "
        "whether a start can create them. A running server is not disturbed.",
        "Results are printed on standard output, problems on standard error, one line each "
        "that begins with the place in the document. "
        "exit status: 0 if all is well, 1 if storage or an address cannot be used at the moment, "
        "2 for a wrong command or configuration",
    )
    parser.add_argument("config", nargs="?", type=Path, help=CONFIG)
    return parser


def token_parser() -> argparse.ArgumentParser:
    """Return the parser of `token`."""
    parser = _command(
        "token",
        "Sign a token for somebody with the first secret of the configuration's auth.jwt, and print it. "
        "Whoever has the token is that user, until it expires: hand it over as you would a password. "
        "Or tell, with --verify, whose a token is at a server with this configuration, or why it is refused.",
        "examples: sharedstate-anyio token config.json --user ann --claim role=editor --days 30; "
        "sharedstate-anyio token config.json --verify token.txt. "
        "exit status: 0 if it is printed, or valid, 1 if it is not valid, 2 for a wrong command or configuration",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help=CONFIG)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--user", metavar="ID", help="whom the token names")
    what.add_argument(
        "--verify",
        metavar="FILE",
        help="tell whose the token is that this file holds, or why it is refused; - for standard input",
    )
    parser.add_argument(
        "--claim",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what else it says of the user, for rules; the value is JSON if it can be, else a text; "
        "may be given several times",
    )
    term = parser.add_mutually_exclusive_group()
    for unit, seconds in UNITS.items():
        term.add_argument(
            f"--{unit}",
            type=partial(_term, unit),
            dest="seconds",
            default=30 * UNITS["days"],
            metavar="N",
            help="how long it is valid (default: 30 days); fractions are allowed"
            if seconds == UNITS["days"]
            else f"likewise, in {unit}",
        )
    return parser


def schema_parser() -> argparse.ArgumentParser:
    """Return the parser of `schema`."""
    return _command(
        "schema",
        "Print the JSON Schema (draft 2020-12) of the configuration. Editors that know it "
        "complete keys, explain them and mark mistakes.",
        "Save it beside the configuration (sharedstate-anyio schema > config.schema.json) and name it there: "
        '"$schema": "./config.schema.json".',
    )


def _command(name: str, description: str, epilog: str) -> Parser:
    return Parser(prog=f"sharedstate-anyio {name}", description=description, epilog=epilog)


def _term(unit: str, text: str) -> float:
    """Return so many days, minutes or seconds, in seconds."""
    most = MAX_DAYS * UNITS["days"] // UNITS[unit]
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= most:
        problem = f"expected a number of {unit}, more than 0 and up to {most:,}, found {text!r}"
        raise argparse.ArgumentTypeError(problem)
    return number * UNITS[unit]


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number from 0 to 65535, found {text!r}")
