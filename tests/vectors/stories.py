"""Random stories: a client under record beside a second writer, a server and a store, in the deterministic World.

The rules:

1. Everything follows from the seed: the same story, byte for byte, with every version of Python.
2. At the end all is well again, and the client must show what the store holds.
"""

from __future__ import annotations

import json
import random
from typing import Any, Final, NamedTuple, TypeVar

from sharedstate_core import Limits, Update, parse_collection_path
from sharedstate_core.testing import Client, Link, MemoryStore, World
from sharedstate_core.testing.filters import shown

from .recorded import Recorded
from .replay import compact

PATHS: Final = ("/app/items/c", "/app/items/d")
IDS: Final = ("a", "b", "c", "10", "2", "é", "__proto__")
"""Ids that go astray where a map sorts its keys, takes some for numbers, or has members of its own."""

VALUES: Final = (0, 1.5, "x", None, True, [1, [2]], {"of": {"deep": "🌍"}})
RECORDED, WRITER = 0, 1

T = TypeVar("T")


class Plot(NamedTuple):
    """What is special in one story.

    Attributes:
        about: a sentence about it.
        seed: of everything that is random.
        likely: how often each thing happens, compared with the others; `x` is done by `do_x`.
        level: what level the server speaks.
        limits: the server's.
        steps: how much happens, about.
        views: what else is acquired of each collection, beside all of it.
    """

    about: str
    seed: int
    likely: dict[str, float]
    level: int = 2
    limits: Limits = Limits()
    steps: int = 60
    views: tuple[dict[str, Any], ...] = ()


class Story:
    """One story while it is told."""

    def __init__(self, plot: Plot) -> None:
        self._plot = plot
        parts = [{"path": path} | view for path in PATHS for view in plot.views]
        self._wanted: tuple[Any, ...] = (*PATHS, *parts)
        self._random = random.Random(plot.seed).random
        self._tickets = 0
        self._epochs = 1
        self._value = 0
        self.world = world = World(0, limits=plot.limits, store=MemoryStore(tombstones=3))
        self.recorded = Recorded(plot.level, world.store)
        self._writer = Client()
        world.clients = [self.recorded, self._writer]
        world.links = [Link(), Link()]
        world.connect(WRITER)

    def tell(self) -> list[dict[str, Any]]:
        """Let it happen; return the steps."""
        self.do_acquire()
        often = self._plot.likely
        while len(self.recorded.steps) < self._plot.steps:
            lot = self._random() * sum(often.values())
            for name, share in often.items():
                lot -= share
                if lot < 0:
                    getattr(self, f"do_{name}")()
                    break
        self._end_well()
        return self.recorded.steps

    def _end_well(self) -> None:
        world = self.world
        world.settle()
        for path in PATHS:
            self._writer.put(path, insert=[{"id": "last"}])
        world.settle()  # a gap, if there is one, has shown by now
        for name in sorted(self.recorded.acquired):
            self.recorded.take({"acquire": self.recorded.acquired[name]})
        world.settle()
        for name in sorted(self.recorded.acquired):
            path, sub = self.recorded.part(name)
            stored = world.store.state(parse_collection_path(path))
            assert self.recorded.shown(name) == list(shown(stored, sub).values())

    # --- chance -----------------------------------------------------------------------------------

    def _chance(self, probability: float) -> bool:
        return self._random() < probability

    def _pick(self, choices: tuple[T, ...] | list[T]) -> T:
        return choices[int(self._random() * len(choices))]

    def _some(self, choices: tuple[T, ...], probability: float) -> list[T]:
        return [each for each in choices if self._chance(probability)]

    def _insert(self) -> list[dict[str, Any]]:
        ids = self._some(IDS, 0.3)
        if self._chance(0.5):
            ids.reverse()
        self._value += 1
        return [{"id": id, "n": self._value, "v": self._pick(VALUES)} for id in ids]

    def _update(self) -> dict[str, Any]:
        """An update with the members that it needs."""
        update = {"remove": self._some(IDS, 0.25), "insert": self._insert()}
        arg: dict[str, Any] = {member: value for member, value in update.items() if value}
        if self._chance(0.1):
            arg.pop("remove", None)
            arg["reset"] = True
        return arg

    # --- what may happen --------------------------------------------------------------------------

    def do_acquire(self) -> None:
        wanted = self._pick(self._wanted)
        name = wanted if isinstance(wanted, str) else f"{wanted['path']} {wanted['view']}"
        if name not in self.recorded.acquired or self._chance(0.1):
            self.recorded.acquired[name] = wanted
            self.recorded.take({"acquire": wanted})

    def do_release(self) -> None:
        if self.recorded.acquired:
            name = self._pick(sorted(self.recorded.acquired))
            del self.recorded.acquired[name]
            path, *view = name.split(" ")
            self.recorded.take({"release": {"path": path, "view": view[0]} if view else path})

    def do_update(self) -> None:
        path, arg = self._pick(PATHS), self._update()
        cursor = self.recorded.cursor(path)
        if cursor is not None and self._chance(0.3):
            arg["if"] = cursor._asdict()
            if self._chance(0.5):
                arg["if"]["ids"] = [self._pick(IDS)]
        self._tickets += 1
        self.recorded.take({"update": {"ticket": self._tickets, "path": path, "arg": arg}})

    def do_get(self) -> None:
        self._tickets += 1
        self.recorded.take({"get": {"ticket": self._tickets, "path": self._pick(PATHS)}})

    def do_get_part(self) -> None:
        self._tickets += 1
        part = {k: v for k, v in self._pick(self._plot.views).items() if k != "view"}
        asked = {"ticket": self._tickets, "path": self._pick(PATHS), "arg": part}
        self.recorded.take({"get": asked})

    def do_write(self) -> None:
        """Somebody else writes, through the server."""
        self._writer.put(self._pick(PATHS), **self._update())
        self.world.to_server(WRITER)

    def do_write_elsewhere(self) -> None:
        """Another server process writes."""
        arg = self._update()
        texts = {item["id"]: compact(item).encode() for item in arg.get("insert", ())}
        update = Update(tuple(arg.get("remove", ())), texts, arg.get("reset", False))
        path = parse_collection_path(self._pick(PATHS))
        self.world.commit_elsewhere(path, update)
        self.world.tell(path)

    def do_carry(self) -> None:
        """Messages travel, to the server or to the client, storage answers."""
        link = self.world.links[RECORDED]
        while link.connection is not None and link.reading and self.recorded.outbox:
            self.world.to_server(RECORDED)
        if self._chance(0.8):
            for ticket in list(self.world.operations):
                self.world.finish(ticket)
        while link.inbox and self._chance(0.8):
            self.world.to_client(RECORDED)

    def do_cut(self) -> None:
        if self.world.links[RECORDED].connection is not None:
            self.world.cut(RECORDED)

    def do_connect(self) -> None:
        if self.world.links[RECORDED].connection is None:
            self.world.connect(RECORDED)

    def do_block(self) -> None:
        link = self.world.links[RECORDED]
        if link.connection is not None and not link.blocked:
            self.world.block(RECORDED)

    def do_drain(self) -> None:
        if self.world.links[RECORDED].blocked:
            self.world.drain(RECORDED)

    def do_lose(self) -> None:
        """What comes next gets lost on the way: no good transport does that, but a client must notice."""
        self.do_write()
        for ticket in list(self.world.operations):
            self.world.finish(ticket)
        inbox = self.world.links[RECORDED].inbox
        told = [each for each in inbox if json.loads(each)["type"] == "MESSAGE"]
        if told:
            inbox.remove(told[0])

    def do_start_anew(self) -> None:
        """The storage is lost, and the server notices."""
        self._epochs += 1
        self.world.start_anew(f"epoch-{self._epochs}")
        for path in PATHS:
            self.world.tell(parse_collection_path(path))
