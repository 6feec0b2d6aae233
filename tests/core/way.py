"""The way of one update through the core: which functions are called, in the order in which they begin."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sharedstate_core
from sharedstate_core import Commit, CommitResult, Committed, Load, Loaded, Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, ModuleType

PATH: Final = "/a/items/c"
SUBSCRIBE: Final = (
    f'{{"type":"REQUEST","cmd":"PUT","path":"/subs","arg":{{"insert":[["{PATH}",{{}}]]}}}}'
)
UPDATE: Final = (
    f'{{"type":"REQUEST","cmd":"PUT","path":"{PATH}","arg":{{"insert":[{{"id":"x"}}]}}}}'
)


@contextmanager
def noted(*packages: ModuleType) -> Iterator[list[str]]:
    """Collect the calls of these packages' functions in the block, each as `module: function`."""
    folders = {
        str(Path(package.__file__ or "").parent) + "/": package.__name__ for package in packages
    }
    calls: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        file = frame.f_code.co_filename
        if event == "call":
            for folder, name in folders.items():
                if file.startswith(folder):
                    calls.append(f"{name}/{file.removeprefix(folder)}: {frame.f_code.co_name}")

    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def core_way() -> dict[str, list[str]]:
    """Return the calls on both ways through the core, the second time an update comes."""
    server = Server[str](["items"])
    server.connection_opened("reader")
    (*_, load) = server.receive_text("reader", SUBSCRIBE, 0.0)
    assert isinstance(load, Load)
    server.load_succeeded(load.ticket, Loaded("epoch", 0, 0, []), 0.0)
    for version in (1, 2):
        with noted(sharedstate_core) as way_in:
            (commit,) = server.receive_texts("reader", (UPDATE,), 0.0)
        assert isinstance(commit, Commit)
        result = CommitResult("epoch", [Committed(version)])
        with noted(sharedstate_core) as way_out:
            messages = server.commit_succeeded(commit.ticket, result, 0.0)
        assert len(messages) == 2, messages
    return {"core, in": way_in, "core, out": way_out}


def counted(calls: list[str]) -> tuple[int, int]:
    """Return the number of modules, and of changes from one to another."""
    modules = [call.partition(":")[0] for call in calls]
    return len(set(modules)), sum(one != other for one, other in pairwise(modules))
