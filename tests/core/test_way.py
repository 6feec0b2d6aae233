"""The way of one update through the core is short, whatever the size of its collection.

`python -m tests.way` prints it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from sharedstate_core import Commit, CommitResult, Committed, Load, Loaded, Row, Send, Server
from sharedstate_core.items.replica import Replica
from tests.core.way import PATH, UPDATE, core_way, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_CHANGES = 26
"""When it was first counted, there were 39 in, 44 out."""


@pytest.mark.parametrize("way", ["core, in", "core, out"])
def test_an_update_does_not_wander_about(way: str) -> None:
    _, changes = counted(core_way()[way])
    assert 10 < changes <= MAX_CHANGES


@pytest.mark.parametrize("sub", ["{}", '{"parts":true}'])
def test_an_update_does_not_look_at_all_items(sub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server[str](["items"])
    server.connection_opened("reader")
    subscribe = (
        f'{{"type":"REQUEST","cmd":"PUT","path":"/subs","arg":{{"insert":[["{PATH}",{sub}]]}}}}'
    )
    (*_, load) = server.receive_text("reader", subscribe, 0.0)
    assert isinstance(load, Load)
    rows = [Row(f"{index}", b'{"id":"%d"}' % index, 1, index, 1) for index in range(10)]
    server.load_succeeded(load.ticket, Loaded("epoch", 1, 0, rows), 0.0)

    def texts(_: Replica) -> NoReturn:
        raise AssertionError("all items were looked at")

    monkeypatch.setattr(Replica, "texts", texts)
    (commit,) = server.receive_text("reader", UPDATE, 0.0)
    assert isinstance(commit, Commit)
    sent = server.commit_succeeded(commit.ticket, CommitResult("epoch", [Committed(2)]), 0.0)
    assert _messages(sent)[0].count(b'"id"') == 1


def _messages(effects: Sequence[object]) -> list[bytes]:
    return [bytes(effect.message) for effect in effects if isinstance(effect, Send)]
