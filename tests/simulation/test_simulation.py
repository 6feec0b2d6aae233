"""Everything that can happen, in any order: hypothesis moves the World, and the guarantees must hold at each step."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from sharedstate_core import (
    CollectionPath,
    Commit,
    CommitResult,
    Committed,
    Cursor,
    Limits,
    ListApps,
    ListCollections,
    Load,
    Loaded,
    LocalProtocolError,
    Update,
)
from sharedstate_core.testing import (
    Client,
    Copy,
    MemoryStore,
    World,
    check_answers,
    check_copies,
    check_requests,
    check_rest,
)
from sharedstate_core.testing.client import as_patch

from .internals import check_empty, check_internals

CLIENTS = 3
COLLECTIONS = (CollectionPath("a", "items", "c"), CollectionPath("a", "items", "d"))
SPELLINGS = ("/a/items/c", "a/items//c/", "/a/items/d")
LIMITS = Limits(
    tombstones=3,
    part_bytes=40,
    turn_items=2,
    unanswered=8,
    held_bytes=1500,
    window_bytes=400,
    owed_bytes=6000,
    pending_bytes=2500,
    group=3,
    drain_seconds=10,
    linger_seconds=5,
    linger_bytes=5000,
    encoded_bytes=2000,
    loads=1,
    names=1,
    retry_seconds=(0.5, 2),
)

clients = st.integers(0, CLIENTS - 1)
LISTS = ["/a/items", "/b/items", "/a", "/apps"]
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
        "patch": st.just([]) | st.lists(st.tuples(ids, st.booleans()), max_size=3),
    }
)


class Simulation(RuleBasedStateMachine):
    """One World; a rule is one thing that happens. A few rules with many fates each mix better than many rules."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(CLIENTS, limits=LIMITS, store=MemoryStore(tombstones=4))
        self.updates = 0
        self.epochs = 1

    @initialize(wanted=st.lists(st.dictionaries(spellings, subs), max_size=CLIENTS))
    def begin(self, wanted: list[dict[str, dict[str, Any]]]) -> None:
        for client, insert in enumerate(wanted):
            self._client(client).put_subs(insert)
        self.world.settle()

    # --- clients ----------------------------------------------------------------------------------

    @rule(
        client=clients,
        spelling=spellings,
        update=updates,
        kind=st.sampled_from(["plain"] * 4 + ["if", "if", "nothing"]),
        since=places,
        some=st.lists(ids, max_size=2),
        arrives=st.booleans(),
    )
    def put(
        self,
        client: int,
        spelling: str,
        update: dict[str, Any],
        kind: str,
        since: int,
        some: list[str],
        arrives: bool,
    ) -> None:
        cursor = self._client(client).copies.get(spelling, Copy()).cursor
        if not self._online(client):
            return
        if kind == "nothing":
            self._client(client).put(spelling)
        elif kind == "if" and cursor is not None:
            seen = Cursor(cursor.epoch, cursor.version - since // 5)
            condition = (seen, some or None)
            self._client(client).put(spelling, **self._unique(update), condition=condition)
        else:
            self._client(client).put(spelling, **self._unique(update))
        self._carry(client, arrives)

    @rule(
        client=clients | st.none(),
        spelling=spellings,
        update=updates,
        kind=st.sampled_from(["put", "put", "put if", "get"]),
        since=places,
    )
    def call(
        self, client: int | None, spelling: str, update: dict[str, Any], kind: str, since: int
    ) -> None:
        """Let the program around the server ask, on behalf of a connection or of nobody's."""
        if client is not None and not self._online(client):
            return
        author = len(self.world.callers.asked)
        if kind == "get":
            self.world.get(spelling, author, client)
            return
        condition = Cursor(f"epoch-{self.epochs}", since) if kind == "put if" else None
        self.world.put(spelling, self._typed(update), author, condition, client)

    @rule(
        client=clients,
        path=st.sampled_from([*SPELLINGS, *LISTS, "/clock", "/subs"]),
        arg=st.sampled_from([None, None, {"after": ""}, {"after": "c", "limit": 1}]),
        arrives=st.booleans(),
    )
    def get(self, client: int, path: str, arg: object, arrives: bool) -> None:
        if self._online(client):
            self._client(client).ask("GET", path, arg)
            self._carry(client, arrives)

    @rule(
        client=clients,
        insert=st.dictionaries(spellings, subs | forged, max_size=2),
        remove=st.lists(spellings, max_size=2),
        reset=st.booleans(),
        arrives=st.booleans(),
    )
    def put_subs(
        self,
        client: int,
        insert: dict[str, dict[str, Any]],
        remove: list[str],
        reset: bool,
        arrives: bool,
    ) -> None:
        if self._online(client):
            self._client(client).put_subs(insert, remove, reset=reset)
            self._carry(client, arrives)

    # --- links ------------------------------------------------------------------------------------

    @rule(
        client=clients,
        fate=st.sampled_from(
            ["up", "up all", "up together", "down", "down all", "cut", "block", "drain"]
        ),
    )
    def link(self, client: int, fate: str) -> None:
        world, link = self.world, self.world.links[client]
        if not self._online(client):
            world.connect(client)
        elif fate.startswith("up") and self._client(client).outbox and link.reading:
            (world.all_to_server if fate == "up together" else world.to_server)(client)
            self._carry(client, fate == "up all")
        elif fate in {"down", "down all"}:
            while link.inbox:
                world.to_client(client)
                if fate == "down":
                    break
        elif fate == "cut":
            world.cut(client)
        elif fate == "block":  # a second time: it makes progress
            world.block(client)
        elif link.blocked or link.draining:
            world.drain(client)

    # --- storage ----------------------------------------------------------------------------------

    @precondition(lambda self: self.world.operations)
    @rule(
        place=places,
        fate=st.sampled_from(
            [
                "finish",
                "finish",
                "execute",
                "reject",
                "fail",
                "lose",
                "lose applied",
                "nonsense",
                "nonsense at the end",
            ]
        ),
        reject=st.sets(st.integers(0, 2), min_size=1, max_size=2),
    )
    def storage(self, place: int, fate: str, reject: set[int]) -> None:
        tickets = list(self.world.operations)
        ticket = tickets[place % len(tickets)]
        operation = self.world.operations[ticket]
        commits, done = isinstance(operation.effect, Commit), operation.result is not None
        if fate == "nonsense":
            self._answer_nonsense(ticket)
        elif fate == "nonsense at the end":
            self._answer_nonsense_at_the_end(ticket)
        elif fate == "execute" and not done:
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
        self.world.commit_elsewhere(path, self._typed(update))
        if told != "later":
            self.world.tell(path, vaguely=told == "vaguely")

    @rule()
    def turn(self) -> None:
        self.world.turn()

    @rule(path=collections)
    def forget(self, path: CollectionPath) -> None:
        self.world.forget(path)

    @rule(path=collections, vaguely=st.booleans())
    def tell(self, path: CollectionPath, vaguely: bool) -> None:
        self.world.tell(path, vaguely=vaguely)

    # --- time and fate ----------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.1, 0.6, 1.0, 6.0, 20.0]))
    def advance(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(
        fate=st.sampled_from(
            ["nothing"] * 8 + ["restart", "stop", "start anew", "settle", "settle"]
        ),
        seconds=st.sampled_from([0.0, 0.5, 10.0]),
    )
    def fate(self, fate: str, seconds: float) -> None:
        if fate == "restart":
            self.world.restart()
        elif fate == "stop":  # a second time: it has as long again
            self.world.stop(seconds)
        elif fate == "start anew":
            self.epochs += 1
            self.world.start_anew(f"epoch-{self.epochs}")
        elif fate == "settle":
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
        check_answers(world)
        check_rest(world)
        for client in range(CLIENTS):
            world.cut(client)
        world.advance(LIMITS.linger_seconds)
        while world.operations:  # another may follow, also after turns
            for ticket in list(world.operations):
                world.finish(ticket)
            world.advance(LIMITS.linger_seconds)
        check_empty(world.server)

    # --- helpers ----------------------------------------------------------------------------------

    def _answer_nonsense(self, ticket: int) -> None:
        """The operation stays under way, to be answered in another manner."""
        server = self.world.server
        answer, nonsense = {
            Commit: (server.commit_succeeded, CommitResult("epoch-1", [Committed(-1)])),
            Load: (server.load_succeeded, Loaded("epoch-1", 1, 2, [])),
            ListCollections: (server.list_succeeded, "names"),
            ListApps: (server.list_succeeded, "names"),
        }[type(self.world.operations[ticket].effect)]
        with pytest.raises(LocalProtocolError):
            answer(ticket, nonsense, self.world.now)  # type: ignore[operator]

    def _answer_nonsense_at_the_end(self, ticket: int) -> None:
        """A large load is taken in, until its last row shows that it cannot be."""
        operation = self.world.operations[ticket]
        if operation.result is None:
            self.world.execute(ticket)
        loaded = operation.result
        if isinstance(loaded, Loaded) and len(loaded.rows) >= LIMITS.turn_items:
            operation.result = replace(loaded, rows=[*loaded.rows, loaded.rows[0]])
        self.world.finish(ticket)

    def _client(self, client: int) -> Client:
        return self.world.clients[client]

    def _online(self, client: int) -> bool:
        return self.world.links[client].connection is not None

    def _carry(self, client: int, arrives: bool) -> None:
        """Let what a client has sent arrive, as far as the server reads it."""
        while arrives and self._online(client) and self._client(client).outbox:
            if not self.world.links[client].reading:
                return
            self.world.to_server(client)

    def _typed(self, update: dict[str, Any]) -> Update:
        unique = self._unique(update)
        texts = {item["id"]: json.dumps(item).encode() for item in unique["insert"]}
        remove = tuple(dict.fromkeys(unique["remove"]))
        return Update(remove, texts, unique["reset"], tuple(map(as_patch, unique["patch"])))

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
        patch = [
            {"id": id, "set": {"n": self.updates}, "inc": {"m": 1}, "upsert": upsert}
            for id, upsert in update["patch"]
        ]
        return {"insert": insert, "remove": remove, "reset": update["reset"], "patch": patch}


Simulation.TestCase.settings = settings(
    max_examples=max(200, settings().max_examples), stateful_step_count=60
)
TestSimulation = Simulation.TestCase
