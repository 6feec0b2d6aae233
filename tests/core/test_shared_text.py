"""The text of many items exists once, however many messages contain it."""

from __future__ import annotations

import json

import pytest

from sharedstate_core import Commit, CommitResult, Committed, Load, Loaded, Row, Send, Server
from sharedstate_core.messages import PIECE_BYTES, SPLICED_BYTES, pieces_of
from sharedstate_core.wire.encode import Array, encode_items

P = "/a/items/c"
ITEM = b'{"id":"%d","text":"%b"}'
ITEMS = 40
SIZE = SPLICED_BYTES // 10
"""Items whose array is four times as long as a message that is copied."""

READERS = 20
HEAD_BYTES = 500
"""More than the envelope of a message takes."""


def ask(cmd: str, path: str, arg: object = None, tunnel: object = None) -> str:
    return json.dumps({"type": "REQUEST", "cmd": cmd, "path": path, "arg": arg, "tunnel": tunnel})


def loading(server: Server[int], requests: dict[int, str]) -> list[Send[int]]:
    """Let everybody ask for the collection before it is loaded; return what they are sent then."""
    effects: list[object] = []
    for reader, text in requests.items():
        server.connection_opened(reader)
        effects += server.receive_text(reader, text, 0.0)
    (load,) = (each for each in effects if isinstance(each, Load))
    rows = [Row(str(n), ITEM % (n, b"x" * SIZE), 1, n, 1) for n in range(ITEMS)]
    told = server.load_succeeded(load.ticket, Loaded("epoch", 1, 0, rows), 0.0)
    return [each for each in told if isinstance(each, Send)]


def memory(sent: list[Send[int]]) -> int:
    """Return the bytes that these messages keep in memory, all together."""
    pieces = {id(piece): len(piece) for piece in pieces_of(each.message for each in sent)}
    return sum(pieces.values())


def test_replies_share_it() -> None:
    """Each has a tunnel of its own."""
    requests = {n: ask("GET", P, tunnel=['"data":null', n]) for n in range(READERS)}
    sent = loading(Server[int](["items"]), requests)
    assert len(sent) == READERS
    assert memory(sent) < ITEMS * (SIZE + 100) + READERS * HEAD_BYTES
    for reader, (connections, message) in enumerate(
        (each.connections, each.message) for each in sent
    ):
        assert connections == (reader,)
        assert len(bytes(message)) == len(message)
        reply = json.loads(bytes(message))
        assert reply["tunnel"] == ['"data":null', reader]
        assert [int(item["id"]) for item in reply["data"]] == list(range(ITEMS))
        assert (reply["epoch"], reply["version"]) == ("epoch", 1)


@pytest.mark.parametrize("sub", [{}, {"parts": True}])
def test_notifications_under_every_spelling_share_it(sub: dict[str, bool]) -> None:
    paths = ["/" * (n + 1) + P[1:] for n in range(READERS)]
    requests = {n: ask("PUT", "/subs", {"insert": [[path, sub]]}) for n, path in enumerate(paths)}
    server = Server[int](["items"])
    sent = loading(server, requests)
    assert memory(sent) < ITEMS * (SIZE + 100) + READERS * 10 * HEAD_BYTES
    for connection in range(READERS):
        server.connection_drained(connection, 0.0)
    insert = [json.loads(ITEM % (n, b"y" * SIZE)) for n in range(ITEMS)]
    (commit,) = server.receive_text(0, ask("PUT", P, {"insert": insert}), 0.0)
    assert isinstance(commit, Commit)
    effects = server.commit_succeeded(commit.ticket, CommitResult("epoch", [Committed(2)]), 0.0)
    sent = [each for each in effects if isinstance(each, Send)]
    told = [json.loads(bytes(each.message)) for each in sent]
    assert {each["path"] for each in told[:-1]} == set(paths)
    for path in paths:
        theirs = [each["data"]["insert"] for each in told if each.get("path") == path]
        assert [item for part in theirs for item in part] == insert
    assert memory(sent) < ITEMS * (SIZE + 100) + READERS * 10 * HEAD_BYTES


def test_ids_that_were_removed_are_shared() -> None:
    """Everybody comes back with another spelling of the path, and has seen what is gone."""
    removed = [f"{n:0250}" for n in range(1000)]
    server = Server[int](["items"])
    since = {"epoch": "epoch", "version": 1}
    effects: list[object] = []
    for reader in range(READERS):
        server.connection_opened(reader)
        asked = ask("PUT", "/subs", {"insert": [["/" * (reader + 1) + P[1:], {"since": since}]]})
        effects += server.receive_text(reader, asked, 0.0)
    (load,) = (each for each in effects if isinstance(each, Load))
    rows = [Row(id, None, 0, 0, 2) for id in removed] + [Row("a", b'{"id":"a"}', 2, 0, 2)]
    told = server.load_succeeded(load.ticket, Loaded("epoch", 2, 0, rows), 0.0)
    sent = [each for each in told if isinstance(each, Send)]
    for _ in range(10):
        sent += [each for each in server.wake(0.0) if isinstance(each, Send)]
    assert len(sent) == READERS
    assert memory(sent) < 1000 * 300 + READERS * HEAD_BYTES
    for each in sent:
        assert len(bytes(each.message)) == len(each.message)
        data = json.loads(bytes(each.message))["data"]
        assert set(removed) <= {*data["remove"]}
        assert data["insert"] == [{"id": "a"}]


LONG = PIECE_BYTES + 1
LENGTHS = [[LONG], [LONG, LONG], [1, LONG, 1], [LONG, 1, 1, LONG], [1, 1, 2 * LONG, 3 * LONG, 1]]


@pytest.mark.parametrize("by_turns", [False, True])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_long_items_are_not_copied(lengths: list[int], *, by_turns: bool) -> None:
    texts = [ITEM % (n, b"x" * length) for n, length in enumerate(lengths)]
    if by_turns:
        array = Array()
        for text in texts:
            array.add_items([text])
        found = [array.end()]
        array = Array()
        array.add_items(texts)
        found.append(array.end())
    else:
        found = [encode_items(texts)]
    long = [text for text in texts if len(text) > PIECE_BYTES]
    for items in found:
        assert [piece for piece in items.pieces if len(piece) > PIECE_BYTES] == long
        assert {id(text) for text in long} <= {id(piece) for piece in items.pieces}
        assert bytes(items) == b"[" + b",".join(texts) + b"]"
        assert len(items) == len(bytes(items))
        assert items.borrowed == sum(map(len, long))


def test_what_waits_for_a_reader_counts_once_for_all() -> None:
    """They are all given more than the window, and the bound counts what is really there."""
    server = Server[int](["items"])
    loading(server, {n: ask("GET", P, tunnel=n) for n in range(READERS)})
    for reader in range(READERS):
        for _ in range(5):
            server.receive_text(reader, ask("GET", P), 0.0)
    size = ITEMS * (SIZE + 100)
    assert size / 2 < server._unsent.bytes < size + READERS * 20 * HEAD_BYTES
