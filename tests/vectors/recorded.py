"""The client under record: each input and what followed becomes a step of a vector."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sharedstate_core import Cursor, parse_collection_path
from sharedstate_core.testing import Client
from sharedstate_core.testing.filters import shown

from .replay import Replay, compact

if TYPE_CHECKING:
    from sharedstate_core.testing import MemoryStore


class Recorded(Client):
    """A `ClientProtocol` in a World's place of a client.

    Each state that it shows is held against the store's history: what is recorded is true.

    Attributes:
        steps: what was recorded.
        replay: the client.
        acquired: how it has acquired what it holds, by name: a path, or a path and a view.
    """

    def __init__(self, level: int, store: MemoryStore) -> None:
        super().__init__()
        self.steps: list[dict[str, Any]] = []
        self.replay = Replay()
        self.acquired: dict[str, Any] = {}
        self._level = level
        self._store = store
        self._unanswered: list[tuple[object, int]] = []

    def take(self, do: dict[str, Any]) -> None:
        """Give the client an input, record the step, check what the client shows now."""
        before = self.replay.sent
        then = self.replay.take(do)
        self.steps.append({"do": do} | then)
        self.outbox.extend(self.replay.texts)
        numbers = range(before + 1, self.replay.sent + 1)
        self._unanswered.extend((self.replay.tunnel(number), number) for number in numbers)
        for name, replica in then.get("replicas", {}).items():
            if replica is not None:
                self._check(name, replica)

    def shown(self, name: str) -> list[Any]:
        """Return the items that the client shows."""
        items = self.replay.client.items(*name.split(" "))
        return [json.loads(text) for text in items.values()]

    def part(self, name: str) -> tuple[str, dict[str, Any]]:
        """Return the path of what is held, and what of it was asked for."""
        wanted = self.acquired[name]
        return (wanted, {}) if isinstance(wanted, str) else (wanted["path"], wanted)

    def cursor(self, path: str) -> Cursor | None:
        """Return the state that the client holds."""
        return self.replay.client.cursor(path) if path in self.acquired else None

    def connected(self) -> None:
        self.take({"connection": "opened"})

    def disconnected(self) -> None:
        self.outbox.clear()
        self._unanswered.clear()
        self.take({"connection": "lost"})

    def receive(self, message: bytes) -> None:
        told = json.loads(message)
        if self._level == 1:
            for member in ("epoch", "base", "version", "error", "errors"):
                told.pop(member, None)
        if told["type"] == "REPLY":
            told["tunnel"] = {"sent": self._number_of(told["tunnel"])}
        self.take({"receive": told})

    def _number_of(self, tunnel: object) -> int:
        """Return the number of the request that is answered: the oldest one with that tunnel."""
        [found, *_] = [each for each in self._unanswered if each[0] == tunnel]
        self._unanswered.remove(found)
        return found[1]

    def _check(self, name: str, replica: dict[str, Any]) -> None:
        path, sub = self.part(name)
        collection = parse_collection_path(path)
        if replica["cursor"] is not None:
            state = self._store.state_at(collection, Cursor(**replica["cursor"]))
            assert state is not None
            assert replica["items"] == list(shown(state, sub).values())
        else:
            histories = [h for (each, _), h in self._store.histories() if each == collection]
            states = [list(version.state.values()) for history in histories for version in history]
            texts = [compact(item).encode() for item in replica["items"]]
            assert texts in [[], *states]
