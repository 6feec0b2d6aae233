"""Users and rules that come, change and expire at any moment: nobody is ever sent what may not be read.

The rules of this world are simple enough to be said twice, here in Python: what is in `staff` is for those with a role,
what is in `ann` and `bob` is for the user of that name, and the rest is for everybody. By the other rules what is in
`staff` and `bob` is for everybody, and all else for nobody.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from sharedstate_core import Access, Limits, Update
from sharedstate_core.paths import parse_collection_path
from sharedstate_core.rules.rules import Rules
from sharedstate_core.testing import MemoryStore, World
from sharedstate_core.testing.checks import check_requests
from sharedstate_core.testing.contract import check
from sharedstate_core.testing.records import path_of

if TYPE_CHECKING:
    from sharedstate_core import Effect
    from sharedstate_core.testing.links import Connection

RULES: Any = [
    {"path": "/a/items/staff", "read": "user.role == 'staff'", "write": "user.role == 'staff'"},
    {"path": "/a/items/all", "read": True, "insert": True, "update": "item.by == user.id"},
    {"path": "/a/items/{who}", "read": "user.id == who", "write": "user.id == who"},
    {"path": "/a/items/*", "list": "user != null"},
]
OTHER_RULES: Any = [
    {"path": "/a/items/staff", "read": True, "write": True},
    {"path": "/a/items/bob", "read": True, "write": "user.id == 'bob'"},
]
PATHS = ["/a/items/staff", "/a/items/ann", "/a/items/bob", "/a/items/all", "a//items/ann/"]
USERS = [None, {"id": "ann"}, {"id": "bob"}, {"id": "ann", "role": "staff"}]
CLIENTS = st.integers(0, 2)


def may_read(user: Any, path: str, rules: Any = RULES) -> bool:
    collection = parse_collection_path(path).collection
    if rules is OTHER_RULES:
        return collection in {"staff", "bob"}
    if collection == "all":
        return True
    if user is None:
        return False
    if collection == "staff":
        return bool(user.get("role") == "staff")
    return bool(user["id"] == collection)


class Watched(World):
    """A world that looks at all that is sent.

    Attributes:
        rules: those in force.
    """

    rules = RULES

    def _perform(self, effects: list[Effect[Connection]]) -> None:
        self.before = getattr(self, "after", {})
        self.after = self.server.users()
        super()._perform(effects)

    def _send(self, connection: Connection, message: bytes) -> None:
        told = json.loads(message)
        users = [who.get(connection) for who in (self.before, self.after)]
        if told["cmd"] == "NOTIFY":
            data, path = told["data"], told["path"]
            if data["insert"] or data["remove"]:
                may = any(may_read(user, path, self.rules) for user in users)
                check(may, f"{users} are sent {told}")
        elif told["type"] == "REPLY" and told["ok"] and told["cmd"] == "GET":
            asked = self.clients[connection.client].asked[told["tunnel"]].path
            if asked in PATHS:
                may = any(may_read(user, asked, self.rules) for user in users)
                check(may, f"{users} are sent {told}")
            elif asked == "/a/items":
                check(any(users) and self.rules is RULES, f"{users} are sent {told}")
        super()._send(connection, message)


class RightsSimulation(RuleBasedStateMachine):
    """Everything that can happen to users, beside everything that usually happens."""

    world: Watched
    puts = 0

    @initialize(required=st.booleans(), small=st.booleans())
    def begin(self, required: bool, small: bool) -> None:
        self.required = required
        limits = Limits(turn_items=2, window_bytes=200) if small else Limits()
        self.world = Watched(3, store=MemoryStore(), access=self._access(RULES), limits=limits)

    def _access(self, rules: Any) -> Access:
        return Access(required=self.required, deadline_seconds=1e6, rules=Rules.parse(rules))

    # --- users ------------------------------------------------------------------------------------

    @rule(client=CLIENTS, token=st.sampled_from([None, "ann", "bob"]), arrives=st.booleans())
    def sign_in(self, client: int, token: str | None, arrives: bool) -> None:
        self.world.clients[client].token = token
        if self.world.links[client].connection is not None:
            self.world.clients[client].ask("PUT", "/session", {"token": token})
            if arrives:
                self._say(client)

    @precondition(lambda self: self.world.proofs)
    @rule(
        place=st.integers(0, 5),
        user=st.sampled_from(USERS),
        lasts=st.sampled_from([None, -1.0, 5.0, 60.0]),
    )
    def accept(self, place: int, user: Any, lasts: float | None) -> None:
        ticket = [*self.world.proofs][place % len(self.world.proofs)]
        expires = None if lasts is None or user is None else self.world.now + lasts
        self.world.accept(ticket, user, expires)

    @precondition(lambda self: self.world.proofs)
    @rule(place=st.integers(0, 5), reason=st.sampled_from(["invalid", "unavailable"]))
    def decline(self, place: int, reason: Any) -> None:
        self.world.decline([*self.world.proofs][place % len(self.world.proofs)], reason)

    @rule(client=CLIENTS)
    def send_away(self, client: int) -> None:
        if self.world.links[client].connection is not None:
            self.world.send_away(client)

    @rule(user=st.sampled_from(["ann", "bob"]))
    def kick(self, user: str) -> None:
        self.world.kick(user)

    @rule(client=CLIENTS)
    def withdraw(self, client: int) -> None:
        if self.world.links[client].connection is not None:
            self.world.withdraw(client)

    @rule(rules=st.sampled_from([RULES, OTHER_RULES]), required=st.booleans())
    def change_rules(self, rules: Any, required: bool) -> None:
        self.required, self.world.rules = required, rules
        self.world.change_access(self._access(rules))

    @rule(seconds=st.sampled_from([0.0, 1.0, 6.0, 31.0, 100.0]))
    def advance(self, seconds: float) -> None:
        self.world.advance(seconds)

    # --- requests ---------------------------------------------------------------------------------

    @rule(client=CLIENTS, paths=st.lists(st.sampled_from(PATHS), unique=True), reset=st.booleans())
    def subscribe(self, client: int, paths: list[str], reset: bool) -> None:
        if self.world.links[client].connection is not None:
            self.world.clients[client].put_subs({path: {} for path in paths}, reset=reset)
            self._say(client)

    @rule(client=CLIENTS, path=st.sampled_from([*PATHS, "/a/items"]), arrives=st.booleans())
    def read(self, client: int, path: str, arrives: bool) -> None:
        if self.world.links[client].connection is not None:
            self.world.clients[client].ask("GET", path)
            if arrives:
                self._say(client)

    @rule(
        client=CLIENTS,
        path=st.sampled_from(PATHS),
        ids=st.lists(st.sampled_from("pqr"), unique=True),
        by=st.sampled_from(["ann", "bob"]),
        reset=st.booleans(),
    )
    def put(self, client: int, path: str, ids: list[str], by: str, reset: bool) -> None:
        if self.world.links[client].connection is not None:
            self.puts += 1  # no two updates are equal
            if reset and not ids:
                ids = ["p"]
            items = [{"id": id, "by": by, "n": self.puts} for id in ids]
            remove = [] if items else [f"absent-{self.puts}"]
            self.world.clients[client].put(path, insert=items, remove=remove, reset=reset)
            self._say(client)

    def _say(self, client: int) -> None:
        while self.world.links[client].connection and self.world.clients[client].outbox:
            self.world.to_server(client, even_if_paused=True)

    # --- the rest of the world --------------------------------------------------------------------

    @precondition(lambda self: self.world.operations)
    @rule(place=st.integers(0, 5), fails=st.booleans())
    def storage(self, place: int, fails: bool) -> None:
        ticket = [*self.world.operations][place % len(self.world.operations)]
        if fails and self.world.operations[ticket].result is None:
            self.world.fail(ticket)
        else:
            self.world.finish(ticket)

    @rule(path=st.sampled_from(PATHS[:4]), id=st.sampled_from("pqr"), by=st.sampled_from("ab"))
    def elsewhere(self, path: str, id: str, by: str) -> None:
        text = json.dumps({"id": id, "by": by}).encode()
        self.world.commit_elsewhere(parse_collection_path(path), Update(insert={id: text}))
        self.world.tell(parse_collection_path(path))

    @rule(client=CLIENTS, fate=st.sampled_from(["cut", "up", "block", "drain", "hear"]))
    def link(self, client: int, fate: str) -> None:
        link = self.world.links[client]
        if link.connection is None:
            if fate == "up":
                self.world.connect(client)
        elif fate == "cut":
            self.world.cut(client)
        elif fate == "block" and not link.draining:
            self.world.block(client)
        elif fate == "drain" and (link.blocked or link.draining):
            self.world.drain(client)
        elif fate == "hear":
            while link.inbox:
                self.world.to_client(client)

    @rule()
    def turn(self) -> None:
        self.world.turn()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        world.settle()
        check_requests(world)
        users = world.server.users()
        for number, client in enumerate(world.clients):
            if world.links[number].connection is None:
                continue  # it was sent away as its token was accepted: one from before a kick
            user = users.get(world.connection(number))
            for path, copy in client.copies.items():
                if copy.state and path in client.wanted:
                    check(path in client.subscribed, f"{number} still shows {path}")
            for path in map(path_of, client.subscribed):
                check(may_read(user, path, world.rules), f"{number} is subscribed to {path}")
                stored = world.store.state(parse_collection_path(path))
                check(client.copies[path].state == stored, f"{number}: {path} is not in step")


TestRights = RightsSimulation.TestCase
