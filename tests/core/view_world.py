"""Servers on one storage, whose readers see parts of one collection: nothing happens unless a test says so."""

from __future__ import annotations

import json
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sharedstate_core import (
    Access,
    Authenticate,
    AwaitDrain,
    Close,
    Commit,
    Cursor,
    Limits,
    Load,
    Send,
    Server,
    Update,
    Write,
)
from sharedstate_core.paths import parse_collection_path
from sharedstate_core.rules.rules import Rules
from sharedstate_core.testing import MemoryStore

from .view_model import FIRST, READS, Copy, Shape, may_subscribe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .view_model import Item, State

PATH: Final = "/a/items/c"
COLLECTION: Final = parse_collection_path(PATH)
SERVERS: Final = 2
SOON: Final = 6.0
"""Seconds that a test waits for what happens by itself: a load that failed is tried again."""

RULES: Final = {
    name: Rules.parse([{"path": "/*/*/*", "read": read, "write": True}])
    for name, (read, _) in READS.items()
}


class Read(NamedTuple):
    """What was asked for once: the whole of it, and a page.

    Attributes:
        shape: what of the collection.
        before: where the page ends; None for no page.
    """

    shape: Shape
    before: tuple[int, int] | None


class ViewWorld:
    """A server with readers.

    Args:
        limits: the server's.
        has_rules: whether one of `READS` decides what each may see, in the beginning `FIRST`.
    """

    def __init__(self, limits: Limits, *, has_rules: bool = False, tombstones: int = 3) -> None:
        self.limits = limits
        self.has_rules = has_rules
        self.rule = FIRST
        self.epochs = 1
        self.store = MemoryStore(tombstones=tombstones)
        self.now = 0.0
        self.connections: dict[int, int] = {}  # by reader
        self.users: dict[int, Item | None] = {}
        self.copies: dict[tuple[int, str], Copy] = {}
        self.inbox: dict[int, list[tuple[bytes, Item | None]]] = {}
        self.reads: dict[str, Read] = {}
        self.wholes: dict[str, Any] = {}  # answers that pages are compared with
        self._next = self._asked = 0
        self.servers: dict[int, Server[int]] = {}
        self.homes: dict[int, int] = {}  # the server of each reader
        self.operations: list[tuple[int, Commit | Load]] = []
        self.drains: set[int] = set()
        self.blocked: set[int] = set()
        for place in range(SERVERS):
            self.start(place)

    def start(self, place: int) -> None:
        """Start a server; whoever was connected to the one in its place is not any more."""
        access = Access(rules=RULES[self.rule]) if self.has_rules else None
        server: Server[int] = Server(["items"], self.limits, access=access)
        server.set_clock(1e9 + self.now, self.now)
        self.servers[place] = server
        self.operations = [each for each in self.operations if each[0] != place]
        for reader in [each for each in self.connections if self.homes[each] == place]:
            self._lost(reader)

    # --- effects ---

    def perform(self, place: int, effects: Iterable[Any]) -> None:
        """Perform effects of a server; storage comes later, and what they lead to comes last."""
        after: list[Close[int] | Authenticate[int]] = []
        for effect in effects:
            match effect:
                case Send(connections=connections, message=message):
                    self._send(connections, bytes(message))
                case Commit() | Load():
                    self.operations.append((place, effect))
                case AwaitDrain(connection=connection):
                    self.drains.add(connection)
                case Authenticate() | Close():
                    after.append(effect)
                case _:
                    pass
        for each in after:
            if isinstance(each, Authenticate):
                self._prove(place, each.ticket, json.loads(each.token or ""))
            elif (reader := self._reader(each.connection)) is not None:
                self.cut(reader)

    def _send(self, connections: Iterable[int], message: bytes) -> None:
        for connection in connections:
            reader = self._reader(connection)
            if reader is not None:
                self.inbox[reader].append((message, self._user(reader)))

    def _user(self, reader: int) -> Item | None:
        """Return who a reader is, and by which rule it may see something now."""
        user = self.users.get(reader)
        return None if user is None else {**user, "rule": self.rule}

    def _reader(self, connection: int) -> int | None:
        return next((r for r, c in self.connections.items() if c == connection), None)

    def _prove(self, place: int, ticket: int, user: Item) -> None:
        """Answer a token, which is the user itself."""
        for reader, connection in self.connections.items():
            if connection == user["connection"]:
                self.users[reader] = user
        self.perform(place, self.servers[place].authenticated(ticket, user, self.now))

    def say(self, reader: int, cmd: str, path: str, arg: Any, tunnel: str = "") -> None:
        """Send a request."""
        if reader in self.connections:
            text = json.dumps(
                {"type": "REQUEST", "cmd": cmd, "path": path, "arg": arg, "tunnel": tunnel}
            )
            place = self.homes[reader]
            connection = self.connections[reader]
            self.perform(place, self.servers[place].receive_text(connection, text, self.now))

    # --- readers ---

    def connect(self, reader: int, place: int = 0) -> None:
        """Connect a reader to a server, and let it resume everything."""
        if reader in self.connections:
            return
        self._next += 1
        self.connections[reader] = self._next
        self.inbox[reader] = []
        self.homes[reader] = place
        self.servers[place].connection_opened(self._next)
        if self.users.get(reader) is not None:
            self.sign_in(reader, self.users[reader])
        theirs = {view: copy for (whose, view), copy in self.copies.items() if whose == reader}
        if theirs:
            self._ask(reader, theirs)

    def sign_in(self, reader: int, user: Item | None) -> None:
        """Let a reader be somebody, or somebody else."""
        if reader in self.connections and user is not None:
            token = {**user, "connection": self.connections[reader]}
            self.say(reader, "PUT", "/session", {"token": json.dumps(token)})

    def subscribe(self, reader: int, view: str, shape: Shape) -> None:
        """Ask for something, instead of what was asked for by this name."""
        self.unsubscribe(reader, view)
        copy = self.copies[reader, view] = Copy(shape)
        self._ask(reader, {view: copy})

    def _ask(self, reader: int, copies: Mapping[str, Copy]) -> None:
        """Ask for views, by name, in one request: where a turn is short, it takes several."""
        self._asked += 1
        insert = []
        for view, copy in copies.items():
            sub = copy.shape.sub()
            sub["parts"] = True
            copy.parts, copy.is_synced, copy.is_refused, copy.awaited = [], False, False, 0
            copy.tunnel, copy.is_asked = f"subs {self._asked}", True
            if view:
                sub["view"] = view
            if copy.epoch:
                sub["since"] = {"epoch": copy.epoch, "version": copy.version}
                if copy.scope is not None:
                    sub["since"]["scope"] = copy.scope
            insert.append([PATH, sub])
        arg = {"insert": insert, "brief": True}
        self.say(reader, "PUT", "/subs", arg, f"subs {self._asked}")

    def unsubscribe(self, reader: int, view: str) -> None:
        """Ask for it no more; what is on its way is dropped."""
        if self.copies.pop((reader, view), None) is not None:
            self.say(
                reader, "PUT", "/subs", {"remove": [[PATH, view] if view else PATH], "brief": True}
            )
            self.inbox[reader] = [
                each for each in self.inbox.get(reader, []) if not self._is_of(each[0], view)
            ]

    def _is_of(self, text: bytes, view: str) -> bool:
        message = json.loads(text)
        return (
            message["type"] == "MESSAGE" and message.get("view", "") == view and "path" in message
        )

    def cut(self, reader: int) -> None:
        """End a connection: what is on its way is lost."""
        connection = self.connections.get(reader)
        if connection is not None:
            self._lost(reader)
            place = self.homes[reader]
            self.perform(place, self.servers[place].connection_closed(connection, self.now))

    def _lost(self, reader: int) -> None:
        connection = self.connections.pop(reader)
        self.drains.discard(connection)
        self.blocked.discard(connection)
        self.inbox[reader] = []
        for (whose, _), copy in self.copies.items():
            if whose == reader:
                copy.parts = []

    def block(self, reader: int) -> None:
        """Let a reader take nothing for a while."""
        connection = self.connections.get(reader)
        if connection is not None and connection not in self.blocked | self.drains:
            self.blocked.add(connection)
            place = self.homes[reader]
            self.perform(place, self.servers[place].connection_blocked(connection, self.now, ()))

    def drain(self, reader: int) -> None:
        """Let it read on."""
        connection = self.connections.get(reader)
        if connection is not None and connection in self.blocked | self.drains:
            self.blocked.discard(connection)
            self.drains.discard(connection)
            place = self.homes[reader]
            self.perform(place, self.servers[place].connection_drained(connection, self.now))

    # --- storage, and time ---

    def finish(self, *, fails: bool = False) -> None:
        """Carry out the operation that has waited longest."""
        if not self.operations:
            return
        place, operation = self.operations.pop(0)
        server, now, store = self.servers[place], self.now, self.store
        if isinstance(operation, Load):
            if fails:
                self.perform(place, server.load_failed(operation.ticket, "no", now))
            else:
                loaded = store.load(operation.collection, operation.since)
                self.perform(place, server.load_succeeded(operation.ticket, loaded, now))
        elif fails:
            failed = server.commit_failed(operation.ticket, "no", now, outcome_unknown=False)
            self.perform(place, failed)
        else:
            result = store.commit(operation.collection, operation.writes)
            self.perform(place, server.commit_succeeded(operation.ticket, result, now))

    def elsewhere(self, update: Update, *, is_told: bool) -> None:
        """Let a process that nobody is connected to commit an update."""
        self.store.commit(COLLECTION, [Write(update)])
        if is_told:
            self.tell(0)

    def tell(self, place: int) -> None:
        """Let a server hear which state storage has reached."""
        head = self.store.head(COLLECTION)
        self.perform(place, self.servers[place].collection_changed(COLLECTION, head, self.now))

    def reload(self, rule: str) -> None:
        """Put another rule in force."""
        if self.has_rules:
            self.rule = rule
            for place, server in self.servers.items():
                self.perform(place, server.change_access(Access(rules=RULES[rule]), self.now))

    def lose(self, *, is_told: bool) -> None:
        """Let storage begin anew."""
        self.epochs += 1
        self.store.start_anew(f"epoch-{self.epochs}")
        if is_told:
            self.tell(0)

    def turn(self, seconds: float = 0.0) -> None:
        """Let time pass, and the servers go on with one turn of their work."""
        self.now += seconds
        self._wake()

    def _wake(self) -> bool:
        """Give each server a turn, and return whether one had anything to do."""
        woken = False
        for place, server in self.servers.items():
            due = server.next_wakeup()
            if due is not None and due <= self.now:
                self.perform(place, server.wake(self.now))
                woken = True
        return woken

    def settle(self) -> None:
        """Let everything happen that can."""
        for reader in {reader for reader, _ in self.copies}:
            self.connect(reader)
        for (reader, view), copy in self.copies.items():
            if copy.is_refused and may_subscribe(self._user(reader)):
                self._ask(reader, {view: copy})
        for place in self.servers:
            self.tell(place)
        for _ in range(3000):
            if not (self._read_on() or self._work_on()):
                dues = [due for server in self.servers.values() if (due := server.next_wakeup())]
                if min(dues, default=inf) > self.now + SOON:
                    return
                self.now = min(dues)
        raise AssertionError("it does not come to rest")

    def _read_on(self) -> bool:
        """Let all readers take what there is for them, and return whether there was anything."""
        busy = False
        for reader, connection in list(self.connections.items()):
            if connection in self.blocked | self.drains:
                self.drain(reader)
                busy = True
            while self.inbox.get(reader):
                self.deliver(reader)
                busy = True
        return busy

    def _work_on(self) -> bool:
        """Let storage, and the server, do what they can do, and return whether there was anything."""
        busy = bool(self.operations)
        while self.operations:
            self.finish()
        return self._wake() or busy

    # --- messages ---

    def deliver(self, reader: int) -> None:
        """Let a reader take one message."""
        if not self.inbox.get(reader):
            return
        text, user = self.inbox[reader].pop(0)
        message = json.loads(text)
        if message["type"] == "REPLY":
            self._replied(reader, message, user)
            return
        if message["cmd"] == "END":
            copy = self.copies.get((reader, message.get("view", "")))
            if copy is not None and not copy.is_asked:
                copy.is_refused = True
        elif message["cmd"] == "NOTIFY":
            copy = self.copies.get((reader, message.get("view", "")))
            if copy is not None and not copy.is_asked:
                copy.take(message, user, self._state_at, has_rules=self.has_rules)

    def _state_at(self, epoch: str, version: int) -> State:
        state = self.store.state_at(COLLECTION, Cursor(epoch, version))
        assert state is not None
        return state

    def _replied(self, reader: int, message: Any, user: Item | None) -> None:
        tunnel = message["tunnel"] or ""
        theirs = {view: copy for (whose, view), copy in self.copies.items() if whose == reader}
        copies = list(theirs.values())
        if tunnel.startswith("subs "):
            refused = {"".join(view) for _, _, *view in message.get("errors", ())}
            for view, copy in theirs.items():
                if copy.tunnel == tunnel:
                    copy.is_asked = False
                    if view in refused:
                        copy.refuse()
        elif tunnel.startswith("get") and message["ok"]:
            self._read(tunnel, message, user)
        elif tunnel == "put" and "version" in message:
            for copy in copies:
                if copy.is_synced and not copy.is_refused and copy.epoch == message["epoch"]:
                    copy.hear(message["version"], is_stored=message["ok"])

    def read(self, reader: int, shape: Shape, before: tuple[int, int] | None) -> None:
        """Read what a shape says, then the page of it before a place."""
        self._asked += 1
        tunnel = str(self._asked)
        arg = shape.sub()
        if before is not None:
            arg["before"] = before
        self.reads[tunnel] = Read(shape, before)
        self.say(reader, "GET", PATH, shape._replace(last=None).sub(), f"get {tunnel}")
        self.say(reader, "GET", PATH, arg, f"getpage {tunnel}")

    def _read(self, tunnel: str, message: Any, user: Item | None) -> None:
        what, _, number = tunnel.partition(" ")
        shape, before = self.reads[number]
        items = message["data"]
        if what == "get":
            self.wholes[number] = {**message, "user": user}
            state = self._state_at(message["epoch"], message["version"])
            expected = shape._replace(last=None).of(state, user, has_rules=self.has_rules)
            assert items == expected, (items, expected)
            return
        whole = self.wholes.pop(number, None)
        if whole is None or "at" not in whole:
            return
        if (whole["epoch"], whole["version"]) != (message["epoch"], message["version"]):
            return
        if whole["user"] != user:
            return
        there = [
            item
            for item, at in zip(whole["data"], whole["at"], strict=True)
            if before is None or tuple(at) < before
        ]
        last = shape.last or len(there)
        assert items == there[max(0, len(there) - last) :]
        assert message.get("more", False) == (len(there) > last)

    def check(self) -> None:
        """At rest, everybody sees what there is."""
        state = self.store.state(COLLECTION)
        head = self.store.head(COLLECTION)
        for (reader, _), copy in self.copies.items():
            user = self._user(reader)
            if self.has_rules and not may_subscribe(user):
                assert copy.is_refused or not copy.items
                continue
            assert not copy.is_refused
            assert copy.is_synced, copy.shape
            expected = copy.shape.of(state, user, has_rules=self.has_rules)
            assert copy.epoch == head.epoch
            assert copy.version >= copy.awaited
            assert copy.shown() == expected, (reader, copy.shape, copy.shown(), expected)
