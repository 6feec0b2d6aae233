"""What an operation costs does not grow with what it has nothing to do with: counted, not timed.

`python -m benchmarks growth` does the same by the clock, at larger sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from benchmarks.growth.fit import exponent
from benchmarks.growth.operations import OPERATIONS
from benchmarks.growth.scene import PATH, Scene, request
from tests.support.work import LONG_TURN, Work, counting

if TYPE_CHECKING:
    from benchmarks.growth.operations import Operation

LARGE = 1_000
"""The largest size at which work is counted, but of items: below some thousands they take other ways."""

LARGEST = 100_000
"""The largest size at which inputs are counted one by one."""

STEEP: frozenset[str] = frozenset()
"""What still grows faster than it may."""

LONG = frozenset(
    {
        "an update over items in it",  # a valid message of the allowed size
    }
)
"""What takes one long input at a large size."""


class Counted(NamedTuple):
    """The work of an operation, and of that input of the core that took most of it."""

    work: int
    largest: Work


def count(operation: Operation, size: int) -> Counted:
    scene, ready = operation.prepare(size)
    ready()()
    do = ready()
    inputs: list[Work] = []
    with counting() as meter:
        scene.after_input = lambda: inputs.append(meter.take())
        do()
    scene.after_input = int
    return Counted(sum(inputs), max(inputs))


def sizes(operation: Operation) -> list[int]:
    if operation.over == "items":
        return [size for size in operation.sizes if LARGE < size <= LARGEST]
    return [size for size in operation.sizes if size <= LARGE]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.title)
def test_how_the_work_of_an_operation_grows(operation: Operation) -> None:
    counts = {size: count(operation, size) for size in sizes(operation)}
    grows = exponent({size: each.work for size, each in counts.items()})
    assert (grows > operation.bound) == (operation.title in STEEP), (grows, counts)


ALONE = [each for each in OPERATIONS if each.over not in {"subscribers", "collections"}]
"""Others may be few here: their number is what the test above is about, and many of them take long to come."""


@pytest.mark.parametrize("operation", ALONE, ids=lambda each: each.title)
def test_no_input_is_long(operation: Operation) -> None:
    size = max(size for size in operation.sizes if size <= LARGEST)
    largest = count(operation, size).largest
    assert (largest > LONG_TURN) == (operation.title in LONG), largest


def test_no_insertion_moves_all_that_is_there() -> None:
    """A plain dict of 349,525 entries has no room left, and moves all of them for the next one."""
    scene = Scene(349_400, 10)
    connection = scene.connect(PATH)
    with counting() as meter:
        for number in range(200):
            scene.say(connection, request("PUT", PATH, f'{{"insert":[{{"id":"n{number}"}}]}}'))
            work = meter.take()
            assert work < LONG_TURN // 3, work
