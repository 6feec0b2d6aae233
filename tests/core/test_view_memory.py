"""What views keep in memory is what is counted for them, about."""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.growth.scene import LIST, PATH, Scene, subscribe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COUNT = 300


def taken(act: Callable[[], object]) -> int:
    """Return the bytes that something leaves in memory."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        act()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def views_of(scene: Scene) -> Any:
    collection = scene.server._registry.get(LIST)
    assert collection is not None
    return collection.views


@pytest.mark.parametrize(
    "where",
    [
        lambda n: {"x": -n},
        lambda n: {"x": -n, "and": [{"text": {"ne": f"{k}"}} for k in range(20)]},
        lambda n: {"x": {"in": [f"{n} {k}" for k in range(40)]}},
    ],
)
def test_it_is_about_the_memory_that_views_take(
    where: Callable[[int], Mapping[str, object]],
) -> None:
    """With their subscriptions, and without what is kept encoded."""
    scene = Scene(10)
    connections = [scene.connect() for _ in range(COUNT + 1)]
    scene.say(connections[0], subscribe([PATH], options={"where": {"x": 1}}))
    registry = scene.server._registry
    counted, encoded = registry.subscribed, registry.encoded.bytes

    def watch() -> None:
        for n in range(1, COUNT + 1):
            scene.say(connections[n], subscribe([PATH], options={"where": where(n)}))

    size = taken(watch)
    counted = registry.subscribed - counted + registry.encoded.bytes - encoded
    assert len(views_of(scene)) == COUNT + 1
    assert counted / 2 < size < counted * 1.2, (counted, size)


@pytest.mark.parametrize("member", ["x", "text"])
def test_it_is_about_the_memory_that_an_index_takes(member: str) -> None:
    """Of as many values as items, and of one value."""
    scene = Scene(20_000)
    connection = scene.connect(PATH)
    text = subscribe([PATH], options={"view": "v", "where": {member: "none"}})
    size = taken(lambda: scene.say(connection, text))
    counted = views_of(scene)._index.memory
    assert counted / 2 < size < counted * 1.2, (counted, size)
