"""A World's client whose mind is a `ClientProtocol`: what it promises in front of a server that keeps its own promises.

To the World it is a `Client` like any other: it keeps `copies`, `subscribed`, `wanted` and `asked` as that one does,
so that the World's checks of the five guarantees hold for it too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from sharedstate_core import Condition, RequestError, Update, parse_collection_path
from sharedstate_core.client import (
    Changed,
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
    make_filter,
)
from sharedstate_core.client.requests import ServerRefusedError
from sharedstate_core.testing import Asked, Client, ContractError, Copy, Link, Subscribed, World
from sharedstate_core.testing.records import path_of

from .witness import Witness, asked_name, check, key_of, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sharedstate_core import Cursor
    from sharedstate_core.client import ClientEffect
    from sharedstate_core.testing.records import Name

MAX_QUEUE = 3


class Supervised(Client):
    """One client.

    Attributes:
        damaged: names of what a notification was stolen of on the way, until it is in sync again.
        incomplete: names of that of which a notification has come in part.
        refused: names of what the server refused, until it is asked for again.
        texts: how many it has sent.
    """

    def __init__(self) -> None:
        super().__init__()
        self.witness = Witness(MAX_QUEUE)
        self.damaged: set[Name] = set()
        self.incomplete: set[Name] = set()
        self.refused: set[Name] = set()
        self.texts = 0
        self._by_ticket: dict[int, Asked] = {}
        self._filters: dict[Name, Mapping[str, Any]] = {}
        self._sent_at: dict[int, int] = {}
        self._asked_at: dict[Name, int] = {}

    @property
    def held(self) -> list[Name]:
        return list(self.witness.shadows)

    # --- what the World does ----------------------------------------------------------------------

    def connected(self) -> None:
        self._connections += 1
        self._perform(self.witness.opened())

    def disconnected(self) -> None:
        self.outbox.clear()
        self.subscribed.clear()
        self.incomplete.clear()
        self._perform(self.witness.lost())

    def receive(self, message: bytes) -> None:
        effects = self.witness.receive(message.decode())
        told = msgspec.json.decode(message)
        if told.get("cmd") == "NOTIFY" and told["data"]["reset"] and "at" not in told:
            diffs = [each for one in effects if isinstance(one, Changed) for each in one.diffs]
            check(all(diff.new != diff.old for diff in diffs), f"no net difference: {diffs}")
        self._perform(effects)
        if told.get("cmd") != "NOTIFY":
            return
        name, cursor = asked_name(told["path"], told), (told["epoch"], told["version"])
        self.incomplete.discard(name)
        if told.get("more"):
            self.incomplete.add(name)
        if name in self.held and self.witness.protocol.cursor(*key_of(name)) == cursor:
            self.damaged.discard(name)

    @property
    def waiting(self) -> list[Asked]:
        tickets = self.witness.tickets
        return [asked for ticket, asked in self._by_ticket.items() if tickets[ticket] is None]

    # --- what the application does ----------------------------------------------------------------

    def acquire(self, path: str, asked: Mapping[str, Any] | None = None) -> None:
        """Acquire a collection, or with `view` and a filter a part of it."""
        asked = asked or {}
        effects = self.witness.acquire(path, make_filter(**asked))
        name = asked_name(str(parse_collection_path(path)), asked)
        self.wanted[name] = {}
        self._filters[name] = asked
        self._perform(effects)

    def release(self, wanted: Name) -> None:
        path, view = key_of(wanted)
        normal = str(parse_collection_path(path))
        name = normal if view is None else (normal, view)
        effects = self.witness.release(path, view)
        self.subscribed.pop(name, None)
        self.wanted.pop(name, None)
        self.copies.pop(name, None)
        self.damaged.discard(name)
        self.refused.discard(name)
        self._perform(effects)

    def update(self, path: str, update: Update, condition: Condition | None) -> None:
        ticket, effects = self.witness.update(path, update, condition)
        self._made(Asked(ticket, 0, "PUT", path, update=update), effects)

    def get(self, path: str, arg: object = None) -> None:
        ticket, effects = self.witness.get(path, arg)
        self._made(Asked(ticket, 0, "GET", path, arg), effects)

    def _made(self, asked: Asked, effects: list[ClientEffect]) -> None:
        self.asked.append(asked)
        self._by_ticket[asked.tunnel] = asked
        self._perform(effects)

    # --- what it wants done -----------------------------------------------------------------------

    def _perform(self, effects: list[ClientEffect]) -> None:
        for effect in effects:
            match effect:
                case SendText(message):
                    self._send(message)
                case Settled():
                    self._settled(effect)
                case Synced():
                    self.subscribed[name_of(effect)].synchronised = True
                    self.damaged.discard(name_of(effect))
                case Refused():
                    self.refused.add(name_of(effect))
                    self.subscribed.pop(name_of(effect))
                    del self.wanted[name_of(effect)]
                case Fault(problem):
                    raise ContractError(f"the server is blamed: {problem}")
                case Changed() | Moved() | Identified() | TokenWanted() | Unauthenticated():
                    pass  # the witness has applied it
        self._look()

    def _send(self, message: bytes) -> None:
        self.texts += 1
        self.outbox.append(message.decode())
        request = msgspec.json.decode(message)
        if isinstance(request["tunnel"], int):
            self._by_ticket[request["tunnel"]].connection = self._connections
            self._sent_at[request["tunnel"]] = self.texts
            return
        for path, sub in request["arg"].get("insert", ()):
            name = asked_name(path, sub)
            self.subscribed[name] = Subscribed(sub)
            self.wanted[name] = {}
            self.refused.discard(name)
            self._asked_at[name] = self.texts

    def _settled(self, settled: Settled) -> None:
        asked = self._by_ticket[settled.ticket]
        match settled.error:
            case ConnectionLostError():
                return
            case RequestError() as error:
                details = error.details if isinstance(error, ServerRefusedError) else {}
                asked.reply = {"ok": False, "error": {"code": error.code, **details}}
            case None:
                asked.reply = {"ok": True, "data": msgspec.json.decode(settled.data)}
            case other:
                raise AssertionError(other)
        if settled.cursor is not None:
            epoch, version = settled.cursor
            asked.reply |= {"epoch": epoch, "version": version}
        if asked.ok and asked.cmd == "PUT":
            self._acknowledged(asked)
        elif asked.ok and settled.cursor is not None:
            items = msgspec.json.decode(settled.data, type=list[Raw])
            asked.items = [bytes(item) for item in items]

    def _acknowledged(self, asked: Asked) -> None:
        path, written = str(parse_collection_path(asked.path)), asked.cursor
        check(written is not None, f"{asked} is acknowledged without a version")
        for name in self.subscribed:
            if written is None or path_of(name) != path or name in self.damaged:
                continue
            if self._asked_at[name] > self._sent_at[asked.tunnel]:
                continue
            held = self.witness.protocol.cursor(*key_of(name))
            newest = held is not None and age(held) >= age(written)
            check(newest, f"{asked} is acknowledged at {written}, but its author sees {held}")

    def _look(self) -> None:
        """See what the replicas show now."""
        protocol = self.witness.protocol
        for path in self.held:
            cursor, items = protocol.cursor(*key_of(path)), protocol.items(*key_of(path))
            before = self.copies.get(path, Copy()).cursor
            if cursor is None or not cursor.epoch:  # it was never held, or has been taken back
                let_go = before is None or path in self.refused or cursor is not None
                check(let_go and not items, f"{path} shows {items}, but cannot tell what")
                self.copies.pop(path, None)
                continue
            forward = before is None or age(before) <= age(cursor)
            check(forward, f"{path} goes back from {before} to {cursor}")
            self.copies[path] = Copy(cursor, dict(items), sub=self._filters.get(path, {}))


def age(cursor: Cursor) -> tuple[int, int]:
    """Return what grows with every state: the epochs of these tests end in their number."""
    return int(cursor.epoch.rpartition("-")[2]), cursor.version


def join(world: World, client: Supervised) -> None:
    """Let a client into a World, not connected yet."""
    world.clients.append(client)
    world.links.append(Link())


def steal(world: World, client: int, path: str) -> None:
    """Let a change under way to a client vanish, so that what follows it does not fit."""
    inbox, supervised = world.links[client].inbox, world.clients[client]
    assert isinstance(supervised, Supervised)
    if path not in supervised.held or path in supervised.witness.owed | supervised.incomplete:
        return
    for message in list(inbox):
        told: dict[str, Any] = msgspec.json.decode(message)
        if told.get("path") == path and "view" not in told:
            if not told["base"]:  # what stands on its own does not need what came before
                return
            inbox.remove(message)
            supervised.damaged.add(path)
            if not told.get("more"):  # a change in parts vanishes whole: nobody numbers them
                return
