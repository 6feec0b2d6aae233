"""Whether there are older items than those of a page, also where a view of the newest ones is watched."""

from __future__ import annotations

import pytest

from sharedstate_core.testing import World, check_copies
from sharedstate_core.views.window import SPARE

from .scenes import P, hear, say, stored


@pytest.mark.parametrize("left", [1, 2, 3])
def test_a_page_knows_whether_there_are_older_items_when_these_have_gone(left: int) -> None:
    ids = [f"i{n}" for n in range(SPARE + 40)]
    world = World(2, store=stored(*ids))
    world.clients[0].put_subs({P: {"last": 2}})
    world.settle()
    for remove in (ids[:20], ids[20:-left]):
        world.clients[1].put(P, remove=remove)
        world.settle()
        check_copies(world)
        asked = world.clients[1].ask("GET", P, {"last": 2})
        say(world, 1)
        hear(world, 1)
        assert asked.reply is not None
        assert asked.reply.get("more", False) is (
            len(ids) - 20 > 2 if remove == ids[:20] else left > 2
        )
