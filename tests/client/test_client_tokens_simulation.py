"""A client whose tokens are slow, stale, somebody else's or none, and expire, at any moment, and a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from sharedstate_core import Access, CollectionPath, Update
from sharedstate_core.client import Identified, TokenWanted
from sharedstate_core.rules.rules import Rules
from sharedstate_core.testing import MemoryStore, World
from sharedstate_core.testing.records import path_of

from .supervised import Supervised, join
from .witness import check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core.client import ClientEffect

RULES: Any = [
    {
        "path": "/a/items/{who}",
        "read": "who == 'all' || user.id == who",
        "write": "who == 'all' && user != null || user.id == who",
    }
]
NAMES = ("all", "ann", "bob")
GRACE = 2.0

names = st.sampled_from(NAMES)
tokens = st.sampled_from(["ann", "ann", "bob", "stale", None])


class Member(Supervised):
    """A client that shows tokens; the test is its function `token`.

    Attributes:
        token: what the next connection begins with; None: it says nothing of users.
        reasons: why another token is wanted on this connection, until there is one.
        user: whose the connection is, as far as the server has said.
    """

    def __init__(self) -> None:
        super().__init__()
        self.token: str | None = None
        self.reasons: list[str] = []
        self.user: Any = None
        self._is_new = False  # a token has been shown, and none accepted on this connection
        self._latest = 0

    def connected(self) -> None:
        self._connections += 1
        self._is_new = self.token is not None
        self._perform(self.witness.opened(self.token))

    def disconnected(self) -> None:
        self._is_new = False
        self.reasons.clear()
        super().disconnected()

    def answer(self, token: str | None) -> None:
        self.reasons.clear()
        self._is_new = self._is_new and token is not None
        self._perform(self.witness.sign_in(token))

    def _perform(self, effects: Sequence[ClientEffect]) -> None:
        for effect in effects:
            if isinstance(effect, TokenWanted):
                self.reasons.append(effect.reason)
            elif isinstance(effect, Identified):
                self.user = effect.user
                self._is_new = self._is_new and effect.user is None
        super()._perform(list(effects))

    def _send(self, message: bytes) -> None:
        tunnel = msgspec.json.decode(message)["tunnel"]
        if isinstance(tunnel, int):
            check(not self._is_new, f"{message!r} does not wait for a user")
            check(tunnel > self._latest, f"{message!r} comes too late")
            self._latest = tunnel
        super()._send(message)


class TokenSimulation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        access = Access(grace_seconds=GRACE, rules=Rules.parse(RULES))
        self.world = World(0, store=MemoryStore(), access=access)
        self.client = Member()
        join(self.world, self.client)
        self.written = 0

    @initialize(wanted=st.sets(names, min_size=1))
    def begin(self, wanted: set[str]) -> None:
        for name in sorted(wanted):
            self.client.acquire(f"/a/items/{name}")

    # --- the application --------------------------------------------------------------------------

    @rule(name=names)
    def acquire(self, name: str) -> None:
        self.client.acquire(f"/a/items/{name}")

    @rule(name=names)
    def update(self, name: str) -> None:
        self.client.update(f"/a/items/{name}", self._unique(), None)

    @precondition(lambda self: self.client.reasons)
    @rule(token=tokens)
    def answer(self, token: str | None) -> None:
        self.client.answer(token)

    @precondition(lambda self: self._online)
    @rule(token=st.sampled_from(["bob", None]))
    def another(self, token: str | None) -> None:
        """Sign out, or in as another user, unasked."""
        self.client.answer(token)

    # --- the connection ---------------------------------------------------------------------------

    @precondition(lambda self: not self._online)
    @rule(token=tokens)
    def connect(self, token: str | None) -> None:
        self.client.token = token
        self.world.connect(0)

    @precondition(lambda self: self._online)
    @rule()
    def cut(self) -> None:
        self.world.cut(0)

    @precondition(lambda self: self._online)
    @rule(up=st.integers(0, 4), down=st.integers(0, 4))
    def carry(self, up: int, down: int) -> None:
        link = self.world.links[0]
        for _ in range(up):
            if link.reading and self.client.outbox:
                self.world.to_server(0)
        for _ in range(down):
            if link.inbox:
                self.world.to_client(0)

    # --- the server -------------------------------------------------------------------------------

    @precondition(lambda self: self.world.proofs)
    @rule(seconds=st.sampled_from([None, 1.0, 3.0]))
    def look_into(self, seconds: float | None) -> None:
        [*tickets] = self.world.proofs
        if self.world.proofs[tickets[0]].token == "stale":
            self.world.decline(tickets[0], "expired")
        else:
            expires = None if seconds is None else self.world.now + seconds
            self.world.accept(tickets[0], expires=expires)

    @precondition(lambda self: self.world.operations)
    @rule()
    def store(self) -> None:
        self.world.finish(next(iter(self.world.operations)))

    @rule(name=names)
    def commit_elsewhere(self, name: str) -> None:
        path = CollectionPath("a", "items", name)
        self.world.commit_elsewhere(path, self._unique())
        self.world.tell(path)

    @rule(seconds=st.sampled_from([0.5, 1.5, 4.0]))
    def advance(self, seconds: float) -> None:
        self.world.advance(seconds)

    # --- rest -------------------------------------------------------------------------------------

    @rule(token=st.sampled_from(["ann", "bob", None]))
    def rest(self, token: str | None) -> None:
        """Let everything go well for this user, or for nobody."""
        while self.world.proofs:
            self.look_into(None)
        if self._online:
            self.client.answer(token)
        else:
            self.client.token = token
        self.world.settle()
        while self.client.reasons:
            self.client.answer(token)
            self.world.settle()
        client, known = self.client, None if token is None else {"id": token}
        check(client.user == known, f"it is {client.user}'s, not {token}'s")
        check(not client.witness.protocol.unsettled, "a request is not settled")
        for path in map(path_of, client.held):
            *_, name = path.split("/")
            shown = dict(client.witness.protocol.items(path))
            may = name in {"all", token}
            state = self.world.store.state(CollectionPath("a", "items", name))
            check(shown == (dict(state) if may else {}), f"{path} shows {shown} to {token}")

    def teardown(self) -> None:
        self.rest("ann")
        self.rest(None)

    @property
    def _online(self) -> bool:
        return self.world.links[0].connection is not None

    def _unique(self) -> Update:
        self.written += 1
        return Update(insert={"x": b'{"id":"x","n":%d}' % self.written})


TestTokens = TokenSimulation.TestCase
