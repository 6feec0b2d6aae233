"""Random histories of a collection, of its readers, and of what happens to them.

    python -m tests.core.view_histories FIRST NUMBER [rules]

plays as many, and prints the shortest form of those that fail.
"""

from __future__ import annotations

import json
import random
import sys
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from sharedstate_core import Limits, Update
from sharedstate_core.views import finder, window

from .view_model import FILTERS, READS, Shape
from .view_world import PATH, SERVERS, ViewWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Step = tuple[Any, ...]

READERS: Final = 3
IDS: Final = "abcdefg"
VIEWS: Final = ("", "v", "w")


class Chooser:
    """Chooses what happens.

    Args:
        seed: decides.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def limits(self) -> Limits:
        """Small ones, mostly, so that what is rare happens."""
        choice = self.random.choice
        return Limits(
            turn_items=choice([1, 3, 1000]),
            tombstones=choice([0, 2, 5, 100]),
            part_bytes=choice([20, 100_000]),
            views=choice([READERS * len(VIEWS), 10_000]),
            scanned_views=2 * READERS * len(VIEWS),
            encoded_bytes=choice([0, 1000, 1 << 27]),
            linger_seconds=10.0,
        )

    def item(self) -> dict[str, Any]:
        """An item; members may be missing."""
        r = self.random
        item: dict[str, Any] = {"id": r.choice(IDS)}
        if r.random() < 0.9:
            item["room"] = r.randrange(3)
        item["n"] = r.randrange(3)
        if r.random() < 0.5:
            item["tags"] = [r.choice("xy") for _ in range(r.randrange(3))]
        return item

    def update(self) -> dict[str, Any]:
        """An update, as a client sends it."""
        r = self.random
        remove = [r.choice(IDS) for _ in range(r.randrange(3))] if r.random() < 0.5 else []
        insert = [self.item() for _ in range(r.randrange(4))]
        return {"remove": remove, "insert": insert, "reset": r.random() < 0.07}

    def shape(self) -> Shape:
        """What a reader asks for."""
        choice = self.random.choice
        last = choice([None, None, None, 1, 2, 4])
        return Shape(choice(range(len(FILTERS))), last, choice([None, None, None, ("room",)]))

    def user(self) -> dict[str, Any]:
        """Who a reader is."""
        r = self.random
        return {"id": "u", "admin": r.random() < 0.3, "room": r.randrange(3)}

    def step(self) -> Step:
        """Something that happens."""
        r = self.random
        reader = r.randrange(READERS)
        steps: Sequence[tuple[int, Callable[[], Step]]] = (
            (25, lambda: ("put", reader, self.update())),
            (5, lambda: ("put_if", reader, self.update())),
            (12, lambda: ("subscribe", reader, r.choice(VIEWS), self.shape())),
            (2, lambda: ("unsubscribe", reader, r.choice(VIEWS))),
            (3, lambda: ("read", reader, r.choice(VIEWS), self.shape())),
            (10, lambda: ("deliver", reader, r.randint(1, 6))),
            (14, lambda: ("finish", r.randint(1, 3), r.random() < 0.05)),
            (4, lambda: ("block", reader)),
            (4, lambda: ("drain", reader)),
            (3, lambda: ("cut", reader)),
            (4, lambda: ("connect", reader, r.randrange(SERVERS))),
            (2, lambda: ("tell", r.randrange(SERVERS))),
            (5, lambda: ("elsewhere", self.update(), r.random() < 0.5)),
            (5, lambda: ("turn", r.choice([0.0, 0.0, 0.0, 1.0, 40.0]))),
            (1, lambda: ("start", r.randrange(SERVERS))),
            (2, lambda: ("settle",)),
            (4, lambda: ("sign_in", reader, self.user())),
            (3, lambda: ("reload", r.choice([*READS]))),
            (1, lambda: ("lose", r.random() < 0.5)),
        )
        return r.choices([make for _, make in steps], [weight for weight, _ in steps])[0]()


def history(seed: int, *, has_rules: bool) -> tuple[ViewWorld, list[Step]]:
    """Return a new world, and what happens in it."""
    chooser = Chooser(seed)
    limits = chooser.limits()
    world = ViewWorld(limits, has_rules=has_rules, tombstones=chooser.random.randrange(5))
    steps = [chooser.step() for _ in range(chooser.random.randint(10, 80))]
    if has_rules:
        steps[:0] = [("sign_in", reader, chooser.user()) for reader in range(READERS)]
    return world, steps


def _put_if(world: ViewWorld, reader: int, update: Any) -> None:
    for (whose, _), copy in world.copies.items():
        if whose == reader and copy.epoch:
            condition = {"epoch": copy.epoch, "version": copy.version}
            world.say(reader, "PUT", PATH, {**update, "if": condition}, "put")
            return


def _read(world: ViewWorld, reader: int, view: str, shape: Shape) -> None:
    copy = world.copies.get((reader, view))
    places = [] if copy is None else sorted(at for at, _ in copy.items.values())
    world.read(reader, shape, places[len(places) // 2] if places else None)


def _elsewhere(world: ViewWorld, update: Any, is_told: bool) -> None:
    insert = {item["id"]: json.dumps(item).encode() for item in update["insert"]}
    remove = tuple(dict.fromkeys(update["remove"]))
    world.elsewhere(Update(remove, insert, update["reset"]), is_told=is_told)


def _several(world: ViewWorld, act: Callable[[], None], number: int) -> None:
    for _ in range(number):
        act()


ACTS: Final[dict[str, Callable[..., None]]] = {
    "put": lambda world, reader, update: world.say(reader, "PUT", PATH, update, "put"),
    "put_if": _put_if,
    "read": _read,
    "elsewhere": _elsewhere,
    "deliver": lambda world, reader, n: _several(world, lambda: world.deliver(reader), n),
    "lose": lambda world, told: world.lose(is_told=told),
    "finish": lambda world, n, fails: _several(world, lambda: world.finish(fails=fails), n),
}


def play(world: ViewWorld, steps: Sequence[Step]) -> None:
    """Let it happen; in the end, when all has come to rest, everybody sees what is there.

    Windows remember next to nothing beside what they show.
    """
    with patch.object(window, "SPARE", 1), patch.object(finder, "SPARE", 1):
        _play(world, steps)


def _play(world: ViewWorld, steps: Sequence[Step]) -> None:
    for reader in range(READERS):
        world.connect(reader)
    for what, *args in steps:
        if what in ACTS:
            ACTS[what](world, *args)
        else:
            getattr(world, what)(*args)
    world.settle()
    world.settle()
    world.check()


def fault_of(seed: int, steps: Sequence[Step] | None = None, *, has_rules: bool) -> str:
    """Return what goes wrong in a history, or in some of its steps; empty if nothing does."""
    world, chosen = history(seed, has_rules=has_rules)
    try:
        play(world, chosen if steps is None else steps)
    except Exception as error:  # whatever it is
        return f"{type(error).__name__}: {error}"[:60]
    return ""


def shortest(seed: int, *, has_rules: bool) -> list[Step]:
    """Return steps of a history that fails, none of which can be left out."""
    _, steps = history(seed, has_rules=has_rules)
    index = len(steps)
    while index:
        index -= 1
        fewer = steps[:index] + steps[index + 1 :]
        if fault_of(seed, fewer, has_rules=has_rules):
            steps, index = fewer, len(fewer)
    return steps


def main(first: int, number: int, *, has_rules: bool) -> int:
    """Play histories; return how many fail."""
    failed = [seed for seed in range(first, first + number) if fault_of(seed, has_rules=has_rules)]
    for seed in failed[:3]:
        print(seed, fault_of(seed, has_rules=has_rules))
        for step in shortest(seed, has_rules=has_rules):
            print("   ", step)
    print(f"{number} histories, {len(failed)} fail")
    return len(failed)


if __name__ == "__main__":
    sys.exit(bool(main(int(sys.argv[1]), int(sys.argv[2]), has_rules=len(sys.argv) > 3)))
