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

from sharedstate_core.paths import parse_collection_path
from sharedstate_core.storage import Cursor
from sharedstate_core.updates import Update, apply

from .contract import ContractError, check
from .records import Asked, Copy, Subscribed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Client:
    """One client: its wanted subscriptions, its copies, its requests.

    Attributes:
        outbox: texts it has sent that have not been carried yet.
        copies: what it shows, by path as spelled; a copy outlives connection and subscription.
        wanted: the `sub` of each path that it wants, by path as spelled, without `since`.
        subscribed: the subscriptions that the server has confirmed on this connection.
        asked: every request ever sent, in order.
        token: what it shows as proof of who it is, first on every connection; None for nothing.
        user: who it is, as the server has told it.
    """

    def __init__(self) -> None:
        self.token: str | None = None
        self.user: dict[str, Any] | None = None
        self.outbox: deque[str] = deque()
        self.copies: dict[str, Copy] = {}
        self.wanted: dict[str, dict[str, Any]] = {}
        self.subscribed: dict[str, Subscribed] = {}
        self.asked: list[Asked] = []
        self._connections = 0
        self._emptied: str | None = None
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
        condition: tuple[Cursor, list[str] | None] | None = None,
    ) -> Asked:
        """Send an update; `condition` is the cursor and the ids (None: all) of an `if`."""
        items = list(insert)
        arg: dict[str, Any] = {"remove": list(remove), "insert": items, "reset": reset}
        if condition is not None:
            (epoch, version), ids = condition
            arg["if"] = {"epoch": epoch, "version": version, "ids": ids}
        asked = self.ask("PUT", path, arg)
        texts = {item["id"]: msgspec.json.encode(item) for item in items}
        asked.update = Update(tuple(dict.fromkeys(arg["remove"])), texts, reset)
        return asked

    def put_subs(
        self,
        insert: Mapping[str, Mapping[str, Any]],
        remove: Iterable[str] = (),
        *,
        reset: bool = False,
    ) -> Asked:
        """Send subscription changes: each `sub` by its path, with `since` added where it may resume."""
        if reset:
            self.wanted = {}
        for path in remove:
            self.wanted.pop(path, None)
        self.wanted.update({path: dict(sub) for path, sub in insert.items()})
        subs = [[path, self._resume(path, sub)] for path, sub in insert.items()]
        return self.ask("PUT", "/subs", {"insert": subs, "remove": list(remove), "reset": reset})

    def _resume(self, path: str, sub: Mapping[str, Any]) -> dict[str, Any]:
        copy = self.copies.get(path)
        moving = path in self.subscribed or any(a.path == "/subs" for a in self._waiting.values())
        if moving or copy is None or copy.cursor is None or "since" in sub:
            return dict(sub)  # a copy that may still move does not know what it will hold
        return {**sub, "since": {"epoch": copy.cursor.epoch, "version": copy.cursor.version}}

    # --- messages of the server -------------------------------------------------------------------

    def receive(self, message: bytes) -> None:
        """Handle one message from the server.

        Raises:
            ContractError: the message breaks the protocol.
        """
        told = _decode(message)
        emptied, self._emptied = self._emptied, None
        if emptied is not None:
            ends = (told.cmd, told.path) == ("END", emptied)
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
        elif asked.ok and asked.cursor is not None:
            items = msgspec.json.decode(told.data, type=list[Raw])
            asked.items = [bytes(item) for item in items]

    def _confirmed(self, asked: Asked) -> None:
        assert asked.reply is not None  # noqa: S101  (for the type checker)
        before = {} if asked.arg["reset"] else dict(self.subscribed)
        for path in asked.arg["remove"]:
            before.pop(path, None)
        for path, error in asked.reply.get("errors", ()):
            if error["code"] in {"unauthenticated", "forbidden"}:
                self.copies.pop(path, None)  # nobody may go on showing what may no longer be read
        kept = self.subscribed if asked.arg["reset"] else before
        self.subscribed = {
            path: kept[path] if path in kept and kept[path].sub == sub else Subscribed(sub)
            for path, sub in asked.reply["data"]
        }

    def _acknowledged(self, asked: Asked) -> None:
        written = asked.cursor
        if written is None:
            raise ContractError("an acknowledgement without a version")
        for path, subscribed in self.subscribed.items():
            if parse_collection_path(path) != parse_collection_path(asked.path):
                continue
            held = self.copies[path].cursor if subscribed.synchronised else None
            check(held is not None, f"{path}: acknowledged before the copy was synchronised")
            check(
                held is None or held.epoch != written.epoch or held.version >= written.version,
                f"{path}: acknowledged at {written}, but the writer's own copy is at {held}",
            )

    def _ended(self, told: _Message) -> None:
        """Check that nothing is left of what a subscription has shown, which the server has ended."""
        subscribed = self.subscribed.pop(told.path, None)
        check(subscribed is not None, f"{told.path}: the end of what is not subscribed")
        self.wanted.pop(told.path, None)
        copy = self.copies.pop(told.path, None)
        check(copy is None or not copy.state, f"{told.path}: it has ended, but shows something")

    def _notified(self, told: _Message) -> None:
        path, now = told.path, Cursor(told.epoch, told.version)
        subscribed = self.subscribed.get(path)
        if subscribed is None:
            raise ContractError(f"{path}: a notification for what is not subscribed")
        data = msgspec.json.decode(told.data, type=_Data)
        texts = {msgspec.json.decode(raw, type=_Item).id: bytes(raw) for raw in data.insert}
        check(len(texts) == len(data.insert), f"{path}: an item comes twice")
        subscribed.parts.append(Update(tuple(data.remove), texts, data.reset))
        if told.more:
            check(subscribed.sub.get("parts"), f"{path}: parts for one who did not ask for them")
            return
        parts, subscribed.parts = subscribed.parts, []
        copy = self.copies.setdefault(path, Copy())
        held, is_live = copy.cursor, subscribed.synchronised
        if not parts[0].reset:
            based = Cursor(told.epoch, told.base)
            check(held == based, f"{path}: a change from {based}, but the copy is at {held}")
        if held is not None and held.epoch == now.epoch:
            grown = now.version > held.version or (now == held and not is_live)
            check(grown, f"{path}: from {held} to {now}")
        if not now.epoch:
            self._emptied = path  # before it ends
        for part in parts:
            copy.state = apply(copy.state, part)
        copy.cursor = now
        subscribed.synchronised = True


class _Message(Struct):
    type: str
    cmd: str | None
    tunnel: Raw = Raw(b"null")
    data: Raw = Raw(b"null")
    path: str = ""
    epoch: str = ""
    base: int = -1
    version: int = -1
    more: bool = False


class _Data(Struct, forbid_unknown_fields=True):
    remove: list[str]
    insert: list[Raw]
    reset: bool


class _Item(Struct):
    id: str


_decode = msgspec.json.Decoder(_Message).decode
