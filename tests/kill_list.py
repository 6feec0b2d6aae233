"""The kill list: bugs planted one by one in a copy of the core, each of which the tests must find.

    python -m tests.kill_list ["part of a name" ...]

Tries each planted bug with the test file that is known to find it; if that is silent, with the directed tests
(tests/core) and then the simulation (tests/simulation), for a bug in the client core with tests/client and
tests/vectors. Prints which file found it, and, where that is another one, what to write into `planted_bugs.txt`. With
`--all`, both suites are tried whole. The exit status is 1 if one survives, or if a patch does not fit any more, as
when it crashes: then mend it there.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
COPIED = (
    "sharedstate_core",
    "benchmarks",
    "tests/core",
    "tests/simulation",
    "tests/client",
    "tests/vectors",
    "js-client/src/protocol",
    "tests/conftest.py",
    "tests/decision_tables.py",
    "tests/kill_report.py",
    "tests/support",
    "pyproject.toml",
)
PLANTED = Path(__file__).parent / "planted_bugs.txt"
SUITES = ("tests/core", "tests/simulation")
CLIENT_SUITES = ("tests/client", "tests/vectors")
"""Those for bugs in `client/`."""
LONGEST = 300
"""Seconds that a suite may take: many times what it takes without a bug."""

PASSED, FAILED = 0, 1  # of pytest's exit statuses; the others mean that it could not run the tests
KILLED, SURVIVED = "killed", "survived"


class Edit(NamedTuple):
    """In `module`, the lines `old`, which stand there once, become `new`."""

    module: str
    old: str
    new: str


class Bug(NamedTuple):
    """One planted bug."""

    name: str
    edits: tuple[Edit, ...]
    finder: str = ""
    """The test file that is known to find it."""


class Outcome(NamedTuple):
    """What came of one run of tests: a word, and the file of the test that failed."""

    word: str
    finder: str = ""


class Found(NamedTuple):
    """What came of one planted bug: what each run said, and whether all is as it should be."""

    bug: Bug
    outcomes: tuple[Outcome, ...]
    is_good: bool

    @property
    def finder(self) -> str:
        """The first file that found it."""
        return next((each.finder for each in self.outcomes if each.finder), "")


def read_bugs(text: str) -> list[Bug]:
    """Read `planted_bugs.txt`; its first lines tell how it is written."""
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("# ")]
    bugs = []
    for block in re.split(r"^=== ", "".join(lines), flags=re.MULTILINE)[1:]:
        head, *changes = re.split(r"^--- ", block.rstrip() + "\n", flags=re.MULTILINE)
        name, _, finder = head.strip().partition("\nfound by ")
        edits = []
        for change in changes:
            module, rest = change.split("\n", 1)
            old, new = rest.split("+++\n")
            edits.append(Edit(module, old, new))
        bugs.append(Bug(name, tuple(edits), finder))
    return bugs


def copy_to(folder: Path) -> None:
    """Copy what the tests need."""
    for name in COPIED:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)


def plant(bug: Bug, package: Path) -> bool:
    """Change the copy; tell whether every place was found exactly once."""
    for edit in bug.edits:
        file = package / edit.module
        text = file.read_text()
        if text.count(edit.old) != 1:
            return False
        file.write_text(text.replace(edit.old, edit.new))
    return True


def run(folder: Path, suite: str) -> Outcome:
    """Run one suite against the copy; return what came of it, in more words if that is a fault of the list.

    A bug is killed if a test fails, or if the suite does not end. But not if the patch itself crashes, because it does
    not fit the code any more (a name that is not there, another signature): that tells nothing of the tests.
    """
    report = folder / "report"
    command = [
        sys.executable,
        "-m",
        "pytest",
        suite,
        "-x",
        "-q",
        "--no-header",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.kill_report",
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_PROFILE": "kill",
        "KILL_REPORT": str(report),
    }
    try:
        status = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, check=False, timeout=LONGEST
        ).returncode
    except subprocess.TimeoutExpired:
        return Outcome(KILLED, suite)
    if status == PASSED:
        return Outcome(SURVIVED)
    said = report.read_text() if report.exists() else ""
    if status != FAILED or not said:
        return Outcome(f"pytest exit status {status}")
    report.unlink()
    if not said.startswith("found "):
        return Outcome(said.strip())
    return Outcome(KILLED, said.removeprefix("found ").partition("::")[0])


def try_bug(bug: Bug, *, every_suite: bool) -> Found:
    """Plant one bug and see what finds it: the file that is known to, then the suites, until one does."""
    in_client = any(edit.module.startswith("client/") for edit in bug.edits)
    suites = CLIENT_SUITES if in_client else SUITES
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_to(folder)
        if not plant(bug, folder / "sharedstate_core"):
            return Found(bug, (Outcome("does not apply"),), is_good=False)
        for suite in suites if every_suite or not bug.finder else (bug.finder, *suites):
            outcomes.append(run(folder, suite))
            if outcomes[-1].word != SURVIVED and not every_suite:
                break
    words = {each.word for each in outcomes}
    is_good = words == {SURVIVED} if not bug.edits else KILLED in words <= {KILLED, SURVIVED}
    return Found(bug, tuple(outcomes), is_good)


def told(found: Found) -> str:
    """Say in a line what came of a bug."""
    words = ", ".join(f"{each.word} {each.finder}".rstrip() for each in found.outcomes)
    if not found.is_good:
        return f"{words}   <-- look here"
    if found.finder != found.bug.finder:
        return f"{words}   <-- found by {found.finder}"
    return words


def main() -> int:
    """Try all, or those whose name holds one of the given words."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="only bugs whose name contains one of these")
    parser.add_argument("--all", action="store_true", help="try every suite with every bug")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    wanted = [
        bug
        for bug in (Bug("(nothing planted)", ()), *read_bugs(PLANTED.read_text()))
        if not arguments.names or any(name in bug.name for name in arguments.names)
    ]
    if not wanted:
        parser.error(
            f"no planted bug has a name with {' or '.join(map(repr, arguments.names))} in it"
        )
    width = max(len(bug.name) for bug in wanted)
    good = True
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for found in pool.map(partial(try_bug, every_suite=arguments.all), wanted):
            print(f"{found.bug.name:{width}}  {told(found)}", flush=True)
            good = good and found.is_good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
