"""What is done to the core, and over what it may grow.

An operation is prepared for a size, and then done as often as wanted: what `prepare(size)` returns makes it ready for
the next time, which is not a part of what is timed or counted.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from .scene import PATH, Scene, request, subscribe, unsubscribe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Do = Callable[[], object]
    Prepared = tuple[Scene, Callable[[], Do]]

MISSED: Final = 10
"""Changes that a client has missed when it comes back."""

TOGETHER: Final = 500
"""Paths in one request."""


class Operation(NamedTuple):
    """One thing that is done.

    Attributes:
        name: what.
        over: what there is more and more of.
        sizes: how many.
        prepare: makes a scene of a size, and what makes one time of it ready there.
        bound: the largest exponent that is well.
    """

    name: str
    over: str
    sizes: Sequence[int]
    prepare: Callable[[int], Prepared]
    bound: float

    @property
    def title(self) -> str:
        """What it is called in a table."""
        return f"{self.name} over {self.over}"


# --- what there is --------------------------------------------------------------------------------


def paths(count: int) -> list[str]:
    """Return the paths of so many empty collections."""
    return [f"/app/items/other{number}" for number in range(count)]


def _watch(scene: Scene, count: int) -> int:
    """Let one connection watch so many empty collections, in requests of some size."""
    connection, every = scene.connect(), paths(count)
    for start in range(0, count, TOGETHER):
        scene.say(connection, subscribe(every[start : start + TOGETHER]))
    return connection


def _with_items(items: int, item_bytes: int = 100) -> tuple[Scene, int]:
    """Return a scene with one subscriber."""
    scene = Scene(items, item_bytes)
    return scene, scene.connect(PATH)


# --- what is done ---------------------------------------------------------------------------------


def _update(scene: Scene, connection: int, items: int = 1) -> Prepared:
    return scene, lambda: partial(scene.say, connection, scene.next_update(items))


def _update_over_items(size: int) -> Prepared:
    return _update(*_with_items(size))


def _update_over_subscribers(size: int) -> Prepared:
    scene, connection = _with_items(100)
    for _ in range(size):
        scene.connect(PATH)
    return _update(scene, connection)


def _update_over_collections(size: int) -> Prepared:
    scene, connection = _with_items(100)
    _watch(scene, size)
    return _update(scene, connection)


def _update_over_subscriptions(size: int) -> Prepared:
    scene, _ = _with_items(100)
    return _update(scene, _watch(scene, size))


def _update_over_item_bytes(size: int) -> Prepared:
    return _update(*_with_items(100, size))


def _update_over_its_items(size: int) -> Prepared:
    return _update(*_with_items(size), items=size)


def _update_over_earlier_ones(size: int) -> Prepared:
    """One hot item among many that do not change."""
    scene, connection = _with_items(30_000)
    text = request("PUT", PATH, '{"insert":[{"id":"item5"}]}')
    for _ in range(size):
        scene.say(connection, text)
    return scene, lambda: partial(scene.say, connection, text)


def _join(scene: Scene, connection: int, since: int | None = None) -> Prepared:
    """Come as one more subscriber, when nobody has come since the last change."""

    def ready() -> Do:
        for _ in range(MISSED):
            scene.update(connection)
        behind = None if since is None else scene.version - MISSED
        new = scene.connect()
        return partial(scene.say, new, subscribe([PATH], behind))

    return scene, ready


def _join_over_items(size: int) -> Prepared:
    return _join(*_with_items(size))


def _join_over_subscribers(size: int) -> Prepared:
    scene, connection = _with_items(100)
    for _ in range(size):
        scene.connect(PATH)
    return _join(scene, connection)


def _resume_over_items(size: int) -> Prepared:
    return _join(*_with_items(size), since=MISSED)


def _resume_over_removed(size: int) -> Prepared:
    """With so many items removed before, which the collection still remembers."""
    scene, connection = _with_items(size)
    for start in range(0, size, TOGETHER):
        gone = ",".join(f'"item{n}"' for n in range(start, min(size, start + TOGETHER)))
        scene.say(connection, request("PUT", PATH, f'{{"remove":[{gone}]}}'))
    return _join(scene, connection, since=MISSED)


def _get(size: int) -> Prepared:
    scene, connection = _with_items(size)

    def ready() -> Do:
        scene.update(connection)
        return partial(scene.say, connection, request("GET", PATH))

    return scene, ready


def _first_load(size: int) -> Prepared:
    scene = Scene(size)
    there: list[int] = []

    def ready() -> Do:
        while there:
            scene.leave(there.pop())
        there.append(scene.connect())
        return partial(scene.say, there[0], subscribe([PATH]))

    return scene, ready


def _load_of_changes(size: int) -> Prepared:
    """Load after another process has committed."""
    scene, connection = _with_items(size)

    def ready() -> Do:
        scene.update(connection)
        return partial(scene.changed_elsewhere, MISSED)

    return scene, ready


def _subscription(scene: Scene, connection: int) -> Prepared:
    def ready() -> Do:
        scene.say(connection, unsubscribe(PATH))
        return partial(scene.say, connection, subscribe([PATH]))

    return scene, ready


def _subscription_over_subscriptions(size: int) -> Prepared:
    scene, _ = _with_items(10)
    return _subscription(scene, _watch(scene, size))


def _subscription_over_collections(size: int) -> Prepared:
    scene, connection = _with_items(10)
    _watch(scene, size)
    return _subscription(scene, connection)


def _leave(scene: Scene, arrive: Callable[[], int]) -> Prepared:
    return scene, lambda: partial(scene.leave, arrive())


def _leave_over_subscriptions(size: int) -> Prepared:
    scene = Scene()
    return _leave(scene, lambda: _watch(scene, size))


def _leave_over_subscribers(size: int) -> Prepared:
    scene, _ = _with_items(10)
    for _ in range(size):
        scene.connect(PATH)
    return _leave(scene, lambda: scene.connect(PATH))


def _leave_over_collections(size: int) -> Prepared:
    scene, _ = _with_items(10)
    _watch(scene, size)
    return _leave(scene, lambda: scene.connect(PATH))


ITEMS: Final = (1_000, 10_000, 100_000, 1_000_000)
MANY: Final = (100, 1_000, 10_000)
FEW: Final = (10, 100, 1_000)
BYTES: Final = (100, 1_000, 10_000, 100_000, 1_000_000)
FLAT: Final = 0.05
ALMOST_FLAT: Final = 0.1
LINEAR: Final = 1.4
"""Largest exponents: what fits into no cache of the processor costs somewhat more than its share."""


OPERATIONS: Final = (
    Operation("an update", "items", ITEMS, _update_over_items, FLAT),
    Operation("an update", "subscribers", MANY, _update_over_subscribers, FLAT),
    Operation("an update", "collections", MANY, _update_over_collections, FLAT),
    Operation(
        "an update", "subscriptions of its author", FEW, _update_over_subscriptions, ALMOST_FLAT
    ),
    Operation("an update", "earlier ones of one item", MANY, _update_over_earlier_ones, FLAT),
    Operation("an update", "bytes of its item", BYTES, _update_over_item_bytes, LINEAR),
    Operation("an update", "items in it", MANY, _update_over_its_items, LINEAR),
    Operation("a resume", "items", ITEMS, _resume_over_items, FLAT),
    Operation("a resume", "items removed before", MANY, _resume_over_removed, FLAT),
    Operation("a join after a change", "items", ITEMS, _join_over_items, LINEAR),
    Operation("a join after a change", "subscribers", MANY, _join_over_subscribers, ALMOST_FLAT),
    Operation("a GET after a change", "items", ITEMS, _get, LINEAR),
    Operation("a first load", "items", ITEMS, _first_load, LINEAR),
    Operation("a load of changes", "items", ITEMS, _load_of_changes, ALMOST_FLAT),
    Operation(
        "a subscription",
        "others of its connection",
        FEW,
        _subscription_over_subscriptions,
        ALMOST_FLAT,
    ),
    Operation("a subscription", "collections", MANY, _subscription_over_collections, FLAT),
    Operation("leaving", "subscriptions", FEW, _leave_over_subscriptions, LINEAR),
    Operation("leaving", "subscribers", MANY, _leave_over_subscribers, FLAT),
    Operation("leaving", "collections", MANY, _leave_over_collections, FLAT),
)
