"""A `ClientProtocol` under supervision: whatever a server says, it keeps its promises to transport and application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET

from sharedstate_core.client import (
    WHOLE,
    Changed,
    ClientEffect,
    ClientProtocol,
    ConnectionLostError,
    Fault,
    Filter,
    Identified,
    Key,
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
    from sharedstate_core.testing.records import Name


def check(promise: object, broken: str) -> None:
    if not promise:
        raise ContractError(broken)


def name_of(about: Changed | Synced | Moved | Refused) -> Name:
    """Return the name of the replica that an effect is about."""
    return about.path if about.view is None else (about.path, about.view)


def key_of(name: Name) -> Key:
    """Return the key of the replica with this name."""
    return Key(name) if isinstance(name, str) else Key(*name)


def asked_name(path: str, sub: Mapping[str, Any]) -> Name:
    """Return the name of what a request asks for."""
    return (path, sub["view"]) if "view" in sub else path


class Subs(NamedTuple):
    """A request to change subscriptions, as it was sent."""

    tunnel: str
    insert: dict[Name, dict[str, Any]]
    remove: list[Name]


class Witness:
    """Passes inputs on, and checks what comes back.

    Attributes:
        shadows: by name, what an application holds that knows nothing but the diffs.
        owed: names of what was asked for on this connection and is not in sync yet.
        tickets: every request ever made, and how it ended.
        on_wire: tickets of the requests sent on this connection and not settled.
        subs: every change of subscriptions sent on this connection.
    """

    def __init__(self, max_queue: int = 1000) -> None:
        self.protocol = ClientProtocol(max_queue, key="a-key-for-the-session")
        self.connected = False
        self.shadows: dict[Name, dict[str, bytes]] = {}
        self.owed: set[Name] = set()
        self.tickets: dict[int, Settled | None] = {}
        self.on_wire: list[int] = []
        self.subs: list[Subs] = []
        self.asked: dict[
            Name, object
        ] = {}  # from which state each was asked for, on this connection
        self._losing = False

    # --- inputs -----------------------------------------------------------------------------------

    def opened(self, token: str | None = None) -> list[ClientEffect]:
        self.connected = True
        effects = self._checked(self.protocol.connection_opened(token or UNSET))
        wanted = {name for subs in self.subs for name in subs.insert}
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

    def acquire(self, path: str, asked: Filter = WHOLE) -> list[ClientEffect]:
        name = str(parse_collection_path(path))
        self.shadows.setdefault(name if asked.view is None else (name, asked.view), {})
        return self._checked(self.protocol.acquire(path, asked))

    def release(self, path: str, view: str | None = None) -> list[ClientEffect]:
        normal = str(parse_collection_path(path))
        name = normal if view is None else (normal, view)
        del self.shadows[name]
        self.owed.discard(name)
        return self._checked(self.protocol.release(path, view))

    def update(
        self, path: str, update: Update, condition: Condition | None = None
    ) -> tuple[int, list[ClientEffect]]:
        return self._made(*self.protocol.update(path, update, condition))

    def get(self, path: str, arg: object = None) -> tuple[int, list[ClientEffect]]:
        return self._made(*self.protocol.request("GET", path, msgspec.json.encode(arg)))

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
                case Synced():
                    name = name_of(effect)
                    check(name in self.owed, f"{name} is synchronised, but nobody asked")
                    self.owed.discard(name)
                case Moved():
                    name = name_of(effect)
                    check(name in self.shadows, f"{name} has moved, but nobody holds it")
                case Refused():
                    name = name_of(effect)
                    check(name in self.shadows, f"{name} is refused, but nobody asked")
                    self.owed.discard(name)
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
        insert = {asked_name(path, sub): sub for path, sub in arg["insert"]}
        remove = [each if isinstance(each, str) else tuple(each) for each in arg["remove"]]
        self.subs.append(Subs(request["tunnel"], insert, remove))
        self.owed.difference_update(remove)
        for name, sub in insert.items():
            check(name in self.shadows, f"{name} is asked for, but not acquired")
            cursor = self.protocol.cursor(*key_of(name))
            since = {k: v for k, v in sub.get("since", {}).items() if k != "scope"} or None
            held = None if cursor is None else {"epoch": cursor.epoch, "version": cursor.version}
            # A whole list names again what was asked for before, in the same words: a server leaves that as it is.
            again = arg.get("reset") is True and name in self.asked and since == self.asked[name]
            check(again or since in (None, held), f"{name}: resumes from {since}, but holds {held}")
            self.asked[name] = since
            self.owed.add(name)

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
        path, diffs = name_of(changed), changed.diffs
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
            items: Mapping[str, bytes] = self.protocol.items(*key_of(path))
            check(items == shadow, f"{path} is {items}; by the diffs it is {shadow}")
            for id, text in items.items():
                told = msgspec.json.decode(text)["id"]
                check(told == id, f"{path}: {text!r} stands at {id!r}")
