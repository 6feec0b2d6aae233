"""What filters cost: an update with readers of parts of the collection, to join one, to keep an index.

The core alone, as in `core`, in processor time. Every reader has a connection of its own, and so has the writer.
"""

from __future__ import annotations

import itertools
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.growth.scene import PATH, Scene, request, subscribe
from benchmarks.measure import Result, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Sub = Mapping[str, object]

ITEMS: Final = 1_000
MANY_ITEMS: Final = 100_000
OWNERS: Final = 10_000
"""Of the many items, each has ten."""

FIRST: Final = range(1)
NEWEST: Final = range(ITEMS - 1, ITEMS)
ALL: Final = range(ITEMS)
"""Which items an update sets."""

LAST: Final = 50
READERS: Final = 1_000
SIZE: Final = 150
TIMES: Final = 30
"""A reader joins, the quickest time counts."""

EVERYTHING: Final = {"where": {"n": {"exists": True}}}


def run() -> Iterator[Result]:
    """Yield every figure of views."""
    yield from looked_up()
    yield from asked_one_by_one()
    yield from beside_the_whole()
    yield from shared()
    yield from joining()


def text(number: int, size: int) -> str:
    """Return the text of an item."""
    about = f'"id":"item{number}","n":{number},"owner":"u{number % OWNERS}"'
    return f'{{{about},"text":"{"y" * (size - 60)}"}}'


def looked_up() -> Iterator[Result]:
    """An update that one reader is told of, by how many filters ask for other values of the same member."""
    yield from _against_first(
        measure(
            f"an update, {count} filters that ask for a value each",
            "update",
            1,
            _updates([{"where": {"owner": f"u{number}"}} for number in range(count)], FIRST),
        )
        for count in (1, 100, 10_000)
    )


def asked_one_by_one() -> Iterator[Result]:
    """An update that nobody is told of, by how many filters have to be asked about it."""
    yield from _against_first(
        measure(
            f"an update, {count} filters that ask for no value",
            "update",
            1,
            _updates([{"where": {"n": {"gt": ITEMS + number}}} for number in range(count)], FIRST),
        )
        for count in (10, 50, 200)
    )


def beside_the_whole() -> Iterator[Result]:
    """The same updates, told to a reader of the whole collection, and to one of a view of it."""
    subs: dict[str, Sub] = {
        "one reader of the whole": {},
        "one of a filter that holds for all": EVERYTHING,
        f"one of the last {LAST}": {"last": LAST},
    }
    yield from _against_first(
        measure(f"an update, {name}", "update", 1, _updates([sub], NEWEST))
        for name, sub in subs.items()
    )
    yield from _against_first(
        measure(f"an update of {ITEMS} items, {name}", "item", ITEMS, _updates([sub], ALL))
        for name, sub in subs.items()
    )


def shared() -> Iterator[Result]:
    """An update told to many readers of the same view."""
    yield from _against_first(
        measure(
            f"an update, {count} readers of one filter",
            "update",
            1,
            _updates([EVERYTHING] * count, NEWEST),
        )
        for count in (1, READERS)
    )


def joining() -> Iterator[Result]:
    """To join a part of a large collection: the first who asks for a member, and the next ones."""
    scene = Scene(MANY_ITEMS, SIZE, text)
    writer = scene.connect(PATH)
    owners = itertools.count()

    def join(sub: Callable[[], Sub]) -> Callable[[], object]:
        scene.update(writer)
        return partial(scene.say, scene.connect(), subscribe([PATH], options=sub()))

    def own() -> Sub:
        return {"where": {"owner": f"u{next(owners)}"}}

    whole, longest = _turns(scene, join(own))
    case = f"{MANY_ITEMS} items"
    yield Result(f"join `owner` is me in {case}, the first", whole, "join")
    yield Result(" its longest turn", longest, "turn")
    best = min(_turns(scene, join(own))[0] for _ in range(TIMES))
    yield Result(f"join `owner` is me in {case}, another", best, "join")
    numbers = itertools.count(MANY_ITEMS - 10, -10)
    each = [_turns(scene, join(lambda: {"where": {"n": {"gt": next(numbers)}}})) for _ in range(3)]
    yield Result(f"join `n` above a bound in {case}", min(whole for whole, _ in each), "join")
    yield Result(" its longest turn", min(longest for _, longest in each), "turn")


def _against_first(results: Iterable[Result]) -> Iterator[Result]:
    first: Result | None = None
    for result in results:
        yield result if first is None else result.against(first)
        first = first or result


def _updates(subs: Sequence[Sub], items: range) -> Callable[[], object]:
    """Return what updates all these items of a collection that has a reader for each of these subscriptions."""
    scene = Scene(ITEMS, SIZE, text)
    writer = scene.connect()
    for sub in subs:
        scene.say(scene.connect(), subscribe([PATH], options=sub))
    insert = ",".join(text(number, SIZE) for number in items)
    update = request("PUT", PATH, f'{{"insert":[{insert}]}}')
    return lambda: scene.say(writer, update)


def _turns(scene: Scene, do: Callable[[], object]) -> tuple[float, float]:
    """Return the microseconds that something takes, and those of the input that takes longest."""
    inputs: list[float] = []
    scene.after_input = lambda: inputs.append(time.thread_time())
    start = time.thread_time()
    do()
    scene.after_input = int
    spent = [after - before for before, after in itertools.pairwise([start, *inputs])]
    return sum(spent) * 1e6, max(spent) * 1e6
