"""The work that is counted: what C goes over, too, the same each time, and nothing is done in another way."""

from __future__ import annotations

import gc
import importlib
import sys
from concurrent.futures import ThreadPoolExecutor
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import sharedstate_core
from tests.core.scenes import hear, put, watching
from tests.support.work import counting, work_of
from tests.support.work.counting import functions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

N = 10_000
FULL = 43_690
"""Entries of a dict that is full."""

BYTES = N // 64
"""What so many bytes count."""

WALKS = {
    "a loop": "for _ in many: pass",
    "a while": "\n    n = 0\n    while n < len(many): n += 1",
    "a comprehension": "{each: each for each in many}",
    "a generator": "any(each < 0 for each in many)",
    "sum of a map": "sum(map(abs, many))",
    "a consumer of an iterator": "deque(reversed(many))",
    "a constructor": "set(many)",
    "a copy of a dict": "table.copy()",
    "values of a dict": "list(table.values())",
    "a class method": "dict.fromkeys(many)",
    "sorting": "sorted(many, key=abs)",
    "sorting in place": "many.sort()",
    "searching": "-1 in many",
    "searching values": "-1 in table.values()",
    "an index": "many.index(N - 1)",
    "the largest": "max(many)",
    "taking the first": "many.pop(0)",
    "deleting the first": "del many[0]",
    "a slice": "many[:]",
    "a display": "[*many]",
    "a display of a dict": "{**table}",
    "star arguments": "nothing(*many)",
    "a sum": "many + [1]",
    "an intersection": "set(many[:1]) | keys",
    "adding in place": "\n    some = []\n    some += many",
    "extending": "[].extend(many)",
    "comparing": "many == [*range(N)]",
    "clearing": "table.clear()",
    "delegating": "list(delegated(many))",
    "through a partial": "partial(sorted, many)()",
    "removing from a deque": "deque(many).remove(N - 1)",
    "a dict that grows": "full[-1] = 1",
    "a dict that grows for a default": "full.setdefault(-1, 1)",
    "dead slots before the first": "next(iter(dead))",
    "dead slots of values": "\n    for _ in reversed(dead.values()): break",
}
COPIES = {
    "joining": 'b"".join(texts)',
    "formatting": 'b"[%b]" % text',
    "an f-string": 'f"{words}!"',
    "a slice of bytes": "text[1:]",
    "adding bytes": 'text + b"!"',
    "adding bytes in place": '\n    some = b"!"\n    some += text',
    "decoding": "text.decode()",
    "finding": 'text.find(b"!")',
    "comparing bytes": 'text == b"x" * N',
    "a codec": "json.dumps(words)",
}
STEPS = {
    "len": "len(many)",
    "asking for a key": "table.get(1), 1 in table, table[1]",
    "setting a key": "table[1] = 2",
    "setting a key of a full dict": "\n    full[1] = 2\n    full[1] += 1\n    full.setdefault(2)",
    "deleting a key": "del table[1]",
    "a view": "table.values()",
    "the first": "next(iter(table))",
    "the last": "many.pop()",
    "adding to the end": "many.append(1)",
    "adding to a set": "keys.add(-1)",
    "extending by one": "\n    many.extend((1,))\n    many += [1]",
    "keeping": "Pair(many, table)",
    "a lazy map": "map(abs, many)",
    "giving on": "nothing(many)",
    "asking for a type": "isinstance(words, str)",
    "numbers": "1 + N * 2",
    "a generator left alone": "return delegated(many)",
    "a generator that returns": "return returned(2)",
}
HEAD = f"""
import json
from collections import deque
from functools import partial
from typing import Any, NamedTuple

N = {N}

class Pair(NamedTuple):
    one: Any
    other: Any

def nothing(*_):
    pass

def delegated(many):
    yield from many

def returned(many):
    got = yield from returned(many - 1) if many else "x"
    return got or "done"

"""


class Doing(NamedTuple):
    """A package with a function for each of the three tables."""

    package: str
    functions: dict[str, Callable[..., Any]]

    def __call__(self, name: str) -> Any:
        return self.functions[name](*given())


@pytest.fixture(scope="module")
def does(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doing]:
    """A package of another name each time, since what is known of a package stays known."""
    folder = tmp_path_factory.mktemp("work_doing")
    arguments = "many, table, keys, dead, full, text, texts, words"
    functions = [
        f"def f{number}({arguments}):\n    {body}\n"
        for number, body in enumerate([*WALKS.values(), *COPIES.values(), *STEPS.values()])
    ]
    (folder / "__init__.py").write_text(HEAD + "\n".join(functions), "utf-8")
    sys.path.insert(0, str(folder.parent))
    try:
        module = importlib.import_module(folder.name)
        names = [*WALKS, *COPIES, *STEPS]
        yield Doing(folder.name, {n: getattr(module, f"f{k}") for k, n in enumerate(names)})
    finally:
        sys.path.remove(str(folder.parent))
        del sys.modules[folder.name]


def given() -> tuple[object, ...]:
    many = list(range(N))
    dead = dict.fromkeys(range(N + 1))
    for each in range(N):
        del dead[each]
    text = b"x" * N
    texts = [b"x" * (N // 10)] * 10
    full = dict.fromkeys(range(FULL))
    return many, dict.fromkeys(many), set(many), dead, full, text, texts, text.decode()


@pytest.mark.parametrize("name", WALKS)
def test_going_over_all_counts(does: Doing, name: str) -> None:
    work = work_of(lambda: does(name), of=(does.package,))
    assert N <= work <= 5 * N, work


@pytest.mark.parametrize("name", COPIES)
def test_copying_counts(does: Doing, name: str) -> None:
    work = work_of(lambda: does(name), of=(does.package,))
    assert BYTES <= work <= 5 * BYTES, work


@pytest.mark.parametrize("name", STEPS)
def test_a_step_counts_little(does: Doing, name: str) -> None:
    with counting(of=(does.package,)) as meter:
        does(name)
    assert meter.take() <= 10


def test_every_function_of_the_core_is_counted() -> None:
    known = {function for function, _ in functions_of("sharedstate_core")}
    folder = str(sharedstate_core.__path__[0])
    left = [
        each
        for each in gc.get_objects()
        if isinstance(each, FunctionType)
        and each not in known
        and each.__code__.co_filename.startswith(folder)
        and "<locals>" not in each.__qualname__  # rewritten with what makes them
        and each.__module__ in sys.modules
        and ".testing" not in each.__module__
    ]
    assert left == []


def history() -> tuple[list[Any], int]:
    world = watching(3, "a", "b")
    for number in range(20):
        put(world, number % 3, f"item{number % 7}")
        world.settle()
    return [hear(world, client) for client in range(3)], world.server.counters.bytes


def test_nothing_is_done_in_another_way() -> None:
    plain = history()
    with counting() as meter:
        assert history() == plain
        first = meter.take()
        assert history() == plain
        assert meter.take() == first > 0
    assert history() == plain
    assert meter.take() == 0


def test_blocks_do_not_nest_and_end_whatever_happens() -> None:
    with counting(), pytest.raises(RuntimeError, match="already"), counting():
        pass
    with pytest.raises(ZeroDivisionError), counting():
        raise ZeroDivisionError
    assert work_of(lambda: watching(1, "a")) > 0


def test_other_threads_do_not_count(does: Doing) -> None:
    with counting(of=(does.package,)) as meter, ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: does("a loop")).result()
        assert meter.take() == 0
        does("a loop")
        assert meter.take() >= N


def test_what_is_suspended_in_a_block_goes_on_after_it(does: Doing) -> None:
    with counting(of=(does.package,)) as meter:
        going = does("a generator left alone")
        assert next(going) == 0
    assert list(going) == list(range(1, N))
    assert 0 < meter.take() < 10


def test_what_a_generator_returns_is_returned(does: Doing) -> None:
    with counting(of=(does.package,)):
        going = does("a generator that returns")
        assert next(going) == "x"
        with pytest.raises(StopIteration, match="done"):
            next(going)


def test_a_count_tells_where_it_was_made() -> None:
    world = watching(1, "a")
    put(world, 0, "b")
    work = work_of(world.settle)
    assert sum(work.places.values()) == work > 100
    assert repr(work).startswith(f"{int(work):,} units\n")
    assert any(place.startswith("items/notices.py:") for place in work.places)
