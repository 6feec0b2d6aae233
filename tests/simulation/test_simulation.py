"""Everything that can happen, in any order: hypothesis moves the World, and the guarantees must hold at each step."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sharedstate_core import CollectionPath, Commit, Cursor, Limits, Update
from sharedstate_core.testing import (
    Client,
    Copy,
    MemoryStore,
    World,
    check_copies,
    check_requests,
    check_rest,
)

from .internals import check_empty, check_internals

CLIENTS = 3
COLLECTIONS = (CollectionPath("a", "items", "c"), CollectionPath("a", "items", "d"))
SPELLINGS = ("/a/items/c", "a/items//c/", "/a/items/d")
LIMITS = Limits(
    tombstones=3,
    part_bytes=40,
    unanswered=8,
    held_bytes=1500,
    group=3,
    drain_seconds=10,
    linger_seconds=5,
    retry_seconds=(0.5, 2),
)

clients = st.integers(0, CLIENTS - 1)
collections = st.sampled_from(COLLECTIONS)
spellings = st.sampled_from(SPELLINGS)
ids = st.sampled_from("pqrstu")
places = st.integers(0, 9)
subs = st.sampled_from([{}, {"parts": True}, {"unknown": [1.5, None]}])
forged = st.sampled_from(
    [
        {"since": {"epoch": "epoch-1", "version": 99}},
        {"since": {"epoch": "epoch-1", "version": -1}},
        {"since": {"epoch": "another", "version": 0}},
    ]
)
updates = st.fixed_dictionaries(
    {
        "insert": st.lists(ids, max_size=4),
        "remove": st.lists(ids, max_size=4),
        "reset": st.sampled_from([False] * 7 + [True]),
    }
)


class Simulation(RuleBasedStateMachine):
    """One World; a rule is one thing that happens."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(
            CLIENTS, limits=LIMITS, store=MemoryStore(tombstones=4), services=("items",)
        )
        self.updates = 0
        self.epochs = 1

    @initialize(client=clients, spelling=spellings, sub=subs)
    def begin(self, client: int, spelling: str, sub: dict[str, Any]) -> None:
        self.world.clients[client].put_subs({spelling: sub})

    # --- clients ----------------------------------------------------------------------------------

    @rule(client=clients, spelling=spellings, update=updates)
    def put(self, client: int, spelling: str, update: dict[str, Any]) -> None:
        if self._online(client):
            self._client(client).put(spelling, **self._unique(update))

    @rule(client=clients, spelling=spellings, update=updates, back=places, some=st.lists(ids))
    def put_if(
        self, client: int, spelling: str, update: dict[str, Any], back: int, some: list[str]
    ) -> None:
        copy = self._client(client).copies.get(spelling, Copy())
        if self._online(client) and copy.cursor is not None:
            cursor = Cursor(copy.cursor.epoch, copy.cursor.version - back // 5)
            self._client(client).put(
                spelling, **self._unique(update), condition=(cursor, some or None)
            )

    @rule(client=clients, spelling=spellings)
    def put_nothing(self, client: int, spelling: str) -> None:
        if self._online(client):
            self._client(client).put(spelling)

    @rule(client=clients, spelling=st.sampled_from([*SPELLINGS, "/a/items", "/clock", "/subs"]))
    def get(self, client: int, spelling: str) -> None:
        if self._online(client):
            self._client(client).ask("GET", spelling)

    @rule(
        client=clients,
        insert=st.dictionaries(spellings, subs | forged, max_size=2),
        remove=st.lists(spellings, max_size=2),
        reset=st.booleans(),
    )
    def put_subs(
        self, client: int, insert: dict[str, dict[str, Any]], remove: list[str], reset: bool
    ) -> None:
        if self._online(client):
            self._client(client).put_subs(insert, remove, reset=reset)

    # --- links ------------------------------------------------------------------------------------

    @rule(client=clients, messages=st.integers(1, 4))
    def to_server(self, client: int, messages: int) -> None:
        for _ in range(messages):
            if self._client(client).outbox and self.world.links[client].reading:
                self.world.to_server(client)

    @rule(client=clients, messages=st.integers(1, 9))
    def to_client(self, client: int, messages: int) -> None:
        for _ in range(min(messages, len(self.world.links[client].inbox))):
            self.world.to_client(client)

    @rule(client=clients)
    def cut_or_connect(self, client: int) -> None:
        if self._online(client):
            self.world.cut(client)
        else:
            self.world.connect(client)

    @rule(client=clients)
    def block_or_drain(self, client: int) -> None:
        if not self._online(client):
            return
        if self.world.links[client].blocked:
            self.world.drain(client)
        else:
            self.world.block(client)

    # --- storage ----------------------------------------------------------------------------------

    @precondition(lambda self: self.world.operations)
    @rule(place=places)
    def execute(self, place: int) -> None:
        ticket = self._ticket(place)
        if self.world.operations[ticket].result is None:
            self.world.execute(ticket)

    @precondition(lambda self: self.world.operations)
    @rule(place=places, reject=st.sets(st.integers(0, 2), max_size=2))
    def finish(self, place: int, reject: set[int]) -> None:
        self.world.finish(self._ticket(place), reject)

    @precondition(lambda self: self.world.operations)
    @rule(place=places, applied=st.booleans())
    def fail(self, place: int, applied: bool) -> None:
        ticket = self._ticket(place)
        operation = self.world.operations[ticket]
        if isinstance(operation.effect, Commit) and (applied or operation.result is not None):
            self.world.lose(ticket, applied=applied)
        else:
            self.world.fail(ticket)

    @rule(path=collections, update=updates)
    def commit_elsewhere(self, path: CollectionPath, update: dict[str, Any]) -> None:
        unique = self._unique(update)
        insert = {item["id"]: str(item).encode() for item in unique["insert"]}
        texts = {id: b'{"id":"%s","by":"another"}' % id.encode() for id in insert}
        self.world.commit_elsewhere(path, Update(tuple(unique["remove"]), texts, unique["reset"]))

    @rule(path=collections, vaguely=st.booleans())
    def tell(self, path: CollectionPath, vaguely: bool) -> None:
        self.world.tell(path, vaguely=vaguely)

    # --- time and fate ----------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.1, 1.0, 6.0, 20.0]))
    def advance(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(chance=places)
    def restart(self, chance: int) -> None:
        if chance == 0:
            self.world.restart()
        elif chance == 1:
            self.epochs += 1
            self.world.start_anew(f"epoch-{self.epochs}")

    @rule(chance=places)
    def settle(self, chance: int) -> None:
        if chance < 5:
            self.world.settle()
            check_rest(self.world)

    # --- what must hold ---------------------------------------------------------------------------

    @invariant()
    def guarantees(self) -> None:
        check_copies(self.world)
        check_internals(self.world)

    def teardown(self) -> None:
        world = self.world
        check_requests(world)
        world.settle()
        check_copies(world)
        check_requests(world)
        check_rest(world)
        for client in range(CLIENTS):
            world.cut(client)
        for ticket in list(world.operations):
            world.finish(ticket)
        world.advance(LIMITS.linger_seconds)
        check_empty(world.server)

    # --- helpers ----------------------------------------------------------------------------------

    def _client(self, client: int) -> Client:
        return self.world.clients[client]

    def _online(self, client: int) -> bool:
        return self.world.links[client].connection is not None

    def _ticket(self, place: int) -> int:
        tickets = list(self.world.operations)
        return tickets[place % len(tickets)]

    def _unique(self, update: dict[str, Any]) -> dict[str, Any]:
        """Complete an update so that no other is equal: the store's history tells whose a version is."""
        self.updates += 1
        ids = list(dict.fromkeys(update["insert"]))
        if update["reset"] and not ids:
            ids = ["p"]
        insert = [{"id": id, "n": self.updates} for id in ids]
        remove = update["remove"]
        if not insert:
            remove = [*remove, f"absent-{self.updates}"]
        return {"insert": insert, "remove": remove, "reset": update["reset"]}


Simulation.TestCase.settings = settings(
    max_examples=max(200, settings().max_examples), stateful_step_count=60
)
TestSimulation = Simulation.TestCase
