"""The core with storage that answers at once, and readers that take at once what they are sent."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from sharedstate_core import (
    AwaitDrain,
    CollectionPath,
    Commit,
    CommitResult,
    Committed,
    Cursor,
    Limits,
    Load,
    Loaded,
    Row,
    Server,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sharedstate_core import Effect

    Text = Callable[[int, int], str]

PATH: Final = "/app/items/list"
LIST: Final = CollectionPath("app", "items", "list")
EPOCH: Final = "epoch"
LIMITS: Final = Limits(linger_seconds=0.0, linger_bytes=0, subscriptions=100_000)
ITEM_BYTES: Final = 100


class Scene:
    """A server with one collection of items, `PATH`; all others are empty.

    Args:
        items: how many.
        item_bytes: the length of each, about.
        text: makes the text of an item from its number and its length.

    Attributes:
        after_input: called after each input of the core, so that inputs can be told apart.
    """

    def __init__(
        self, items: int = 0, item_bytes: int = ITEM_BYTES, text: Text | None = None
    ) -> None:
        self.server: Server[int] = Server(["items"], LIMITS)
        self.after_input: Callable[[], object] = int
        self._text = text or item
        self._rows = rows(items, item_bytes, self._text)
        self._versions: defaultdict[CollectionPath, int] = defaultdict(lambda: 1)
        self._size = item_bytes
        self._changed: Sequence[Row] = ()
        self._updates = self._connections = 0

    @property
    def version(self) -> int:
        """Of the collection of items."""
        return self._versions[LIST]

    # --- what clients do --------------------------------------------------------------------------

    def connect(self, *paths: str, since: int | None = None) -> int:
        """Open a connection that subscribes to these collections; return it."""
        self._connections += 1
        connection = self._connections
        self.server.connection_opened(connection)
        if paths:
            self.say(connection, subscribe(paths, since))
        return connection

    def leave(self, connection: int) -> None:
        """Close a connection."""
        self._input(self.server.connection_closed, connection, 0.0)

    def say(self, connection: int, text: str) -> None:
        """Let a client say something; return when everything has come of it."""
        self._input(self.server.receive_text, connection, text, 0.0)

    def changed_elsewhere(self, items: int) -> None:
        """Let another process change so many items, one at a time, and the core hear of it."""
        first = self._versions[LIST] + 1
        self._versions[LIST] += items
        self._changed = [
            Row(f"item{n}", self._text(n, self._size).encode(), 1, n, first + n)
            for n in range(items)
        ]
        cursor = Cursor(EPOCH, self.version)
        self._input(self.server.collection_changed, LIST, cursor, 0.0)

    def update(self, connection: int, items: int = 1, path: str = PATH) -> None:
        """Let a client change so many items, of the first hundred if it is one at a time."""
        self.say(connection, self.next_update(items, path))

    def next_update(self, items: int = 1, path: str = PATH) -> str:
        """Return an update of one of the first hundred items, or of so many."""
        self._updates += 1
        first = self._updates % 100 if items == 1 else 0
        texts = [self._text(first + number, self._size) for number in range(items)]
        return request("PUT", path, f'{{"insert":[{",".join(texts)}]}}')

    # --- the rest of the world --------------------------------------------------------------------

    def _input(self, take: Callable[..., Iterable[Effect[int]]], *args: object) -> None:
        """Take an input, and all that follow from it."""
        waiting: deque[tuple[Callable[..., Iterable[Effect[int]]], tuple[object, ...]]] = deque()
        waiting.append((take, args))
        while waiting:
            take, args = waiting.popleft()
            effects = take(*args)
            self.after_input()
            for effect in effects:
                match effect:
                    case Commit(ticket=ticket):
                        result = self._commit(effect)
                        waiting.append((self.server.commit_succeeded, (ticket, result, 0.0)))
                    case Load(ticket=ticket):
                        loaded = self._load(effect)
                        waiting.append((self.server.load_succeeded, (ticket, loaded, 0.0)))
                    case AwaitDrain(connection=connection):
                        waiting.append((self.server.connection_drained, (connection, 0.0)))
                    case _:
                        pass
            due = self.server.next_wakeup()
            if not waiting and due is not None and due <= 0.0:
                waiting.append((self.server.wake, (0.0,)))

    def _commit(self, commit: Commit) -> CommitResult:
        first = self._versions[commit.collection] + 1
        self._versions[commit.collection] += len(commit.writes)
        return CommitResult(EPOCH, [Committed(first + n) for n in range(len(commit.writes))])

    def _load(self, load: Load) -> Loaded:
        version = self._versions[load.collection]
        if load.collection != LIST:
            return Loaded(EPOCH, version, 0, ())
        if load.since is not None:
            return Loaded(EPOCH, version, 0, self._changed, base=load.since.version)
        return Loaded(EPOCH, version, 0, self._rows)


@lru_cache(maxsize=4)  # the sizes of most operations
def rows(count: int, size: int, text: Text) -> Sequence[Row]:
    """Return the items of a collection as a store tells them."""
    return [Row(f"item{n}", text(n, size).encode(), 1, n, 1) for n in range(count)]


def item(number: int, size: int = ITEM_BYTES) -> str:
    """Return the text of an item."""
    return f'{{"id":"item{number}","x":{number},"text":"{"y" * (size - 40)}"}}'


def request(command: str, path: str, arg: str = "null") -> str:
    """Return a request."""
    return f'{{"type":"REQUEST","cmd":"{command}","path":"{path}","arg":{arg},"tunnel":1}}'


def subscribe(
    paths: Iterable[str], since: int | None = None, options: Mapping[str, object] | None = None
) -> str:
    """Return the request that subscribes to these, too.

    Args:
        paths: those of the collections.
        since: a version, to go on from there.
        options: further members of each `sub`.
    """
    sub = dict(options or {})
    if since is not None:
        sub["since"] = {"epoch": EPOCH, "version": since}
    insert = [[path, sub] for path in paths]
    return request("PUT", "/subs", json.dumps({"insert": insert, "brief": True}))


def unsubscribe(*paths: str) -> str:
    """Return the request that ends subscriptions."""
    return request("PUT", "/subs", json.dumps({"remove": paths, "brief": True}))
