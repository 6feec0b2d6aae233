"""The version, with the commit it was built from unless it is a release.

`0.2.0` is a release: an archive or an installation of it, or a clean checkout of the tag `v0.2.0`. `0.2.0+g88dd6d0` is
the commit `88dd6d0` of a checkout, `0.2.0+g88dd6d0.dirty` that commit with uncommitted changes. These are local
versions (PEP 440), so that pip can tell two builds apart; package indexes refuse them, as they should.

A checkout is queried when the version is needed, since an editable installation moves on with it. Any other
installation has the version that the build gave it. The build loads this file alone, so it needs only the standard
library.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

GIT_SECONDS: Final = 5.0
"""How long git may take, for file systems that do not answer; after that the version has no commit."""

SOURCES: Final = Path(__file__).parents[2]
"""The folder of a checkout, if this is one."""


@cache
def full_version() -> str:
    """Return the version with the commit, such as `0.2.0+g88dd6d0`; in a checkout the first call runs git."""
    from sharedstate_core import __version__ as release  # noqa: PLC0415  (not there in a build)

    if (SOURCES / ".git").exists():
        return with_commit(release, SOURCES)
    from importlib import metadata  # noqa: PLC0415  (it takes long)

    try:
        installed = metadata.version("sharedstate")
    except metadata.PackageNotFoundError:  # copied, or inside a single-file program
        return release
    # It belongs to another version if these sources come first in the path.
    return installed if installed.partition("+")[0] == release else release


def with_commit(release: str, checkout: Path) -> str:
    """Return the version of a checkout; the plain version if git does not know the folder or is not installed.

    Args:
        release: the plain version, which the tag `v…` stands for.
        checkout: the folder that contains `.git`; its parents are not searched.
    """
    tag = f"v{release}"
    try:
        told = subprocess.run(  # noqa: S603  (whatever git the user has)
            [
                *("git", "--no-optional-locks", f"--git-dir={checkout / '.git'}"),
                *(f"--work-tree={checkout}", "describe", "--always", "--dirty=.dirty"),
                *("--abbrev=7", "--long", "--tags", f"--match={tag}"),
            ],
            cwd=checkout,
            # In a git hook, environment variables name another repository.
            env={name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            check=True,
        ).stdout.strip()
    except (OSError, ValueError, subprocess.SubprocessError):
        return release
    if told.startswith(f"{tag}-0-g") and not told.endswith(".dirty"):
        return release
    commit = re.fullmatch(rf"(?:{re.escape(tag)}-\d+-g)?([0-9a-f]+(?:\.dirty)?)", told)
    return f"{release}+g{commit[1]}" if commit else release


class ShowVersion(argparse.Action):
    """The option `--version` of a command: runs git only if it is given."""

    def __init__(self, option_strings: list[str], dest: str, **more: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, **more)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it, and end the process."""
        print(f"sharedstate {full_version()}")
        parser.exit()
