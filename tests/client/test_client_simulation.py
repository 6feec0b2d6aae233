"""Real clients and a real server, in whatever order things may happen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sharedstate_core import CollectionPath, Commit, Condition, Cursor, Limits, Update
from sharedstate_core.client import protocol, requests
from sharedstate_core.testing import (
    Copy,
    MemoryStore,
    World,
    check_copies,
    check_requests,
    check_rest,
)
from sharedstate_core.testing.filters import shows
from sharedstate_core.testing.records import path_of

from .supervised import Supervised, join, steal
from .witness import check, key_of

CLIENTS = 2
WINDOW = 3  # unanswered requests at the most, so that some wait in spite of a connection
COLLECTIONS = (CollectionPath("a", "items", "c"), CollectionPath("a", "items", "d"))
SPELLINGS = ("/a/items/c", "a/items//c/", "/a/items/d")
PARTS: tuple[dict[str, Any], ...] = (
    {"view": "some", "where": {"k": 1}},
    {"view": "others", "where": {"not": {"k": 1}, "id": {"in": ["p", "q", "r", "s"]}}},
    {"view": "last", "last": 2},
    {"view": "last of some", "where": {"k": {"gt": 0}}, "last": 2},
    {"view": "kinds", "fields": ["k"]},
    {"view": "few", "where": {"k": 2}, "last": 1, "fields": ["k"]},
)
REFUSED = "/a/no-such-service/c"
LIMITS = Limits(
    tombstones=3,
    part_bytes=40,
    unanswered=8,
    held_bytes=1500,
    window_bytes=400,
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
distances = st.sampled_from(["nowhere", "to the server", "all the way"])
updates = st.fixed_dictionaries(
    {
        "insert": st.lists(ids, max_size=4),
        "remove": st.lists(ids, max_size=4),
        "reset": st.sampled_from([False] * 7 + [True]),
    }
)


class Simulation(RuleBasedStateMachine):
    """A World with clients of ours. A few rules with many fates each mix better than many rules."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(requests, "WINDOW", WINDOW)
        self.patch.setattr(
            protocol, "MAX_BREACHES", 1000
        )  # what is stolen here is no server's fault
        self.world = World(0, limits=LIMITS, store=MemoryStore(tombstones=4))
        self.clients = [Supervised() for _ in range(CLIENTS)]
        for client in self.clients:
            join(self.world, client)
        self.updates = 0
        self.epochs = 1

    @initialize(wanted=st.lists(st.lists(spellings, max_size=2), max_size=CLIENTS))
    def begin(self, wanted: list[list[str]]) -> None:
        for client, paths in enumerate(wanted):
            for path in paths:
                self.clients[client].acquire(path)
            self.world.connect(client)

    # --- what applications do ---------------------------------------------------------------------

    @rule(client=clients, path=st.sampled_from([*SPELLINGS, REFUSED]), far=distances)
    def acquire(self, client: int, path: str, far: str) -> None:
        self.clients[client].acquire(path)
        self._carry(client, far)

    @rule(client=clients, path=spellings, part=st.sampled_from(PARTS), far=distances)
    def acquire_part(self, client: int, path: str, part: dict[str, Any], far: str) -> None:
        self.clients[client].acquire(path, part)
        self._carry(client, far)

    @precondition(lambda self: any(client.held for client in self.clients))
    @rule(client=clients, place=places, again=st.booleans(), far=distances)
    def release(self, client: int, place: int, again: bool, far: str) -> None:
        held = self.clients[client].held
        if held:
            name = held[place % len(held)]
            self.clients[client].release(name)
            if again:
                view = None if isinstance(name, str) else name[1]
                [part] = [each for each in ({"view": None}, *PARTS) if each["view"] == view]
                self.clients[client].acquire(path_of(name), part if view else None)
            self._carry(client, far)

    @rule(
        client=clients,
        path=st.sampled_from([*SPELLINGS, *SPELLINGS, REFUSED]),
        update=updates,
        kind=st.sampled_from(["plain"] * 4 + ["if", "if", "nothing"]),
        since=places,
        some=st.lists(ids, max_size=2),
        far=distances,
    )
    def update(
        self,
        client: int,
        path: str,
        update: dict[str, Any],
        kind: str,
        since: int,
        some: list[str],
        far: str,
    ) -> None:
        supervised = self.clients[client]
        cursor = supervised.copies.get(path, Copy()).cursor
        if kind == "if" and cursor is not None:
            seen = Cursor(cursor.epoch, max(0, cursor.version - since // 5))
            condition = Condition(seen, tuple(some) or None)
            supervised.update(path, self._unique(update), condition)
        else:
            supervised.update(path, Update() if kind == "nothing" else self._unique(update), None)
        self._carry(client, far)

    @rule(
        client=clients,
        path=st.sampled_from([*SPELLINGS, "/a/items", "/clock"]),
        far=distances,
    )
    def get(self, client: int, path: str, far: str) -> None:
        self.clients[client].get(path)
        self._carry(client, far)

    @rule(client=clients, path=spellings, part=st.sampled_from(PARTS), far=distances)
    def get_part(self, client: int, path: str, part: dict[str, Any], far: str) -> None:
        self.clients[client].get(path, {k: v for k, v in part.items() if k != "view"})
        self._carry(client, far)

    # --- links ------------------------------------------------------------------------------------

    @rule(
        client=clients,
        fate=st.sampled_from(["up", "up all", "down", "down", "down all", "cut", "block", "drain"]),
    )
    def link(self, client: int, fate: str) -> None:
        world, link = self.world, self.world.links[client]
        if not self._online(client):
            world.connect(client)
        elif fate in {"up", "up all"} and self.clients[client].outbox and link.reading:
            world.to_server(client)
            self._carry(client, "to the server" if fate == "up all" else "nowhere")
        elif fate in {"down", "down all"}:
            while link.inbox:
                world.to_client(client)
                if fate == "down":
                    break
        elif fate == "cut":
            world.cut(client)
        elif fate == "block" and not link.blocked:
            world.block(client)
        elif link.blocked or link.draining:
            world.drain(client)

    @rule(client=clients, path=collections)
    def steal(self, client: int, path: CollectionPath) -> None:
        """Let the client miss a change, as no link of ours ever should."""
        self.world.commit_elsewhere(path, self._unique({"insert": ["p"]}))
        self.world.tell(path)
        while self.world.operations:
            self.world.finish(next(iter(self.world.operations)))
        steal(self.world, client, str(path))

    # --- storage ----------------------------------------------------------------------------------

    @precondition(lambda self: self.world.operations)
    @rule(
        place=places,
        fate=st.sampled_from(
            ["finish", "finish", "finish", "execute", "reject", "fail", "lose", "lose applied"]
        ),
        reject=st.sets(st.integers(0, 2), min_size=1, max_size=2),
    )
    def storage(self, place: int, fate: str, reject: set[int]) -> None:
        tickets = list(self.world.operations)
        ticket = tickets[place % len(tickets)]
        operation = self.world.operations[ticket]
        commits, done = isinstance(operation.effect, Commit), operation.result is not None
        if fate == "execute" and not done:
            self.world.execute(ticket)
        elif fate in {"execute", "finish"}:
            self.world.finish(ticket)
        elif fate == "reject":
            self.world.finish(ticket, reject)
        elif commits and (done or fate != "fail"):
            self.world.lose(ticket, applied=fate == "lose applied")
        else:
            self.world.fail(ticket)

    @rule(path=collections, update=updates, told=st.sampled_from(["later", "now", "vaguely"]))
    def commit_elsewhere(self, path: CollectionPath, update: dict[str, Any], told: str) -> None:
        self.world.commit_elsewhere(path, self._unique(update))
        if told != "later":
            self.world.tell(path, vaguely=told == "vaguely")

    @rule(path=collections, vaguely=st.booleans())
    def tell(self, path: CollectionPath, vaguely: bool) -> None:
        self.world.tell(path, vaguely=vaguely)

    # --- time and fate ----------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.6, 6.0, 20.0]))
    def advance(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(
        fate=st.sampled_from(["nothing"] * 5 + ["rest"] * 3 + ["restart", "anew", "restart anew"])
    )
    def fate(self, fate: str) -> None:
        if "anew" in fate:
            self.epochs += 1
            self.world.start_anew(f"epoch-{self.epochs}")
        if "restart" in fate:
            self.world.restart()
        elif fate == "rest":
            self._rest()

    def _rest(self) -> None:
        """Let everything go well, and find all at rest soon."""
        for client in self.clients:
            for name in client.damaged:  # only what follows can show it
                path = CollectionPath(*path_of(name).strip("/").split("/"))
                self.world.commit_elsewhere(path, self._unique({"insert": ["p"]}))
        for path in COLLECTIONS:  # also one that was empty when the store was started anew
            self.world.tell(path)
        before = [client.texts for client in self.clients]
        due = [len(client.waiting) + 4 * len(client.held) + 1 for client in self.clients]
        self.world.settle()
        check_rest(self.world)
        for client, sent, bound in zip(self.clients, before, due, strict=True):
            check(client.texts - sent <= bound, f"{client.texts - sent} texts until quiet")
            check(not client.witness.protocol.unsettled, "a request is not settled")
            check(not client.witness.owed, f"{client.witness.owed} are not in sync")
            check(not client.damaged, f"{client.damaged} are not mended")
            check(client.refused == {REFUSED} & set(client.held), f"refused: {client.refused}")
            for name in client.wanted:
                path = CollectionPath(*path_of(name).strip("/").split("/"))
                shown = client.witness.protocol.items(*key_of(name))
                is_right = shows(shown, self.world.store.state(path), client.copies[name].sub)
                check(is_right, f"{name} is {shown}")

    # --- what must hold ---------------------------------------------------------------------------

    @invariant()
    def guarantees(self) -> None:
        check_copies(self.world)

    def teardown(self) -> None:
        try:
            self._rest()
        finally:
            self.patch.undo()
        check_copies(self.world)
        check_requests(self.world)
        steps = [step.update for _, history in self.world.store.histories() for step in history]
        for client in self.clients:
            for asked in client.asked:
                once = asked.update is None or asked.update.is_noop or steps.count(asked.update) < 2
                check(once, f"{asked} was carried out twice")

    # --- helpers ----------------------------------------------------------------------------------

    def _online(self, client: int) -> bool:
        return self.world.links[client].connection is not None

    def _carry(self, client: int, far: str) -> None:
        """Let what a client has sent go so far, and with it what that brings about."""
        if far == "nowhere" or not self._online(client):
            return
        world, link, outbox = self.world, self.world.links[client], self.clients[client].outbox
        while link.reading and outbox:
            world.to_server(client)
        while far == "all the way" and world.operations:
            world.finish(next(iter(world.operations)))
        while far == "all the way" and link.inbox:
            world.to_client(client)

    def _unique(self, update: dict[str, Any]) -> Update:
        """Return an update that no other equals: the store's history tells whose a version is."""
        self.updates += 1
        remove, reset = update.get("remove", []), update.get("reset", False)
        insert = list(dict.fromkeys(update["insert"])) or (["p"] if reset else [])
        if not insert:
            remove = [*remove, f"absent-{self.updates}"]
        texts = {
            id: b'{"id":"%s","n":%d,"k":%d}' % (id.encode(), self.updates, (self.updates + n) % 3)
            for n, id in enumerate(insert)
        }
        return Update(tuple(dict.fromkeys(remove)), texts, reset)


Simulation.TestCase.settings = settings(stateful_step_count=60)
TestSimulation = Simulation.TestCase
