"""The commands that write: `put` and `load`. Whatever stops them, they say how far they came."""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from sharedstate_anyio.client import Condition, ConnectionLostError, Cursor, RequestError

from .failures import BAD_INPUT, FAILED, CommandError, is_in_doubt
from .lines import STDIN, Line, parse_line, read_objects
from .session import connecting, say, session

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from sharedstate_anyio.client import Client

BATCH_BYTES: Final = 256 * 1024
"""Size at which a batch is sent, however few items it has: well below what a server takes at once."""

ATTEMPTS: Final = 3
"""How often a batch is sent before a connection that breaks each time is blamed on the batch."""

PROGRESS_SECONDS: Final = 1.0


class _If(msgspec.Struct, forbid_unknown_fields=True):
    epoch: str
    version: int
    ids: tuple[str, ...] | None = None


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    insert: list[msgspec.Raw] = []
    remove: list[str] = []
    reset: bool = False
    condition: _If | None = msgspec.field(name="if", default=None)


_change = msgspec.json.Decoder(_Change)


class Tally:
    """How far a command came.

    Attributes:
        stored: how many the server has acknowledged.
    """

    def __init__(self, noun: str) -> None:
        self.stored = 0
        self._noun = noun
        self._said = time.monotonic()

    def __str__(self) -> str:
        if self.stored == 1:
            return f"1 {self._noun} is stored"
        return f"{self.stored:,} {self._noun}s are stored" if self.stored else "nothing is stored"

    def in_doubt(self) -> str:
        """Tell how far it came, of which the last that was sent is no part."""
        return f"{self} before" if self.stored else "nothing else is stored"

    def at_least(self) -> str:
        """Tell how far it came, if more may have been sent."""
        return f"at least {self}" if self.stored else "nothing is known to be stored"

    def add(self, number: int, *, quiet: bool) -> None:
        """Count, and tell now and then."""
        self.stored += number
        now = time.monotonic()
        if not quiet and now - self._said > PROGRESS_SECONDS:
            self._said = now
            say(f"{self} so far")


# --- put ----------------------------------------------------------------------------------------------


async def put(options: Namespace) -> int:
    """Make one update for each line, in order; each is acknowledged before the next one is sent."""
    url, path = options.target
    async with session(url, connecting(options)) as client:
        async for line in _given(options.changes):
            try:
                await _update(client, path, line)
            except (RequestError, ConnectionLostError) as error:
                status = BAD_INPUT if error.code == "bad_update" else FAILED
                problem = f"line {line.number}: {error}"
                raise CommandError(problem, status, in_doubt=is_in_doubt(error)) from None
            options.tally.stored += 1
    return 0


async def _given(arguments: list[str]) -> AsyncIterator[Line]:
    """Read the changes on the command line, else those on standard input."""
    for number, argument in enumerate(arguments, 1):
        yield parse_line(number, os.fsencode(argument))
    if not arguments:
        async for line in read_objects(STDIN):
            yield line


async def _update(client: Client[bytes], path: str, line: Line) -> None:
    if "id" in line.value:
        await client.update(path, insert=[line.text])
        return
    try:
        change = _change.decode(line.text)
    except msgspec.DecodeError as error:
        problem = f"line {line.number} is neither an item (with an id) nor a change: {error}"
        raise CommandError(problem, BAD_INPUT) from None
    wanted = change.condition
    await client.update(
        path,
        insert=[bytes(raw) for raw in change.insert],
        remove=change.remove,
        reset=change.reset,
        if_=None if wanted is None else Condition(Cursor(wanted.epoch, wanted.version), wanted.ids),
    )


# --- load ---------------------------------------------------------------------------------------------


async def load(options: Namespace) -> int:
    """Insert items, one a line, in batches; with `--reset` in place of what is there."""
    url, path = options.target
    quiet, tally, reset = options.quiet, options.tally, options.reset
    with _opened(options.file) as fd:
        async with session(url, connecting(options)) as client:
            lines = _items(fd)
            if reset:  # nothing goes before everything has been read and found good
                read = [line async for line in lines]
                await _rehearse(client, path, read, options.batch)
                lines = _again(read)
            async for batch in _batches(lines, options.batch):
                try:
                    await _store(client, path, batch, reset=reset)
                except _RefusedError as error:
                    if error.before and not reset:  # what stands before a bad line is stored
                        await _store(client, path, error.before)
                        tally.add(len(error.before), quiet=True)
                    raise
                reset = False
                tally.add(len(batch), quiet=quiet)
            if reset:
                await _store(client, path, [], reset=True)
    if not quiet:
        say(str(tally))
    return 0


@contextmanager
def _opened(file: Path | None) -> Iterator[int]:
    if file is None:
        yield STDIN
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror}", BAD_INPUT) from None
    with stream:
        yield stream.fileno()


async def _items(fd: int) -> AsyncIterator[Line]:
    async for line in read_objects(fd):
        if not isinstance(line.value.get("id"), str):
            raise CommandError(f"line {line.number}: an item has an id, a string", BAD_INPUT)
        yield line


async def _again(lines: list[Line]) -> AsyncIterator[Line]:
    for line in lines:
        yield line


async def _batches(lines: AsyncIterator[Line], most: int) -> AsyncIterator[list[Line]]:
    """Join lines to batches; those before a bad line come first."""
    batch: list[Line] = []
    size = 0
    problem: CommandError | None = None
    try:
        async for line in lines:
            if batch and (len(batch) == most or size + len(line.text) > BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(line)
            size += len(line.text)
    except CommandError as error:
        problem = error
    if batch:
        yield batch
    if problem is not None:
        raise problem


class _RefusedError(CommandError):
    """The server refused a batch; `before`: those of its lines that stand before the one at fault."""

    def __init__(self, batch: list[Line], error: RequestError) -> None:
        bad = error.code in {"bad_update", "bad_message"}
        place = re.match(r"insert\[(\d+)\][.:]? *", error.message)
        sent = list({line.value["id"]: line for line in batch}.values())
        self.code = error.code
        self.before: list[Line] = []
        problem = f"{_where(batch)}: {error.message}"
        if place is not None and int(place[1]) < len(sent):
            number = sent[int(place[1])].number
            problem = f"line {number}: {error.message[place.end() :]}"
            self.before = [line for line in batch if line.number < number]
        super().__init__(problem, BAD_INPUT if bad else FAILED, in_doubt=is_in_doubt(error))


async def _rehearse(client: Client[bytes], path: str, lines: list[Line], most: int) -> None:
    """Let the server look at all lines, under a condition that never holds, so that nothing changes."""
    if not await _holds_never(client, path, []):
        return  # a server of level 1 does not look at conditions
    async for batch in _batches(_again(lines), most):
        await _holds_never(client, path, batch)


async def _holds_never(client: Client[bytes], path: str, batch: list[Line]) -> bool:
    """Tell whether the server found the condition not met."""
    try:
        await _store(client, path, batch, if_=Cursor("", 0))
    except _RefusedError as error:
        if error.code != "conflict":
            raise
        return True
    return False


async def _store(
    client: Client[bytes],
    path: str,
    batch: list[Line],
    *,
    reset: bool = False,
    if_: Cursor | None = None,
) -> None:
    """Insert a batch. Doing it twice changes no more than once, so after a lost connection it is done again."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            await client.update(path, insert=[line.text for line in batch], reset=reset, if_=if_)
        except ConnectionLostError as error:
            if attempt == ATTEMPTS:
                raise CommandError(f"{_where(batch)}: {error}", in_doubt=True) from None
        except RequestError as error:
            raise _RefusedError(batch, error) from None
        else:
            return


def _where(batch: list[Line]) -> str:
    first, last = (batch[0].number, batch[-1].number) if batch else (0, 0)
    return f"line {first}" if first == last else f"lines {first} to {last}"
