"""Clients whose server is out of its mind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharedstate_core import Update
from sharedstate_core.client import ClientEffect, Fault, make_filter, protocol, requests

from .witness import Subs, Witness, key_of

WINDOW = 3  # unanswered requests at the most, so that some wait in spite of a connection
BREACHES = 3
places = st.integers(0, 9)


HELD = ("/a/items/c", "/a/items/d")
VIEW = "odd"
PART = make_filter({"n": 1}, view=VIEW)
whole = st.integers(0, 5)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 3)
    | st.sampled_from([2**53, 2**63, 2**64, -(2**63) - 1, 10**400, 0.5, 1e300])
    | st.sampled_from(["", "p", "q", "e", "f", "\ud800", "subs1", "REPLY", *HELD]),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "code", "message", "data"]), children, max_size=2)
    ),
    max_leaves=5,
)
items = st.fixed_dictionaries({"id": st.sampled_from("pqr")}, optional={"n": st.integers(0, 2)})
held_paths = st.sampled_from([HELD[0], HELD[0], HELD[1], "/a/items/not-held"])
tunnels = (
    st.integers(1, 6)
    | st.integers(1, 8).map("subs{}".format)
    | st.sampled_from(["unsubscribe", None])
)
views = st.sampled_from([VIEW, VIEW, "another"])
errors = st.fixed_dictionaries(
    {}, optional={"code": st.sampled_from(["conflict", "new"]), "message": st.text(max_size=2)}
)


@st.composite
def notifications(draw: st.DrawFn) -> dict[str, Any]:
    inserted = draw(st.lists(items, max_size=3))
    data = {
        "remove": draw(st.lists(st.sampled_from("pqr"), max_size=2)),
        "insert": inserted,
        "reset": draw(st.booleans()),
    }
    message: dict[str, Any] = {
        "type": "MESSAGE",
        "cmd": "NOTIFY",
        "path": draw(held_paths),
        "data": data,
    }
    if draw(places):  # else level 1
        message |= {
            "epoch": draw(st.sampled_from("eef")),
            "base": draw(whole),
            "version": draw(whole),
        }
    if draw(places) > 6:
        message["more"] = True
    if draw(st.booleans()):
        message["view"] = draw(views)
    if draw(st.booleans()):
        message["at"] = [[draw(whole), draw(whole)] for _ in inserted]
    if draw(places) > 6:
        message["scope"] = draw(st.sampled_from("st"))
    return message


@st.composite
def replies(draw: st.DrawFn) -> dict[str, Any]:
    tunnel, ok = draw(tunnels), draw(st.sampled_from([True, True, False]))
    paths = draw(st.lists(held_paths, unique=True, max_size=2))
    subs: list[dict[str, str]] = [draw(st.sampled_from([{}, {}, {"view": VIEW}])) for _ in paths]
    data = draw(st.just([list(each) for each in zip(paths, subs, strict=True)]) | json_values)
    message: dict[str, Any] = {
        "type": "REPLY",
        "cmd": "PUT",
        "tunnel": tunnel,
        "ok": ok,
        "data": data,
    }
    if draw(st.booleans()):
        listed = [
            [path, draw(errors), *sub.values()] for path, sub in zip(paths, subs, strict=True)
        ]
        message |= {"error": draw(errors), "errors": listed}
    if draw(places) > 6:
        message |= {"at": [[draw(whole), draw(whole)] for _ in paths], "more": True}
    if draw(st.booleans()):
        message |= {"epoch": "e", "version": draw(whole)}
    return message


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """Return a message in which one member, at any depth, is missing or is something else."""
    message: dict[str, Any] = draw(notifications() | replies())
    inside: Any = message
    while True:
        keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        key = draw(st.sampled_from(keys))
        if isinstance(inside[key], dict | list) and inside[key] and draw(st.booleans()):
            inside = inside[key]
            continue
        if draw(st.booleans()):
            del inside[key]
        else:
            inside[key] = draw(json_values)
        return message


@st.composite
def garbled(draw: st.DrawFn) -> str:
    """Return a message's text with a piece of it replaced by anything."""
    text = json.dumps(draw(notifications() | replies()))
    start = draw(st.integers(0, len(text)))
    end = start + draw(st.sampled_from([0, 1, 2, 7, 200]))
    return (
        text[:start]
        + draw(st.text(max_size=3) | st.sampled_from(["\ud800", "[" * 3000]))
        + text[end:]
    )


messages = (notifications() | notifications() | replies() | mutated()).map(json.dumps) | garbled()
PARTLY = ["acquire part", "release part", "get part"]
deeds = st.sampled_from(
    ["agree"] * 4 + ["acquire", "release", "put", "get", "link", "tick", *PARTLY]
)


@given(
    st.lists(st.tuples(st.just("message"), messages) | st.tuples(deeds, held_paths), min_size=15)
)
def test_a_hostile_server_cannot_break_a_client(steps: list[tuple[str, str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests, "WINDOW", WINDOW)
        patch.setattr(protocol, "MAX_BREACHES", BREACHES)
        _face(steps)


@pytest.mark.parametrize("reset", [True, False])
def test_a_server_that_numbers_nothing_any_more(reset: bool) -> None:
    """It did before. The list of all subscriptions, sent once more, names the first as it was asked for."""
    told: dict[str, object] = {"type": "MESSAGE", "cmd": "NOTIFY", "path": HELD[0]}
    numbered = told | {"data": {"remove": [], "insert": [], "reset": True}, "epoch": "e"}
    later = told | {"data": {"remove": [], "insert": [], "reset": False}, "epoch": "e"}
    plain = told | {"data": {"remove": [], "insert": [], "reset": reset}}
    _face(
        [
            ("message", json.dumps(numbered | {"base": 0, "version": 0})),
            ("link", HELD[0]),
            ("link", HELD[0]),
            ("message", json.dumps(later | {"base": 0, "version": 1})),
            ("message", json.dumps(plain)),
            ("acquire", HELD[1]),
        ]
    )


def _face(steps: list[tuple[str, str]]) -> None:
    witness = Witness(max_queue=2)
    witness.acquire(HELD[0])
    witness.acquire(HELD[0], PART)
    witness.opened()
    for deed, what in steps:
        if deed in {"message", "agree"} and witness.connected:
            effects = witness.receive(what if deed == "message" else _agreement(witness))
            _hang_up(witness, effects)
        elif deed == "tick":
            _hang_up(witness, witness.protocol.tick(2))
        else:
            _use(witness, deed, what)
    if witness.connected:
        witness.lost()
    for name in list(witness.shadows):
        witness.release(*key_of(name))


def _use(witness: Witness, deed: str, what: str) -> None:
    """Do what an application does, or a network."""
    match deed:
        case "link":
            witness.lost() if witness.connected else witness.opened()
        case "acquire":
            witness.acquire(what)
        case "release" if what in witness.shadows:
            witness.release(what)
        case "acquire part":
            witness.acquire(what, PART)
        case "release part" if (what, VIEW) in witness.shadows:
            witness.release(what, VIEW)
        case "get part":
            witness.get(what, {"last": 2})
        case "put":
            witness.update(what, Update(("p",)))
        case "get":
            witness.get(what)
        case _:
            pass  # there is nothing to receive, or to release


def _hang_up(witness: Witness, effects: list[ClientEffect]) -> None:
    """Do what a fatal fault demands."""
    if witness.connected and any(isinstance(each, Fault) and each.fatal for each in effects):
        witness.lost()


def _agreement(witness: Witness) -> str:
    """Return the reply that the last change of subscriptions hopes for."""
    tunnel, insert, _ = witness.subs[-1] if witness.subs else Subs("subs0", {}, [])
    keys = [key_of(name) for name in insert]
    data = [[path, {} if view is None else {"view": view}] for path, view in keys]
    return json.dumps({"type": "REPLY", "cmd": "PUT", "tunnel": tunnel, "ok": True, "data": data})
