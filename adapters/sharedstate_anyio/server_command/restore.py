"""The command `sharedstate-anyio restore`: the content of services from a backup, whether servers run or not.

1. The backup is read to the end before anything is touched: one that is damaged, truncated or of another format is
   refused.
2. Each service is replaced whole or not at all, one after the other; the store reads back what it was given before it
   takes effect. Under the new epoch every client receives everything.
3. It may be killed at any moment and run again. Ctrl-C and SIGTERM end it between two portions of a service; a service
   that its store already has in full is finished first. The second signal ends it without waiting.
"""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from functools import partial
from typing import IO, TYPE_CHECKING, NoReturn

import anyio

from sharedstate_anyio.config.document import shown
from sharedstate_anyio.logs.formatting import printable
from sharedstate_backends import ConfigurationError, OutcomeUnknownError, StorageError

from .backup_file import Backup, BackupError
from .options import restore_parser
from .saving import DONE, FAILED, Talk, choose, kept, placed_errors, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from sharedstate_anyio.config.config import Config
    from sharedstate_anyio.logs.console import Console
    from sharedstate_backends.portable import Portion

    from .saving import Kept


def restore_command(console: Console, arguments: Sequence[str]) -> NoReturn:
    """Run `sharedstate-anyio restore`."""
    options = restore_parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def work(config: Config) -> int:
        talk = Talk(console, quiet=options.quiet)
        with _opened(options.file) as stream:
            backup = Backup(stream, str(options.file))
            chosen = _matched(config, backup, options.service, talk)
            if not options.yes and not _agreed(chosen, backup):
                talk.warn(str(options.file), "nothing was restored")
                return FAILED
            progress = _Progress()
            progress.watch()
            try:
                return anyio.run(partial(_restore, chosen, backup, options.config, talk, progress))
            except KeyboardInterrupt:
                raise KeyboardInterrupt(*progress.told()) from None

    run(console, options.config, work)


class _Progress:
    """How far it has come, and whether it has been asked to end.

    Attributes:
        done: names of the services that were restored.
        doubtful: name of the service that is being handed over; empty while none is.
        is_over: whether everything is done and nothing can be interrupted any more.
    """

    def __init__(self) -> None:
        self.done: list[str] = []
        self.doubtful = ""
        self.is_over = False
        self._is_asked = False

    def watch(self) -> None:
        """Handle the signals until the process has ended."""
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._hear)

    def check(self) -> None:
        """Raise `KeyboardInterrupt` if it has been asked to end; nothing is half done here."""
        if self._is_asked:
            raise KeyboardInterrupt

    def until_asked(self, name: str, portions: Iterable[Portion]) -> Iterator[Portion]:
        """Yield the portions of a service, and note that the store has them all."""
        for portion in portions:
            self.check()
            yield portion
        self.check()
        self.doubtful = name

    def told(self) -> list[str]:
        """Return what was done before it was interrupted."""
        parts = [f"{self.doubtful} is restored or as it was"] if self.doubtful else []
        if self.done:
            parts.append(f"restored before: {', '.join(self.done)}")
        return ["; ".join(parts)] if parts else []

    def _hear(self, *_: object) -> None:
        if self._is_asked and not self.is_over:
            raise KeyboardInterrupt
        self._is_asked = True


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    try:
        stream = file.open("rb")
    except OSError as error:
        raise BackupError(f"cannot read {file}: {error.strerror}") from None
    with stream:
        if not stream.seekable():
            raise BackupError(f"{file}: it is read twice, so it must be a file")
        yield stream


def _matched(config: Config, backup: Backup, names: Sequence[str], talk: Talk) -> list[Kept]:
    """Return the services to restore.

    Raises:
        ConfigurationError: one of them is missing from the backup or the configuration, or cannot be restored.
    """
    known = {service.name: service for service in config.services}
    for name in names or backup.services:
        if name not in backup.services:
            problem = (
                f"the backup has no service {shown(name)}; it has {', '.join(backup.services)}"
            )
            raise ConfigurationError("--service", problem)
        if name not in known and not names:
            problem = f"the backup has a service {shown(name)}, the configuration does not"
            raise ConfigurationError("services", f"{problem}; choose with --service")
    wanted = choose(config, names or list(backup.services))
    for service in config.services:
        if service not in wanted:
            talk.tell(service.name, "left as it is")
    chosen: list[Kept] = []
    for service in wanted:
        found = None if service.in_memory else kept(service)
        if found is None:
            problem = f"{service.name} cannot be restored: {service.store}"
            raise ConfigurationError(service.place, f"{problem}; choose others with --service")
        chosen.append(found)
    return chosen


def _agreed(chosen: Sequence[Kept], backup: Backup) -> bool:
    """Ask, if standard input is a terminal."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        return True
    for each in chosen:
        name = each.service.name
        print(printable(f"{name}: {backup.services[name]} of {backup.made}"), file=sys.stderr)
    print("Replace all that these services hold now? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


async def _restore(
    chosen: Sequence[Kept], backup: Backup, config_file: Path, talk: Talk, progress: _Progress
) -> int:
    done = progress.done
    for each in chosen:
        name = each.service.name
        progress.check()
        portions = progress.until_asked(name, _told(name, backup.portions(name), talk))
        try:
            with placed_errors(each.service, config_file):
                await each.store.restore(portions)
        except (StorageError, OutcomeUnknownError) as error:
            if done:
                error.args = (f"{error}; restored before: {', '.join(done)}",)
            raise
        progress.doubtful = ""
        done.append(name)
        progress.is_over = len(done) == len(chosen)
        talk.tell(
            name, f"{backup.services[name]} of {backup.made} restored, read back and verified"
        )
    return DONE


def _told(name: str, portions: Iterable[Portion], talk: Talk) -> Iterator[Portion]:
    """Yield portions, and report progress."""
    rows = 0
    for portion in portions:
        rows += len(portion.rows)
        talk.progress(name, rows)
        yield portion
