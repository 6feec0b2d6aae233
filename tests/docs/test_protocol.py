"""PROTOCOL.md: its conversation is held with a server, and its tables are what the code has."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Final, get_args

import pytest

from sharedstate_anyio.client import connect
from sharedstate_anyio.client.net import connector
from sharedstate_anyio.client.net.link import SENT_AWAY
from sharedstate_core import Commit, Effect, ErrorCode, Limits, Load, Send, Server, errors
from sharedstate_core.client import protocol
from sharedstate_core.filters.where import MAX_TERMS, MAX_VALUES
from sharedstate_core.patches.patching import MAX_ITEM_BYTES
from sharedstate_core.paths import MAX_PATH_CHARACTERS, MAX_SEGMENT_BYTES
from sharedstate_core.peer.subscribing import MAX_SPELLINGS
from sharedstate_core.testing import MemoryStore
from sharedstate_core.wire.decode_subscriptions import MAX_FIELDS, MAX_SUB_BYTES, MAX_VIEW_BYTES
from sharedstate_core.wire.outline import FEW

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "PROTOCOL.md").read_text("utf-8")
LIMITS: Final = Limits()


def test_the_conversation() -> None:
    """Word for word, with one store: a connection goes on from block to block, until another one is announced."""
    store, server = (
        MemoryStore("k3Jx"),
        Server[str](["items"], patchable=["items"], resendable=["items"]),
    )
    server.set_clock(1764400000.0, 0.0)
    connections = PAGE.split("<!-- another connection -->")
    assert len(connections) == 5
    for number, text in enumerate(connections):
        connection = f"connection {number}"
        server.connection_opened(connection)
        inbox: list[str] = []

        def perform(effects: list[Effect[str]], inbox: list[str] = inbox) -> None:
            for effect in effects:
                match effect:
                    case Send():
                        inbox.append(bytes(effect.message).decode())
                    case Commit():
                        result = store.commit(effect.collection, effect.writes)
                        perform(server.commit_succeeded(effect.ticket, result, 0.0), inbox)
                    case Load():
                        loaded = store.load(effect.collection, effect.since)
                        perform(server.load_succeeded(effect.ticket, loaded, 0.0), inbox)
                    case _:
                        pytest.fail(f"unexpected {effect}")

        printed = "".join(re.findall(r"(?ms)^```jsonl\n(.*?)^```$", text))
        lines = printed.replace("\n    ", "").splitlines()
        assert lines
        for line in lines:
            direction, message = line.split(" ", 1)
            if direction == "→":
                assert not inbox
                perform(server.receive_text(connection, message, 0.0))
            else:
                assert inbox.pop(0) == message
        assert not inbox
        server.connection_closed(connection, 0.0)


def test_sections_are_numbered() -> None:
    section = subsection = 0
    for marks, number in re.findall(r"(?m)^(##+) ([\d.]*)", PAGE):
        if marks == "##":
            section, subsection = section + 1, 0
            assert number == f"{section}."
            assert re.search(rf"(?m)^\| .*\[{section}\. ", PAGE), "it is in the table of contents"
        else:
            subsection += 1
            assert number == f"{section}.{subsection}"


def table(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading."""
    _, _, text = PAGE.partition(f" {heading}\n")
    rows = re.search(r"(?m)(^\|.*\n)+", text)
    assert rows is not None
    return [line.strip("| ").split(" | ") for line in rows[0].splitlines()[2:]]


def test_codes() -> None:
    codes = [code for row in table("Codes") for code in re.findall(r"`(\w+)`", row[0])]
    assert tuple(codes) == get_args(ErrorCode)


def test_close_codes() -> None:
    used = {code for name, code in vars(errors).items() if name.startswith("CLOSE_")}
    told = {row[0] for row in table("11. Close codes")}
    protocol_error = 1002
    away = f"{SENT_AWAY.start} to {SENT_AWAY.stop - 1}"
    assert told == {*map(str, used), str(protocol_error), away}


@pytest.mark.parametrize(
    ("words", "bound"),
    [
        ("a message of", f"{LIMITS.message_bytes >> 20} MiB of UTF-8"),
        ("ids that", f"{LIMITS.items:,}"),
        ("members of one item", f"{LIMITS.patch_operations}"),
        ("an item that a patch", f"{MAX_ITEM_BYTES >> 20} MiB; {FEW:,} (fixed)"),
        ("nesting in an item", f"{LIMITS.depth} levels"),
        ("nesting in a `tunnel`", f"{LIMITS.depth} levels"),
        ("an id", f"{LIMITS.id_bytes} bytes of UTF-8"),
        (
            "a path;",
            f"{MAX_PATH_CHARACTERS} characters; {MAX_SEGMENT_BYTES} bytes of UTF-8 (fixed)",
        ),
        ("a `sub`", f"{MAX_SUB_BYTES} bytes (fixed)"),
        ("subscriptions of", f"{LIMITS.subscriptions:,}"),
        ("spellings of", f"{MAX_SPELLINGS} (fixed)"),
        (
            "unanswered",
            f"{LIMITS.unanswered}; from {LIMITS.unanswered // 2} on, no more are read",
        ),
        ("collections in use", f"{LIMITS.collections:,}"),
        ("different [views]", f"{LIMITS.views:,}; {LIMITS.scanned_views}"),
        ("items that a view", f"{LIMITS.last:,}"),
        ("tests and connectives", f"{MAX_TERMS}; {MAX_VALUES:,} (fixed)"),
        ("the name of a view", f"{MAX_VIEW_BYTES} bytes; {MAX_FIELDS} (fixed)"),
        (
            "items of a",
            "unbounded"
            if (LIMITS.collection_items, LIMITS.collection_bytes) == (None, None)
            else "",
        ),
        ("updates that wait", f"{LIMITS.pending_bytes >> 20} MiB"),
        ("seconds without", f"{LIMITS.drain_seconds:.0f}"),
    ],
)
def test_limits(words: str, bound: str) -> None:
    (row,) = [row for row in table("10. Limits") if row[0].startswith(words)]
    assert row[1] == bound


def test_bounds_of_clients() -> None:
    """The page, the Python client and the JavaScript client have the same ones."""
    bounds = [row[1] for row in table("13.3 A server that misbehaves")]
    defaults = inspect.signature(connect).parameters
    snapshot, answer = (defaults[name].default for name in ("max_snapshot", "answer_timeout"))
    assert snapshot == protocol.MAX_SNAPSHOT
    assert bounds == [
        f"`max_snapshot`: {snapshot:,} characters of the messages, for one path",
        f"{protocol.MAX_BREACHES} on one connection",
        "1",
        f"`answer_timeout`: {answer:.0f} s",
        f"{connector.LONGEST_PAUSE:.0f} s",
    ]
    for module, words in {
        "protocol/subscription.js": f"MAX_SNAPSHOT = 2 ** {snapshot.bit_length() - 1};",
        "protocol/client_protocol.js": f"MAX_BREACHES = {protocol.MAX_BREACHES};",
        "net/connector.js": f"answer_timeout = {answer:.0f} ",
        "util/random.js": f"LONGEST_PAUSE = {connector.LONGEST_PAUSE * 1000:_.0f};",
    }.items():
        assert words in (ROOT / "js-client/src" / module).read_text("utf-8")
