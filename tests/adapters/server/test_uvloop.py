"""The same server on uvloop: the command, and a choice of what the other tests hold on asyncio and trio."""

from __future__ import annotations

import signal
from pathlib import Path

import anyio
import pytest

from tests.adapters.server.test_cycles import (  # noqa: F401
    test_storage_that_fails_leaves_no_cycles,
    test_who_has_left_leaves_no_cycles,
)
from tests.adapters.websocket.test_conversation import (  # noqa: F401  (to be run here)
    test_a_subscriber_is_synchronised_once_then_told_every_change,
)
from tests.adapters.websocket.test_slow_readers import (  # noqa: F401
    test_a_snapshot_larger_than_any_buffer,
    test_others_do_not_notice_and_it_catches_up,
    watched,
)
from tests.adapters.websocket.test_wire import (  # noqa: F401
    test_a_handshake_in_single_bytes,
    test_ping_and_close,
    test_pipelined_requests_are_answered_in_order,
)
from tests.support.asking import numbers
from tests.support.peer import open_client
from tests.support.services.command import started
from tests.support.services.servers import document, write_config

uvloop = pytest.importorskip("uvloop")


@pytest.fixture(
    params=[pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop")], scope="module"
)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


async def test_this_is_uvloop() -> None:
    assert isinstance(anyio.lowlevel.current_token().native_token, uvloop.Loop)


async def test_the_command(tmp_path: Path) -> None:
    options = (write_config(tmp_path, document()), "--loop", "uvloop")
    with started(*options, folder=tmp_path) as command:
        async with open_client(command.port) as client:
            assert await client.put("/app/items/c", {"insert": [{"id": "a"}]}) == 1
            assert "uvloop" in Path(f"/proc/{command.pid}/maps").read_text()
        command.send(signal.SIGTERM)
        assert await command.finished() == 0
    assert command.errors == ""


async def test_this_loop_does_not_tell_its_turns(tmp_path: Path) -> None:
    options = (write_config(tmp_path, document()), "--loop", "uvloop")
    with started(*options, folder=tmp_path) as command:
        found = await numbers(command.port)
    assert "event_loop_delay_seconds_count" in found
    assert not [name for name in found if "_turn" in name]
