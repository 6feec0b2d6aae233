"""The commands that read: `get`, `dump`, `watch`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from .failures import FAILED, CommandError
from .filtering import is_part, part_of
from .lines import STDOUT, harmless, one_line, write_lines
from .saying import say
from .session import acquired, answered, connecting, session

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable

    from sharedstate_anyio.client import Client, Diff


async def get(options: Namespace) -> int:
    """Print items, or names."""
    url, path = options.target
    collection = path.count("/") == 3 and len(path) > 3
    if options.ids and not collection:
        raise CommandError("ids are of items: expected URL/app/service/collection", 2)
    part = part_of(options)
    if is_part(part) and not collection:
        raise CommandError("filters are of items: expected URL/app/service/collection", 2)
    how = connecting(options)
    async with session(url, how) as client:
        if path == "/apps" or path.count("/") == 2:
            await _print_names(client, path, how.patience)
            return 0
        if not collection:
            texts = await answered(client, how.patience, client.get(path, loads=_elements))
        else:
            ds = await acquired(client, path, how.patience, part)
            texts = [ds[id] for id in options.ids if id in ds] if options.ids else ds.get_items()
            missing = [id for id in options.ids if id not in ds]
    await _print(texts)
    for id in missing if collection else ():
        say(f"{path} has no item {id!r}")
    return FAILED if collection and missing else 0


async def _print_names(client: Client[bytes], path: str, patience: float) -> None:
    """Print a list of names, page by page."""
    pages = client.pages(path)
    while names := await answered(client, patience, anext(pages, None)):
        await _print(map(msgspec.json.encode, names))


def _elements(data: bytes) -> list[bytes]:
    """Return the elements of a list, each as JSON text; anything else as a single element."""
    try:
        return [bytes(raw) for raw in msgspec.json.decode(data, type=list[msgspec.Raw])]
    except msgspec.ValidationError:
        return [data]


async def dump(options: Namespace) -> int:
    """Print a collection as of one moment, in order."""
    url, path = options.target
    how = connecting(options)
    async with session(url, how) as client:
        ds = await acquired(client, path, how.patience)
        texts, cursor = ds.get_items(), ds.cursor
    if options.output is None:
        await _print(texts)
    else:
        _save(options.output, texts)
    if not options.quiet:
        at = "" if cursor is None else f" at version {cursor.version}"
        say(f"dumped {_count(len(texts))}{at}")
    return 0


async def _print(texts: Iterable[bytes]) -> None:
    await write_lines(STDOUT, texts)


def _save(file: Path, texts: Iterable[bytes]) -> None:
    """Write a file atomically; a pipe or a device is written to directly."""
    try:
        file = file.resolve()  # a link is kept
        if file.exists() and not file.is_file():
            with file.open("wb") as stream:
                shown = map(harmless, texts) if stream.isatty() else texts
                stream.writelines(map(one_line, shown))
            return
        fd, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(fd, "wb") as stream:
                stream.writelines(map(one_line, texts))
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except (OSError, RuntimeError) as error:  # the latter: a loop of links
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CommandError(f"cannot write {file}: {reason}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


async def watch(options: Namespace) -> int:
    """Print each change as it arrives, until interrupted."""
    url, path = options.target
    how = connecting(options)
    async with session(url, how) as client:
        ds = await acquired(client, path, how.patience, part_of(options))
        changes = ds.changes()
        if options.initial:
            await _print(_diff(id, text, None) for id, text in ds.items())
        async for diffs in changes:
            await _print(_line(diff) for diff in diffs)
    return 0


def _line(diff: Diff[bytes]) -> bytes:
    return _diff(diff.id, diff.new, diff.old)


def _diff(id: str, new: bytes | None, old: bytes | None) -> bytes:
    members = [b'"id":' + msgspec.json.encode(id)]
    members += [b'"new":' + new] if new is not None else []
    members += [b'"old":' + old] if old is not None else []
    return b"{" + b",".join(members) + b"}"


def _count(number: int) -> str:
    return f"{number:,} item{'s' * (number != 1)}"
