"""A level 2 client that trusts nothing: it keeps copies, and checks every message against the contract.

It does no I/O: its messages wait in `outbox`, and the test passes it the server's messages with `receive`. A broken
promise raises `ContractError`. It shares no code with the server's decoder or encoder, and keeps the items' texts as
received.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Raw, Struct

from sharedstate_core.patches.patch import Patch
from sharedstate_core.paths import parse_collection_path
from sharedstate_core.storage import Cursor
from sharedstate_core.updates import Update

from .contract import ContractError, check
from .filters import FILTERS, is_filtered
from .records import Asked, Copy, Name, Subscribed, path_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Client:
    """One client: its wanted subscriptions, its copies, its requests.

    Attributes:
        outbox: texts it has sent that have not been carried yet.
        copies: what it shows, by `Name`: the path as spelled, or that and the view; a copy outlives connection and
            subscription.
        wanted: the `sub` of each subscription that it wants, without `since` and `view`.
        subscribed: the subscriptions that the server has confirmed on this connection.
        asked: every request ever sent, in order.
        token: what it shows as proof of who it is, first on every connection; None for nothing.
        user: who it is, as the server has told it.
    """

    def __init__(self) -> None:
        self.token: str | None = None
        self.user: dict[str, Any] | None = None
        self.outbox: deque[str] = deque()
        self.copies: dict[Name, Copy] = {}
        self.wanted: dict[Name, dict[str, Any]] = {}
        self.subscribed: dict[Name, Subscribed] = {}
        self.asked: list[Asked] = []
        self._connections = 0
        self._emptied: Name | None = None
        self._waiting: dict[int, Asked] = {}

    # --- the connection ---------------------------------------------------------------------------

    def connected(self) -> None:
        """Start on a new connection: ask for everything wanted, resuming where a copy is held."""
        self._connections += 1
        if self.token is not None:
            self.ask("PUT", "/session", {"token": self.token})
        if self.wanted:
            self.put_subs(dict(self.wanted), reset=True)

    def disconnected(self) -> None:
        """Drop everything that was under way on a connection that is gone."""
        self._emptied = None
        self.outbox.clear()
        self.subscribed.clear()
        self._waiting.clear()

    @property
    def waiting(self) -> list[Asked]:
        """Unanswered requests of this connection."""
        return list(self._waiting.values())

    @property
    def arrived(self) -> list[Asked]:
        """Unanswered requests that have been carried to the server."""
        return self.waiting[: len(self._waiting) - len(self.outbox)]

    # --- requests ---------------------------------------------------------------------------------

    def ask(self, cmd: Literal["GET", "PUT"], path: str, arg: object = None) -> Asked:
        """Send any request."""
        asked = Asked(len(self.asked), self._connections, cmd, path, arg)
        self.asked.append(asked)
        self._waiting[asked.tunnel] = asked
        message = {"type": "REQUEST", "cmd": cmd, "path": path, "arg": arg, "tunnel": asked.tunnel}
        self.outbox.append(msgspec.json.encode(message).decode())
        return asked

    def put(
        self,
        path: str,
        *,
        insert: Iterable[Mapping[str, Any]] = (),
        remove: Iterable[str] = (),
        reset: bool = False,
        patch: Iterable[Mapping[str, Any]] = (),
        condition: tuple[Cursor, list[str] | None] | None = None,
    ) -> Asked:
        """Send an update; `condition` is the cursor and the ids (None: all) of an `if`."""
        patches = list(patch)
        items = list(insert)
        arg: dict[str, Any] = {"remove": list(remove), "insert": items, "reset": reset}
        if patches:
            arg["patch"] = patches
        if condition is not None:
            (epoch, version), ids = condition
            arg["if"] = {"epoch": epoch, "version": version, "ids": ids}
        asked = self.ask("PUT", path, arg)
        texts = {item["id"]: msgspec.json.encode(item) for item in items}
        remove = tuple(dict.fromkeys(arg["remove"]))
        asked.update = Update(remove, texts, reset, tuple(map(as_patch, patches)))
        return asked

    def subscribe(
        self,
        path: str,
        *,
        where: Mapping[str, Any] | None = None,
        last: int | None = None,
        fields: Iterable[str] | None = None,
        view: str | None = None,
        parts: bool = False,
    ) -> Asked:
        """Subscribe to a collection, or to a part of it, under the name `path`, or `(path, view)`."""
        sub = {
            "where": where,
            "last": last,
            "fields": None if fields is None else list(fields),
            "parts": parts or None,
        }
        name = path if view is None else (path, view)
        return self.put_subs({name: {key: v for key, v in sub.items() if v is not None}})

    def put_subs(
        self,
        insert: Mapping[str, Mapping[str, Any]] | Mapping[Name, Mapping[str, Any]],
        remove: Iterable[Name] = (),
        *,
        reset: bool = False,
    ) -> Asked:
        """Send subscription changes: each `sub` by its name, with `view` added, and `since` where it may resume."""
        wanted: dict[Name, Mapping[str, Any]] = dict(insert.items())
        remove = list(remove)
        if reset:
            self.wanted = {}
        for name in remove:
            self.wanted.pop(name, None)
        self.wanted.update({name: dict(sub) for name, sub in wanted.items()})
        subs = [[path_of(name), self._resume(name, sub)] for name, sub in wanted.items()]
        return self.ask("PUT", "/subs", {"insert": subs, "remove": remove, "reset": reset})

    def _resume(self, name: Name, sub: Mapping[str, Any]) -> dict[str, Any]:
        made = dict(sub) if isinstance(name, str) else {**sub, "view": name[1]}
        copy = self.copies.get(name)
        moving = name in self.subscribed or any(a.path == "/subs" for a in self._waiting.values())
        if moving or copy is None or copy.cursor is None or "since" in sub:
            return made  # a copy that may still move does not know what it will hold
        if any(copy.sub.get(each) != sub.get(each) for each in FILTERS):
            return made  # it holds something else
        since: dict[str, Any] = {"epoch": copy.cursor.epoch, "version": copy.cursor.version}
        return {**made, "since": since if copy.scope is None else since | {"scope": copy.scope}}

    # --- messages of the server -------------------------------------------------------------------

    def receive(self, message: bytes) -> None:
        """Handle one message from the server.

        Raises:
            ContractError: the message breaks the protocol.
        """
        told = _decode(message)
        emptied, self._emptied = self._emptied, None
        if emptied is not None:
            ends = (told.cmd, told.name) == ("END", emptied)
            check(ends, f"{emptied}: emptied, and it does not end")
        if told.type == "REPLY":
            self._answered(told, message)
        elif told.type == "MESSAGE" and told.cmd == "NOTIFY":
            self._notified(told)
        elif told.type == "MESSAGE" and told.cmd == "END":
            self._ended(told)
        elif told.type == "MESSAGE" and told.cmd == "SESSION":
            self.user = msgspec.json.decode(told.data)["user"]
        else:
            raise ContractError(f"what is this? {message!r}")

    def _answered(self, told: _Message, message: bytes) -> None:
        asked = self._waiting.pop(msgspec.json.decode(told.tunnel), None)
        if asked is None:
            raise ContractError(f"this answers nothing that waits: {message!r}")
        asked.reply = msgspec.json.decode(message)
        check(told.cmd == asked.cmd, f"a reply names another cmd: {message!r}")
        if asked.ok and asked.cmd == "PUT" and asked.path == "/subs":
            self._confirmed(asked)
        elif asked.ok and asked.path == "/session":
            self.user = msgspec.json.decode(told.data)["user"]
        elif asked.ok and asked.cmd == "PUT" and asked.path != "/kick":
            self._acknowledged(asked)
        elif asked.code == "conflict":
            self._conflicted(asked)
        elif asked.ok and asked.cursor is not None:
            items = msgspec.json.decode(told.data, type=list[Raw])
            asked.items = [bytes(item) for item in items]

    def _confirmed(self, asked: Asked) -> None:
        assert asked.reply is not None  # noqa: S101  (for the type checker)
        before = {} if asked.arg["reset"] else dict(self.subscribed)
        for name in asked.arg["remove"]:
            before.pop(name, None)
        for path, error, *view in asked.reply.get("errors", ()):
            if error["code"] in {"unauthenticated", "forbidden"}:
                # nobody may go on showing what may no longer be read
                self.copies.pop((path, *view) if view else path, None)
        kept = self.subscribed if asked.arg["reset"] else before
        listed: dict[Name, Any] = {
            (path, sub["view"]) if "view" in sub else path: sub for path, sub in asked.reply["data"]
        }
        self.subscribed = {
            name: kept[name] if name in kept and kept[name].sub == sub else Subscribed(sub)
            for name, sub in listed.items()
        }

    def _acknowledged(self, asked: Asked) -> None:
        written = asked.cursor
        if written is None:
            raise ContractError("an acknowledgement without a version")
        for name, subscribed in self._of(asked.path):
            held = self.copies[name].cursor if subscribed.synchronised else None
            check(held is not None, f"{name}: acknowledged before the copy was synchronised")
            check(
                held is None or held.epoch != written.epoch or held.version >= written.version,
                f"{name}: acknowledged at {written}, but the writer's own copy is at {held}",
            )

    def _conflicted(self, asked: Asked) -> None:
        """Note what a writer conflicts with: its copies are brought there soon, also those that show nothing of it."""
        for _, subscribed in self._of(asked.path):
            subscribed.due = asked.cursor

    def _of(self, path: str) -> list[tuple[Name, Subscribed]]:
        """Return the subscriptions of a collection."""
        wanted = parse_collection_path(path)
        return [
            (name, each)
            for name, each in self.subscribed.items()
            if parse_collection_path(path_of(name)) == wanted
        ]

    def _ended(self, told: _Message) -> None:
        """Check that nothing is left of what a subscription has shown, which the server has ended."""
        name = told.name
        subscribed = self.subscribed.pop(name, None)
        check(subscribed is not None, f"{name}: the end of what is not subscribed")
        self.wanted.pop(name, None)
        copy = self.copies.pop(name, None)
        check(copy is None or not copy.state, f"{name}: it has ended, but shows something")

    def _notified(self, told: _Message) -> None:
        path, now = told.name, Cursor(told.epoch, told.version)
        subscribed = self.subscribed.get(path)
        if subscribed is None:
            raise ContractError(f"{path}: a notification for what is not subscribed")
        data = msgspec.json.decode(told.data, type=_Data)
        texts = {msgspec.json.decode(raw, type=_Item).id: bytes(raw) for raw in data.insert}
        check(len(texts) == len(data.insert), f"{path}: an item comes twice")
        at = _places(told, subscribed, list(texts))
        subscribed.parts.append((Update(tuple(data.remove), texts, data.reset), at))
        if told.more:
            check(subscribed.sub.get("parts"), f"{path}: parts for one who did not ask for them")
            return
        parts, subscribed.parts = subscribed.parts, []
        copy = self.copies.setdefault(path, Copy())
        held, is_live = copy.cursor, subscribed.synchronised
        if not parts[0][0].reset:
            based = Cursor(told.epoch, told.base)
            check(held == based, f"{path}: a change from {based}, but the copy is at {held}")
        if held is not None and held.epoch == now.epoch:
            grown = now.version > held.version or (now == held and not is_live)
            check(grown, f"{path}: from {held} to {now}")
        if not now.epoch:
            self._emptied = path  # before it ends
        for part in parts:
            copy.apply(*part)
        copy.cursor, copy.scope, copy.sub = now, told.scope, subscribed.sub
        subscribed.synchronised = True
        _check_part(path, copy, subscribed.sub)


def _places(
    told: _Message, subscribed: Subscribed, ids: list[str]
) -> dict[str, tuple[int, int]] | None:
    """Return the places of the items in a notification, after checking that they are there if they have to be."""
    if told.at is None:
        check(not is_filtered(subscribed.sub), f"{told.name}: a part without places")
        return None
    check(len(told.at) == len(ids), f"{told.name}: {len(told.at)} places of {len(ids)} items")
    return dict(zip(ids, told.at, strict=True))


def _check_part(name: Name, copy: Copy, sub: Mapping[str, Any]) -> None:
    """Check that a copy holds no more than was asked for; `check_copies` checks the rest."""
    if not is_filtered(sub):
        return
    check(set(copy.places) == set(copy.state), f"{name}: not every item has a place")
    check(len(set(copy.places.values())) == len(copy.state), f"{name}: two items in one place")
    check(len(copy.state) <= sub.get("last", len(copy.state)), f"{name}: more than the last ones")
    if "fields" in sub:
        found = {member for text in copy.state.values() for member in msgspec.json.decode(text)}
        check(found <= {"id", *sub["fields"]}, f"{name}: more than the fields asked for")


class _Message(Struct):
    type: str
    cmd: str | None
    tunnel: Raw = Raw(b"null")
    data: Raw = Raw(b"null")
    path: str = ""
    view: str | None = None
    epoch: str = ""
    base: int = -1
    version: int = -1
    more: bool = False
    at: list[tuple[int, int]] | None = None
    scope: str | None = None

    @property
    def name(self) -> Name:
        """Of the subscription that it is about."""
        return self.path if self.view is None else (self.path, self.view)


class _Data(Struct, forbid_unknown_fields=True):
    remove: list[str]
    insert: list[Raw]
    reset: bool


class _Item(Struct):
    id: str


_decode = msgspec.json.Decoder(_Message).decode


def as_patch(members: Mapping[str, Any]) -> Patch:
    """Return a patch as it is stored, from one as it is sent."""
    set_, inc, add, pull = (
        {name: msgspec.json.encode(value) for name, value in members.get(kind, {}).items()}
        for kind in ("set", "inc", "add", "pull")
    )
    unset, now = (tuple(members.get(kind, ())) for kind in ("unset", "now"))
    return Patch(members["id"], set_, unset, inc, now, add, pull, members.get("upsert", False))
