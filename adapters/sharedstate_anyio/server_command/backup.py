"""The command `sharedstate-anyio backup`: the content of every service in one file, while servers run.

1. The file is written under a temporary name, synced, and read back. It is renamed only if it holds what was counted
   while it was written, so an older backup of that name survives any failure.
2. Each service is saved as of one moment, one service after the other.
3. A service that cannot be saved is reported. If it may hold data, the exit status says so as well.
"""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NoReturn

import anyio
import anyio.lowlevel

from sharedstate_anyio.version import full_version
from sharedstate_backends import ConfigurationError

from .backup_file import Backup, BackupError, Writer, cannot_write
from .options import backup_parser
from .saving import DONE, INCOMPLETE, Talk, choose, kept, placed_errors, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sharedstate_anyio.config.config import Config
    from sharedstate_anyio.config.services import ServiceConfig
    from sharedstate_anyio.logs.console import Console
    from sharedstate_backends.portable import Census

    from .saving import Kept

MODE: Final = 0o600
"""Permissions of a new file: a backup holds everything."""

WIDEST: Final = 0o640
"""Permissions that a replaced file keeps, at most."""


def backup_command(console: Console, arguments: Sequence[str]) -> NoReturn:
    """Run `sharedstate-anyio backup`."""
    options = backup_parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left behind

    def work(config: Config) -> int:
        talk = Talk(console, quiet=options.quiet)
        services = choose(config, options.service)
        return anyio.run(
            partial(_back_up, services, options.file, options.config, talk, force=options.force)
        )

    run(console, options.config, work)


async def _back_up(
    services: Sequence[ServiceConfig], file: Path, config_file: Path, talk: Talk, *, force: bool
) -> int:
    status = DONE
    chosen: list[Kept] = []
    for service in services:
        if service.in_memory:
            talk.tell(service.name, "in memory, not saved")
        elif (found := kept(service)) is None:
            status = INCOMPLETE
            talk.warn(service.name, f"NOT saved: {service.store} has no dump and restore")
        else:
            chosen.append(found)
    if not chosen:
        raise ConfigurationError("services", "none of them can be saved")
    with _replacing(file, force=force) as stream:
        made = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        writer = Writer(stream, str(file), made=made, by=full_version())
        counted = {
            each.service.name: await _save(each, writer, config_file, talk) for each in chosen
        }
        writer.finish()
        stream.flush()
        os.fsync(stream.fileno())
        if Backup(stream, str(file)).services != counted:
            raise BackupError(f"{file}: what was written reads back differently; check the disk")
        size = stream.seek(0, os.SEEK_END)
    talk.tell(str(file), f"{size:,} bytes, read back and verified")
    return status


async def _save(each: Kept, writer: Writer, config_file: Path, talk: Talk) -> Census:
    name = each.service.name
    census = writer.begin(name)
    with placed_errors(each.service, config_file):
        async with aclosing(each.store.dump()) as portions:
            async for portion in portions:
                writer.add(portion)
                talk.progress(name, census.items + census.tombstones)
                await anyio.lowlevel.checkpoint()  # here Ctrl-C ends it
    writer.end()
    talk.tell(name, str(census))
    return census


@contextmanager
def _replacing(file: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """Yield a file to write and to read back; it is renamed to its final name if the block succeeds.

    Raises:
        ConfigurationError: there is already a file, or something that is not a file.
        BackupError: it cannot be written.
    """
    try:
        file = file.resolve()  # a link is kept
        before = file.stat() if file.exists() else None
    except (OSError, RuntimeError) as error:  # the latter: a loop of links
        raise BackupError(f"cannot write {file}: {error}") from None
    if before is not None and not file.is_file():
        raise ConfigurationError("TO", f"{file} is not a file; give the name of one")
    if before is not None and not force:
        raise ConfigurationError("TO", f"{file} is there already; --force replaces it")
    try:
        fd, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(fd, "w+b") as stream:
                os.fchmod(fd, MODE if before is None else before.st_mode & WIDEST)
                if before is not None and os.geteuid() == 0:
                    os.fchown(fd, before.st_uid, before.st_gid)
                yield stream
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync_folder(file.parent)
    except OSError as error:
        raise cannot_write(str(file), error) from error


def _sync_folder(folder: Path) -> None:
    """Sync the folder, so that the file's name reaches the disk too."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
