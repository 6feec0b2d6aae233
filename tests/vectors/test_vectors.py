"""The Python client replays every vector; js-client/test/protocol/vectors.test.js does the same with the other one."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from .layout import FOLDER, lay_out, load, paths
from .make import PLOTS, record
from .replay import Replay

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 60_000
ROOT = FOLDER.parents[1]


def by_id(step: dict[str, Any]) -> dict[str, Any]:
    """The step with each list of diffs in the order in which `Replay` tells them."""
    for changed in step.get("changed", ()):
        changed["diffs"].sort(key=lambda diff: diff["id"])
    return step


@pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)
def test_replay(path: Path) -> None:
    replay = Replay()
    for number, step in enumerate(load(path)["steps"], 1):
        do = step.pop("do")
        assert replay.take(do) == by_id(step), f"step {number}: {do}"


@pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)
def test_files_are_small_and_laid_out(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text == lay_out(load(path)) + "\n", "run python -m tests.vectors.make"
    assert len(text.encode()) < MAX_BYTES


@pytest.mark.parametrize("name", PLOTS)
def test_random_vectors_are_made_again_the_same(name: str) -> None:
    made = (FOLDER / f"{name}.json").read_text("utf-8")
    assert lay_out(record(name)) + "\n" == made, "run python -m tests.vectors.make"


def test_every_random_vector_has_a_plot() -> None:
    assert {path.stem for path in FOLDER.glob("random-*.json")} == set(PLOTS)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_hashes_do_not_matter(seed: str) -> None:
    code = "from tests.vectors import make; print([make.record(name) for name in make.PLOTS])"
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    assert told.stdout == f"{[record(name) for name in PLOTS]}\n"
