"""A `ClientProtocol` as vectors speak of it: an input goes in as JSON, what follows comes back as JSON."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from sharedstate_core import Condition, Cursor, LocalProtocolError, Update
from sharedstate_core.client import (
    Changed,
    ClientEffect,
    ClientProtocol,
    Fault,
    Identified,
    Key,
    Moved,
    Refused,
    SendText,
    Settled,
    Synced,
    TokenWanted,
    Unauthenticated,
    make_filter,
)
from sharedstate_core.errors import CLOSE_TOO_BIG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sharedstate_core import Diff


def compact(value: object) -> str:
    """Return JSON text as a server writes it: the same value always has the same text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Replay:
    """One client's life.

    Attributes:
        texts: the texts that the last input made the client send.
    """

    def __init__(self) -> None:
        self.client = ClientProtocol()
        self.texts: list[str] = []
        self._tunnels: list[object] = []
        self._tickets: dict[int, object] = {}
        self._held: dict[Key, Any] = {}

    def take(self, do: Mapping[str, Any]) -> dict[str, Any]:
        """Give the client an input; return the other members of the step."""
        self.texts = []
        [(kind, what)] = do.items()
        then: dict[str, Any] = {}
        for effect in self._input(kind, what):
            self._note(effect, then)
        for changed in then.get("changed", ()):
            changed["diffs"].sort(key=lambda diff: diff["id"])
        if replicas := self._news():
            then["replicas"] = replicas
        return then

    def tunnel(self, number: int) -> object:
        """Return the tunnel of the request that was sent as the `number`th, counted from 1."""
        return self._tunnels[number - 1]

    @property
    def sent(self) -> int:
        """How many requests were sent."""
        return len(self._tunnels)

    def _input(self, kind: str, what: Any) -> list[ClientEffect]:
        match kind:
            case "session":
                self.client = ClientProtocol(key=what["key"])
                return []
            case "sign_in":
                return self.client.sign_in(what["token"])
            case "connection":
                return self._connection(what)
            case "receive":
                return self._receive(copy.deepcopy(what))
            case "receive_text":
                return self.client.receive_text(what)
            case "acquire":
                return self._acquire({"path": what} if isinstance(what, str) else what)
            case "release":
                key = Key(what) if isinstance(what, str) else Key(**what)
                return self.client.release(*key) if key in self._held else []
            case "update":
                ticket, effects = self.client.update(what["path"], *_update(what["arg"]))
            case "get":
                arg = compact(what.get("arg")).encode()
                ticket, effects = self.client.request("GET", what["path"], arg)
            case _:
                raise AssertionError(f"an input of no known kind: {kind}")
        self._tickets[ticket] = what["ticket"]
        return effects

    def _acquire(self, what: dict[str, Any]) -> list[ClientEffect]:
        path, asked = what["path"], {k: v for k, v in what.items() if k != "path"}
        self._held.setdefault(Key(path, what.get("view")), None)
        return self.client.acquire(path, make_filter(**asked))

    def _connection(self, what: Any) -> list[ClientEffect]:
        if what == "opened":
            return self.client.connection_opened()
        if "opened" in what:
            return self.client.connection_opened(what["opened"]["token"])
        code = None if what == "lost" else what["closed"]
        return self.client.connection_lost(too_big=code == CLOSE_TOO_BIG)

    def _receive(self, message: dict[str, Any]) -> list[ClientEffect]:
        if isinstance(message.get("tunnel"), dict):
            message["tunnel"] = self.tunnel(message["tunnel"]["sent"])
        return self.client.receive_text(compact(message))

    def _note(self, effect: ClientEffect, then: dict[str, Any]) -> None:  # noqa: C901
        match effect:
            case SendText():
                self.texts.append(bytes(effect.message).decode())
                message = json.loads(bytes(effect.message))
                self._tunnels.append(message.pop("tunnel"))
                if message["arg"] is None:
                    del message["arg"]
                elif message["path"] == "/subs":
                    message["arg"].pop("brief", None)  # a client's own affair
                then.setdefault("sent", []).append(message | {"tunnel": {"sent": self.sent}})
            case Changed():
                diffs = [_diff(each) for each in effect.diffs]
                then.setdefault("changed", []).append({"path": _name(effect), "diffs": diffs})
            case Synced():
                then.setdefault("synced", []).append(_name(effect))
            case Refused():
                code = effect.error.code
                then.setdefault("refused", []).append({"path": _name(effect), "code": code})
            case Settled():
                then.setdefault("settled", []).append(self._settled(effect))
            case Fault():
                then["fault"] = True
            case Identified(user, expires):
                then.setdefault("identified", []).append({"user": user, "expires": expires})
            case TokenWanted(reason):
                then.setdefault("token_wanted", []).append(reason)
            case Unauthenticated():
                then["unauthenticated"] = True
            case Moved():
                pass  # the replica shows it

    def _settled(self, effect: Settled) -> dict[str, Any]:
        settled: dict[str, Any] = {"ticket": self._tickets.pop(effect.ticket)}
        if effect.error is None:
            settled["data"] = json.loads(effect.data)
            if effect.at is not None:
                settled["at"] = [list(at) for at in effect.at]
            return settled | ({"more": True} if effect.more else {})
        settled["code"] = effect.error.code
        if settled["code"] == "conflict":
            settled["cursor"] = _cursor(effect.cursor)
        return settled

    def _news(self) -> dict[str, Any]:
        """Return the replicas that are not as they were; None for one that is released."""
        news: dict[str, Any] = {}
        for key, before in list(self._held.items()):
            now = self._replica(key)
            if now != before:
                news[_name(key)] = self._held[key] = now
            if now is None:
                del self._held[key]
        return news

    def _replica(self, key: Key) -> dict[str, Any] | None:
        try:
            items = self.client.items(*key)
        except LocalProtocolError:
            return None
        cursor = _cursor(self.client.cursor(*key))
        return {"cursor": cursor, "items": [json.loads(text) for text in items.values()]}


def _name(of: Key | Changed | Synced | Refused) -> str:
    """What vectors call a replica."""
    return of.path if of.view is None else f"{of.path} {of.view}"


def _cursor(cursor: Cursor | None) -> dict[str, Any] | None:
    return None if cursor is None else cursor._asdict()


def _diff(diff: Diff) -> dict[str, Any]:
    """A diff without the members that it does not have."""
    sides = {"new": diff.new, "old": diff.old}
    return {"id": diff.id} | {k: json.loads(text) for k, text in sides.items() if text is not None}


def _update(arg: Mapping[str, Any]) -> tuple[Update, Condition | None]:
    insert = {item["id"]: compact(item).encode() for item in arg.get("insert", ())}
    update = Update(tuple(arg.get("remove", ())), insert, arg.get("reset", False))
    if "if" not in arg:
        return update, None
    given = arg["if"]
    ids = tuple(given["ids"]) if "ids" in given else None
    return update, Condition(Cursor(given["epoch"], given["version"]), ids)
