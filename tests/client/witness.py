"""A `ClientProtocol` under supervision: whatever a server says, it keeps its promises to transport and application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET

from sharedstate_core.client import (
    Changed,
    ClientEffect,
    ClientProtocol,
    ConnectionLostError,
    Fault,
    Identified,
    Moved,
    Refused,
    SendText,
    Settled,
    Synced,
    TokenWanted,
    Unauthenticated,
)
from sharedstate_core.paths import parse_collection_path
from sharedstate_core.testing import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sharedstate_core import Condition, Update


def check(promise: object, broken: str) -> None:
    if not promise:
        raise ContractError(broken)


class Subs(NamedTuple):
    """A request to change subscriptions, as it was sent."""

    tunnel: str
    insert: dict[str, dict[str, Any]]
    remove: list[str]


class Witness:
    """Passes inputs on, and checks what comes back.

    Attributes:
        shadows: by path, what an application holds that knows nothing but the diffs.
        owed: paths that were asked for on this connection and are not in sync yet.
        tickets: every request ever made, and how it ended.
        on_wire: tickets of the requests sent on this connection and not settled.
        subs: every change of subscriptions sent on this connection.
    """

    def __init__(self, max_queue: int = 1000) -> None:
        self.protocol = ClientProtocol(max_queue, key="a-key-for-the-session")
        self.connected = False
        self.shadows: dict[str, dict[str, bytes]] = {}
        self.owed: set[str] = set()
        self.tickets: dict[int, Settled | None] = {}
        self.on_wire: list[int] = []
        self.subs: list[Subs] = []
        self.asked: dict[
            str, object
        ] = {}  # from which state each path was asked for, on this connection
        self._losing = False

    # --- inputs -----------------------------------------------------------------------------------

    def opened(self, token: str | None = None) -> list[ClientEffect]:
        self.connected = True
        effects = self._checked(self.protocol.connection_opened(token or UNSET))
        wanted = {path for subs in self.subs for path in subs.insert}
        check(wanted == set(self.shadows), f"{wanted} is asked for, {set(self.shadows)} is held")
        texts = [effect.message for effect in effects if isinstance(effect, SendText)]
        order = [b'"/subs"' in text for text in texts if b'"/session"' not in text]
        check(order == sorted(order, reverse=True), "requests go before subscriptions")
        return effects

    def sign_in(self, token: str | None) -> list[ClientEffect]:
        return self._checked(self.protocol.sign_in(token))

    def lost(self) -> list[ClientEffect]:
        self.connected = False
        self._losing = True
        self.owed.clear()
        self.subs.clear()
        self.asked.clear()
        effects = self._checked(self.protocol.connection_lost())
        self._losing = False
        check(not self.on_wire, f"nobody tells the authors of {self.on_wire} that they are lost")
        return effects

    def acquire(self, path: str) -> list[ClientEffect]:
        self.shadows.setdefault(str(parse_collection_path(path)), {})
        return self._checked(self.protocol.acquire(path))

    def release(self, path: str) -> list[ClientEffect]:
        name = str(parse_collection_path(path))
        del self.shadows[name]
        self.owed.discard(name)
        return self._checked(self.protocol.release(path))

    def update(
        self, path: str, update: Update, condition: Condition | None = None
    ) -> tuple[int, list[ClientEffect]]:
        return self._made(*self.protocol.update(path, update, condition))

    def get(self, path: str) -> tuple[int, list[ClientEffect]]:
        return self._made(*self.protocol.request("GET", path))

    def receive(self, text: str) -> list[ClientEffect]:
        effects = self._checked(self.protocol.receive_text(text))
        texts = sum(isinstance(effect, SendText) for effect in effects)
        is_session = '"tunnel":"session' in text  # all that has waited for a user goes out
        check(texts <= 2 or is_session, f"{texts} texts in answer to {text}")
        return effects

    # --- what must hold ---------------------------------------------------------------------------

    def _made(self, ticket: int, effects: list[ClientEffect]) -> tuple[int, list[ClientEffect]]:
        check(ticket not in self.tickets, f"ticket {ticket} is issued twice")
        self.tickets[ticket] = None
        return ticket, self._checked(effects)

    def _checked(self, effects: list[ClientEffect]) -> list[ClientEffect]:
        for effect in effects:
            match effect:
                case SendText():
                    self._sent(effect.message)
                case Settled():
                    self._settled(effect)
                case Changed():
                    self._changed(effect)
                case Synced(path):
                    check(path in self.owed, f"{path} is synchronised, but nobody asked")
                    self.owed.discard(path)
                case Moved(path):
                    check(path in self.shadows, f"{path} has moved, but nobody holds it")
                case Refused(path):
                    check(path in self.shadows, f"{path} is refused, but nobody asked")
                    self.owed.discard(path)
                case Fault(problem):
                    check(problem, "a fault without a word")
                case Identified() | TokenWanted() | Unauthenticated():
                    pass
        self._check_replicas()
        unsettled = sum(settled is None for settled in self.tickets.values())
        check(self.protocol.unsettled == unsettled, f"{unsettled} requests are not settled")
        return effects

    def _sent(self, message: bytes) -> None:
        check(self.connected, f"{message!r} is sent without a connection")
        request = msgspec.json.decode(message)
        check(request["type"] == "REQUEST", f"{message!r} is no request")
        if isinstance(request["tunnel"], int):
            unsettled = self.tickets[request["tunnel"]] is None
            check(unsettled and request["tunnel"] not in self.on_wire, f"{message!r} is sent twice")
            self.on_wire.append(request["tunnel"])
            return
        if request["path"] == "/session":
            return
        check((request["cmd"], request["path"]) == ("PUT", "/subs"), f"what is {message!r}?")
        arg = {"insert": [], "remove": []} | request["arg"]
        self.subs.append(Subs(request["tunnel"], dict(arg["insert"]), arg["remove"]))
        self.owed.difference_update(arg["remove"])
        for path, sub in arg["insert"]:
            check(path in self.shadows, f"{path} is asked for, but not acquired")
            cursor = self.protocol.cursor(path)
            since = sub.get("since")
            held = None if cursor is None else {"epoch": cursor.epoch, "version": cursor.version}
            # A whole list names again what was asked for before, in the same words: a server leaves that as it is.
            again = arg.get("reset") is True and path in self.asked and since == self.asked[path]
            check(again or since in (None, held), f"{path}: resumes from {since}, but holds {held}")
            self.asked[path] = since
            self.owed.add(path)

    def _settled(self, settled: Settled) -> None:
        ticket = settled.ticket
        check(self.tickets.get(ticket, settled) is None, f"{settled}: it is over already")
        self.tickets[ticket] = settled
        lost = isinstance(settled.error, ConnectionLostError)
        check(lost == self._losing, f"{settled}, but the connection {'is up' if lost else 'broke'}")
        if ticket in self.on_wire:
            self.on_wire.remove(ticket)
        else:
            check(not lost and settled.error, f"{settled}, but it was never sent")

    def _changed(self, changed: Changed) -> None:
        path, diffs = changed.path, changed.diffs
        shadow = self.shadows.get(path)
        if shadow is None:
            raise ContractError(f"{path} has changed, but is not held")
        check(diffs, f"{path}: a change without diffs")
        check(len({diff.id for diff in diffs}) == len(diffs), f"{path}: an id twice in {diffs}")
        for id, new, old in diffs:
            check(shadow.get(id) == old, f"{path}: {id} was {shadow.get(id)!r}, not {old!r}")
            if new is not None:
                shadow[id] = new
            else:
                check(shadow.pop(id, None), f"{path}: {id} is removed, but was not there")

    def _check_replicas(self) -> None:
        for path, shadow in self.shadows.items():
            items: Mapping[str, bytes] = self.protocol.items(path)
            check(items == shadow, f"{path} is {items}; by the diffs it is {shadow}")
            for id, text in items.items():
                told = msgspec.json.decode(text)["id"]
                check(told == id, f"{path}: {text!r} stands at {id!r}")
