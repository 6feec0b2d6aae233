"""The kill list: bugs planted one by one in a copy of the core, each of which the tests must find.

    python -m tests.kill_list ["part of a name" ...]

Prints, for each planted bug, whether the directed tests (tests/core) and the simulation (tests/simulation) find it; of
one in the client core, tests/client and tests/vectors. The exit status is 1 if one survives both, or if a patch does
not fit any more, as when it crashes: then mend it in `planted_bugs.txt`.
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


class Found(NamedTuple):
    """What came of one planted bug: a word for each suite, and whether all is as it should be."""

    name: str
    words: tuple[str, ...]
    is_good: bool


def read_bugs(text: str) -> list[Bug]:
    """Read `planted_bugs.txt`; its first lines tell how it is written."""
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("# ")]
    bugs = []
    for block in re.split(r"^=== ", "".join(lines), flags=re.MULTILINE)[1:]:
        name, *changes = re.split(r"^--- ", block.rstrip() + "\n", flags=re.MULTILINE)
        edits = []
        for change in changes:
            module, rest = change.split("\n", 1)
            old, new = rest.split("+++\n")
            edits.append(Edit(module, old, new))
        bugs.append(Bug(name.strip(), tuple(edits)))
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


def run(folder: Path, suite: str) -> str:
    """Run one suite against the copy; return a word for what came of it, more of them if that is a fault of the list.

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
        return KILLED
    if status == PASSED:
        return SURVIVED
    said = report.read_text() if report.exists() else ""
    if status != FAILED or not said:
        return f"pytest exit status {status}"
    report.unlink()
    return KILLED if said.startswith("found ") else said.strip()


def try_bug(bug: Bug, *, first: bool) -> Found:
    """Plant one bug and see which suites find it; with `first`, no more suites than that takes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_to(folder)
        if not plant(bug, folder / "sharedstate_core"):
            return Found(bug.name, ("does not apply",) * len(SUITES), is_good=False)
        told: list[str] = []
        in_client = any(edit.module.startswith("client/") for edit in bug.edits)
        for suite in CLIENT_SUITES if in_client else SUITES:
            if not (first and KILLED in told):
                told.append(run(folder, suite))
    is_good = KILLED in told and set(told) <= {KILLED, SURVIVED}
    told += ["not tried"] * (len(SUITES) - len(told))
    return Found(bug.name, tuple(told), is_good if bug.edits else set(told) == {SURVIVED})


def main() -> int:
    """Try all, or those whose name holds one of the given words."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="only bugs whose name contains one of these")
    parser.add_argument(
        "--first", action="store_true", help="stop at the first suite that finds a bug"
    )
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
    print(f"{'planted bug':{width}}  {'directed tests':<15} simulation")
    good = True
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for found in pool.map(partial(try_bug, first=arguments.first), wanted):
            mark = "" if found.is_good else "   <-- look here"
            print(f"{found.name:{width}}  {found.words[0]:<15} {found.words[1]}{mark}", flush=True)
            good = good and found.is_good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
