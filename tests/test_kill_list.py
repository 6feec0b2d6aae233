"""The kill list tells a bug that a test finds from a patch that does not fit any more."""

from __future__ import annotations

import ast
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.kill_list import (
    KILLED,
    PLANTED,
    ROOT,
    SURVIVED,
    Bug,
    Edit,
    Outcome,
    copy_to,
    main,
    plant,
    read_bugs,
    run,
    told,
    try_bug,
)

if TYPE_CHECKING:
    from pathlib import Path

OLD = "        self._deadlines.pop(key, None)\n"


@pytest.mark.parametrize(
    ("new", "word"),
    [
        ("        self._deadlines.pop(key, None)  # as it is\n", SURVIVED),
        (
            "        del self._deadlines[key]\n",
            KILLED,
        ),  # an error, too, is found, if it is the bug's
        ("        self._gone.pop(key, None)\n", "crashed .*AttributeError"),
        ("        pop(key\n", "pytest exit status [2-4]"),
    ],
)
def test_what_comes_of_a_patch(new: str, word: str, tmp_path: Path) -> None:
    copy_to(tmp_path)
    assert plant(Bug("it", (Edit("timers.py", OLD, new),)), tmp_path / "sharedstate_core")
    outcome = run(tmp_path, "tests/core/test_timers.py")
    assert re.match(word, outcome.word)
    assert outcome.finder == ("tests/core/test_timers.py" if word == KILLED else "")


@pytest.mark.parametrize(
    ("finds", "tried"),
    [
        ("tests/core/test_one.py", ["tests/core/test_one.py"]),
        ("tests/core", ["tests/core/test_one.py", "tests/core"]),
        ("tests/simulation", ["tests/core/test_one.py", "tests/core", "tests/simulation"]),
        ("none", ["tests/core/test_one.py", "tests/core", "tests/simulation"]),
    ],
)
def test_what_is_known_to_find_a_bug_is_tried_first(
    finds: str, tried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def note(_: Path, suite: str) -> Outcome:
        seen.append(suite)
        return Outcome(KILLED, suite) if suite == finds else Outcome(SURVIVED)

    monkeypatch.setattr("tests.kill_list.run", note)
    bug = Bug("it", (Edit("timers.py", OLD, ""),), "tests/core/test_one.py")
    found = try_bug(bug, every_suite=False)
    assert seen == tried
    assert found.is_good == (finds != "none")
    assert ("look here" in told(found)) == (finds == "none")
    assert ("found by" in told(found)) == (finds in ("tests/core", "tests/simulation"))
    seen.clear()
    try_bug(bug, every_suite=True)
    assert seen == ["tests/core", "tests/simulation"]


def test_a_bug_in_the_client_is_for_the_tests_of_the_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []

    def note(_: Path, suite: str) -> Outcome:
        tried.append(suite)
        return Outcome(SURVIVED)

    monkeypatch.setattr("tests.kill_list.run", note)
    [bug] = [each for each in read_bugs(PLANTED.read_text()) if "waits for an answer" in each.name]
    assert not try_bug(bug._replace(finder=""), every_suite=False).is_good
    assert tried == ["tests/client", "tests/vectors"]


def test_a_patch_for_lines_that_are_gone(tmp_path: Path) -> None:
    copy_to(tmp_path)
    bug = Bug("it", (Edit("timers.py", "no such line\n", ""),))
    assert not plant(bug, tmp_path / "sharedstate_core")


def test_a_name_that_no_bug_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["kill_list", "nosuchname"])
    with pytest.raises(SystemExit, match=r"^2$"):
        main()
    assert capsys.readouterr().err.endswith(
        "error: no planted bug has a name with 'nosuchname' in it\n"
    )


def test_every_patch_fits(tmp_path: Path) -> None:
    core = tmp_path / "core"
    for bug in read_bugs(PLANTED.read_text()):
        modules = {edit.module for edit in bug.edits}
        for module in modules:
            (core / module).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "sharedstate_core" / module, core / module)
        assert plant(bug, core), bug.name
        assert not bug.finder or (ROOT / bug.finder).is_file(), bug.name
        for module in modules:
            ast.parse((core / module).read_text(), bug.name)
