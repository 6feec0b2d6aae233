"""A crowd that means harm, beside a client that behaves; `python -m tests.support.hostile` is its long form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sharedstate_core import Limits
from tests.support.canary import with_canary
from tests.support.hostile import crowd
from tests.support.services.servers import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("attack", "count"),
    [
        pytest.param(crowd.send_messages, 400, id="messages"),
        pytest.param(crowd.connect, 120, id="connections"),
    ],
)
async def test_each_has_its_end_and_leaves_nothing(
    attack: Callable[..., Awaitable[None]], count: int, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    limits = Limits(linger_bytes=0)
    async with with_canary(limits) as (server, canary):
        alone = server.size
        await attack(server.port, count, seed=seed)
        await canary.sing()
        await until(lambda: server.size == alone)
    warnings = [each.getMessage() for each in caplog.records if each.levelname != "INFO"]
    assert all(each.startswith("refused: ") for each in warnings), warnings
    caplog.clear()
