"""The core alone, no I/O: what an update costs, and that it does not grow with what did not change."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Final

from benchmarks.measure import Result, measure
from sharedstate_core import (
    AwaitDrain,
    Commit,
    CommitResult,
    Committed,
    Limits,
    Load,
    Loaded,
    Row,
    Send,
    Server,
    Update,
)
from sharedstate_core.items.encoded import Encoded
from sharedstate_core.items.loading import load
from sharedstate_core.items.notices import Audience, Notices
from sharedstate_core.leftovers import Leftovers
from sharedstate_core.limits import LiveLimits
from sharedstate_core.results import checked_load
from sharedstate_core.wire.decode import decode_request, decode_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sharedstate_core import Effect
    from sharedstate_core.items.replica import Replica

EPOCH: Final = "epoch"
PATH: Final = "/app/items/list"


def run() -> Iterator[Result]:
    """Yield every figure of the core."""
    yield from decoding()
    yield from broadcasting()
    yield from growing()
    yield from net_changes()
    yield from snapshots()


def _item(number: int, size: int = 150) -> str:
    return json.dumps({"id": f"item{number}", "x": number, "text": "y" * size})


def _put(number: int, items: int = 1) -> str:
    insert = ",".join(_item(number * items + i) for i in range(items))
    return (
        f'{{"type":"REQUEST","cmd":"PUT","path":"{PATH}","arg":{{"insert":[{insert}]}},"tunnel":1}}'
    )


def decoding() -> Iterator[Result]:
    """Reading updates, beside Python's own JSON decoder on the same text."""
    limits = Limits()

    def decode(text: str) -> Callable[[], object]:
        return lambda: decode_write(decode_request(text, limits).arg, limits)

    for items in (1, 100):
        text = _put(0, items)

        def load(text: str = text) -> object:
            return json.loads(text)

        yardstick = measure(f"json.loads of an update of {items}", "item", items, load)
        yield yardstick
        yield measure(f"decode an update of {items}", "item", items, decode(text)).against(
            yardstick
        )


def broadcasting() -> Iterator[Result]:
    """One update, received, committed and told to N subscribers: bookkeeping only."""
    first: Result | None = None
    for subscribers in (1, 100, 10_000):
        what = f"an update through the core, {subscribers} subscribers"
        result = measure(what, "update", 1, _updates(subscribers))
        yield result if first is None else result.against(first)
        first = first or result


def growing() -> Iterator[Result]:
    """One update of a collection of N items, received, committed and told to a subscriber."""
    first: Result | None = None
    for items in (100, 10_000, 100_000):
        what = f"an update through the core, {items} items"
        result = measure(what, "update", 1, _updates(1, items))
        yield result if first is None else result.against(first)
        first = first or result


def _updates(subscribers: int, items: int = 0) -> Callable[[], object]:
    """Return what updates one of a hundred items of a collection that has so many subscribers and items."""
    server = _subscribed(subscribers, items)
    numbers, versions = itertools.cycle(range(100)), itertools.count(2)

    def update() -> int:
        messages = 0
        for effect in server.receive_text(0, _PUTS[next(numbers)], 0.0):
            if isinstance(effect, Commit):
                result = CommitResult(EPOCH, [Committed(next(versions))])
                messages += _delivered(server, server.commit_succeeded(effect.ticket, result, 0.0))
        return messages

    assert update() == 2, "it is told, and answered"
    return update


def _delivered(server: Server[int], effects: Sequence[Effect[int]]) -> int:
    """Take everything that connections are sent; return the number of messages, each of them counted once."""
    messages = 0
    for effect in effects:
        if isinstance(effect, Send):
            messages += 1
        elif isinstance(effect, AwaitDrain):
            messages += _delivered(server, server.connection_drained(effect.connection, 0.0))
    return messages


_PUTS: Final = [_put(number) for number in range(100)]


def _subscribed(count: int, items: int) -> Server[int]:
    server: Server[int] = Server(["items"])
    subscribe = (
        f'{{"type":"REQUEST","cmd":"PUT","path":"/subs","arg":{{"insert":[["{PATH}",{{}}]]}}}}'
    )
    for connection in range(count):
        server.connection_opened(connection)
        for effect in server.receive_text(connection, subscribe, 0.0):
            if isinstance(effect, Load):
                loaded = Loaded(EPOCH, 1, 0, _rows(items))
                _delivered(server, server.load_succeeded(effect.ticket, loaded, 0.0))
    while server.next_wakeup() == 0.0:  # what is large takes turns
        _delivered(server, server.wake(0.0))
    return server


def net_changes() -> Iterator[Result]:
    """The net change of the last 10 of N items, and applying one update to N items."""
    first: dict[str, Result] = {}
    for items in (10, 1_000, 100_000):
        replica = _replica(items)
        texts = [_item(number).encode() for number in range(10)]
        for number, text in enumerate(texts):
            replica.apply(Update(insert={f"item{number}": text}), replica.version + 1)
        since = replica.version - 10
        told = measure(
            f"net change of 10 in {items} items",
            "changed item",
            10,
            lambda r=replica, s=since: r.changes_since(s),  # type: ignore[misc]
        )
        change = Update(insert={"item5": texts[5]})
        applied = measure(
            f"apply one change to {items} items",
            "update",
            1,
            lambda r=replica, c=change: r.apply(c, r.version + 1),  # type: ignore[misc]
        )
        for kind, result in (("told", told), ("applied", applied)):
            yield result.against(first[kind]) if kind in first else result
            first.setdefault(kind, result)


def snapshots() -> Iterator[Result]:
    """Checking and taking over a loaded collection, and encoding it for its first reader."""
    rows = _rows(100_000)
    yield measure(
        "take over a load of 100,000",
        "item",
        100_000,
        lambda: _taken_in(rows),
    )
    texts = [row.text or b"" for row in rows]
    joined = measure("bytes.join of 100,000 items", "item", 100_000, lambda: b",".join(texts))
    yield joined
    replica = _taken_in(rows)

    def encode() -> object:
        limits = LiveLimits(Limits())
        notices = Notices(limits, Encoded(limits, Leftovers(limits)))
        return notices.messages(replica, Audience(PATH, parts=False), None)

    yield measure("encode a snapshot of 100,000", "item", 100_000, encode).against(joined)


def _rows(count: int) -> list[Row]:
    return [Row(f"item{n}", _item(n).encode(), 1, n, 1) for n in range(count)]


def _replica(count: int) -> Replica:
    return _taken_in(_rows(count))


def _taken_in(rows: list[Row]) -> Replica:
    size = Limits().turn_items
    work = load(checked_load(Loaded(EPOCH, 1, 0, rows), None, size), None, size)
    for _ in range(10 * len(rows)):
        try:
            next(work)
        except StopIteration as end:
            replica: Replica = end.value
            return replica
    raise AssertionError("it goes on and on")
