"""The command `load`: many items, one per line. Whatever stops it, it reports how far it got."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sharedstate_anyio.client import ConnectionLostError, Cursor, RequestError

from .deleting import empty
from .failures import BAD_INPUT, FAILED, CommandError, is_in_doubt
from .items import Ids, read_items
from .lines import STDIN
from .saying import say
from .session import acquired, answered, connecting, session

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from sharedstate_anyio.client import Client

    from .lines import Line

BATCH_BYTES: Final = 256 * 1024
"""Size at which a batch is sent, however few items it has: well below a server's limit."""

ATTEMPTS: Final = 3
"""How often a batch is sent before it is blamed for a connection that breaks each time."""


async def load(options: Namespace) -> int:
    """Insert items, one per line, in batches; with `--reset` they replace the present content."""
    url, path = options.target
    how, quiet, tally, reset = connecting(options), options.quiet, options.tally, options.reset
    ids = Ids()
    with _opened(options.file) as fd:
        async with session(url, how) as client:
            loader = _Loader(client, path, how.patience)
            lines = read_items(fd, options.id_field)
            if reset:  # nothing is removed before everything has been read and checked
                read = [line async for line in lines]
                if not read:
                    return await _empty(client, path, how.patience, options)
                await loader.rehearse(read, options.batch)
                lines = _again(read)
            async for batch in _batches(lines, options.batch):
                try:
                    await loader.store(batch, reset=reset)
                except _RefusedError as error:
                    if error.before and not reset:  # what comes before a bad line is stored
                        await loader.store(error.before)
                        tally.add(ids.add(error.before), quiet=True)
                    raise
                reset = False
                tally.add(ids.add(batch), quiet=quiet)
    if not quiet:
        say(f"{tally}{ids.repetitions()}")
    return 0


async def _empty(client: Client[bytes], path: str, patience: float, options: Namespace) -> int:
    """Empty the collection, if asked to; print what was removed."""
    if not options.allow_empty:
        problem = (
            "there are no items to load, and so --reset would just empty it: nothing was changed"
        )
        raise CommandError(f"{problem} (--allow-empty does it)", BAD_INPUT)
    ds = await acquired(client, path, patience)
    removed = await empty(client, path, ds, patience)
    if not options.quiet:
        say(f"removed {removed} from {path}; there were none to load")
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


async def _again(lines: list[Line]) -> AsyncIterator[Line]:
    for line in lines:
        yield line


async def _batches(lines: AsyncIterator[Line], max_lines: int) -> AsyncIterator[list[Line]]:
    """Group lines into batches; those before a bad line come first."""
    batch: list[Line] = []
    size = 0
    problem: CommandError | None = None
    try:
        async for line in lines:
            if batch and (len(batch) == max_lines or size + len(line.text) > BATCH_BYTES):
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
    """The server refused a batch; `before`: its lines before the one at fault."""

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


class _Loader:
    """Sends batches to one collection.

    Args:
        client: sends the requests.
        path: of the collection.
        patience: time limit for each batch, in seconds.
    """

    def __init__(self, client: Client[bytes], path: str, patience: float) -> None:
        self._client = client
        self._path = path
        self._patience = patience

    async def rehearse(self, lines: list[Line], max_lines: int) -> None:
        """Have the server check all lines under a condition that never holds, so that nothing changes."""
        if not await self._holds_never([]):
            return  # a server of level 1 ignores conditions
        async for batch in _batches(_again(lines), max_lines):
            await self._holds_never(batch)

    async def _holds_never(self, batch: list[Line]) -> bool:
        """Return whether the server reported that the condition was not met."""
        try:
            await self.store(batch, if_=Cursor("", 0))
        except _RefusedError as error:
            if error.code != "conflict":
                raise
            return True
        return False

    async def store(
        self, batch: list[Line], *, reset: bool = False, if_: Cursor | None = None
    ) -> None:
        """Insert a batch. Inserting is idempotent, so after a lost connection it is repeated."""
        insert = [line.text for line in batch]
        place = f"{_where(batch)}: " if batch else ""
        for attempt in range(1, ATTEMPTS + 1):
            update = self._client.update(self._path, insert=insert, reset=reset, if_=if_)
            try:
                await answered(self._client, self._patience, update, place)
            except ConnectionLostError as error:
                if attempt == ATTEMPTS:
                    raise CommandError(f"{place}{error}", in_doubt=True) from None
            except RequestError as error:
                raise _RefusedError(batch, error) from None
            else:
                return


def _where(batch: list[Line]) -> str:
    first, last = (batch[0].number, batch[-1].number) if batch else (0, 0)
    return f"line {first}" if first == last else f"lines {first} to {last}"
