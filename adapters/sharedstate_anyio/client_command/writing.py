"""The command `put`: updates, one per line. Whatever stops it, it reports how far it got."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from sharedstate_anyio.client import Condition, ConnectionLostError, Cursor, RequestError
from sharedstate_core.arguments import item_id
from sharedstate_core.json_faults import decoder_fault

from .failures import BAD_INPUT, FAILED, CommandError, is_in_doubt
from .lines import STDIN, Line, parse_line, read_objects
from .session import answered, connecting, session

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import AsyncIterator

    from sharedstate_anyio.client import Client


class _If(msgspec.Struct, forbid_unknown_fields=True):
    epoch: str
    version: int
    ids: tuple[str, ...] | None = None


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    insert: list[msgspec.Raw] = []
    remove: list[str] = []
    reset: bool = False
    patch: list[msgspec.Raw] = []
    condition: _If | None = msgspec.field(name="if", default=None)


_change = msgspec.json.Decoder(_Change)


async def put(options: Namespace) -> int:
    """Make one update for each line, in order; each is acknowledged before the next one is sent."""
    url, path = options.target
    how = connecting(options)
    async with session(url, how) as client:
        async for line in _given(options.changes):
            update = _update(client, path, line)
            try:
                await answered(client, how.patience, update, f"line {line.number}: ")
            except (RequestError, ConnectionLostError) as error:
                status = BAD_INPUT if error.code == "bad_update" else FAILED
                problem = f"line {line.number}: {error}"
                raise CommandError(problem, status, in_doubt=is_in_doubt(error)) from None
            options.tally.stored += 1
    return 0


async def _given(arguments: list[str]) -> AsyncIterator[Line]:
    """Read the changes from the command line, or else from standard input."""
    for number, argument in enumerate(arguments, 1):
        yield parse_line(number, os.fsencode(argument))
    if not arguments:
        async for line in read_objects(STDIN):
            yield line


async def _update(client: Client[bytes], path: str, line: Line) -> None:
    if "id" in line.value:
        try:
            item_id(line.text)
        except ValueError as error:
            raise CommandError(f"line {line.number}: {error}", BAD_INPUT) from None
        await client.update(path, insert=[line.text])
        return
    try:
        change = _change.decode(line.text)
    except msgspec.DecodeError as error:
        problem = f"line {line.number} is neither an item (with an id) nor a change: {decoder_fault(error)}"
        raise CommandError(problem, BAD_INPUT) from None
    wanted = change.condition
    await client.update(
        path,
        insert=[bytes(raw) for raw in change.insert],
        remove=change.remove,
        reset=change.reset,
        patch=[bytes(raw) for raw in change.patch],
        if_=None if wanted is None else Condition(Cursor(wanted.epoch, wanted.version), wanted.ids),
    )
