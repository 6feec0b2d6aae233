"""A small disk that can be filled up."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DISK_BYTES: Final = 32 * 1024 * 1024


class NoDiskError(Exception):
    """There can be none here. It is no PermissionError: one that is met later is no reason to skip a test."""


@contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """A file system in memory of `DISK_BYTES`.

    Raises:
        NoDiskError: it may not be mounted here.
    """
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode:
        raise NoDiskError("only root may mount a disk, and not in every container")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(file: Path) -> None:
    """Fill a disk up with a file."""
    with suppress(OSError), file.open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
