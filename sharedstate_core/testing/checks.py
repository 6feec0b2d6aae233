"""Checks of the protocol's five guarantees on a World; each raises `ContractError`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sharedstate_core.paths import CollectionPath, parse_collection_path

from .contract import ContractError, check
from .filters import is_filtered, shows
from .records import path_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sharedstate_core.storage import Cursor
    from sharedstate_core.updates import Update

    from .client import Client
    from .records import Asked
    from .world import World


class _Item(msgspec.Struct):
    id: str


def check_copies(world: World) -> None:
    """Check that each copy equals, item for item and in order, the state of the store that it names.

    So nobody sees half an update, anything uncommitted, or a history that differs from the store's.
    """
    for number, client in enumerate(world.clients):
        for name, copy in client.copies.items():
            if copy.cursor is None:
                continue
            stored = _stored(world, path_of(name), copy.cursor, f"client {number}")
            check(
                shows(copy.state, stored, copy.sub),
                f"client {number} shows {copy.state} as {name} {copy.sub} at {copy.cursor}; the store had {stored}",
            )


def check_requests(world: World) -> None:
    """Check every answered request against the store's history, and the order in which they took effect.

    All updates must differ from one another; otherwise a version could not be attributed to an update.
    """
    for number, client in enumerate(world.clients):
        reached: dict[tuple[int, CollectionPath, str], int] = {}
        for asked in client.asked:
            if asked.ok and asked.cursor is not None:
                _check_success(world, asked, f"client {number}")
                path = parse_collection_path(asked.path)
                key = (asked.connection, path, asked.cursor.epoch)
                check(
                    reached.get(key, 0) <= asked.cursor.version,
                    f"client {number}: {asked} took effect before an earlier request",
                )
                reached[key] = asked.cursor.version
            elif asked.update is not None and asked.reply is not None:
                _check_failure(world, asked, f"client {number}")
    for asked in world.late:
        check(asked.reply is None, f"{asked} came after the stop, and is answered")
        check(not _is_stored(world, asked), f"{asked} came after the stop, and is stored")


def check_answers(world: World) -> None:
    """Check the answers to requests without a message against the store's history; no two updates may be equal."""
    for answer in world.callers.answers:
        called = world.callers.asked[answer.author]
        who = f"author {answer.author!r}"
        if called.update is None or called.update.is_noop:
            continue
        if answer.error is None:
            cursor = answer.cursor
            assert cursor is not None  # noqa: S101  (for the type checker)
            history = world.store.history(parse_collection_path(called.path), cursor.epoch)
            check(
                0 < cursor.version < len(history)
                and history[cursor.version].update == called.update,
                f"{who} was told {answer}, but the store does not hold it",
            )
        elif not answer.outcome_unknown:
            is_stored = _holds(world, called.path, called.update)
            check(not is_stored, f"{who} was told {answer}, but the store holds it")


def check_rest(world: World) -> None:
    """Check that all subscribers show what the store holds; call it after `settle`."""
    for number, client in enumerate(world.clients):
        check(not client.waiting, f"client {number} waits for {client.waiting}")
        _check_client_at_rest(world, client, f"client {number}")


def _check_client_at_rest(world: World, client: Client, who: str) -> None:
    for path in client.wanted:
        check(path in client.subscribed, f"{who} wants {path}, but it is not subscribed")
    for name, subscribed in client.subscribed.items():
        copy, head = client.copies[name], world.store.head(parse_collection_path(path_of(name)))
        if not is_filtered(subscribed.sub):  # which stays where it is while nothing touches it
            check(copy.cursor == head, f"{who} is at {copy.cursor} of {name}, the store at {head}")
        due, held = subscribed.due, copy.cursor
        if due is not None and held is not None and due.epoch == held.epoch:
            check(
                held.version >= due.version, f"{who} has a conflict at {due}, {name} is at {held}"
            )
        stored = _stored(world, path_of(name), head, who)
        is_current = shows(copy.state, stored, subscribed.sub)
        check(is_current, f"{who} shows {copy.state} as {name}; the store has {stored}")


def _check_success(world: World, asked: Asked, who: str) -> None:
    cursor = asked.cursor
    assert cursor is not None  # noqa: S101  (for the type checker)
    if asked.items is not None:
        stored = _stored(world, asked.path, cursor, who)
        items = {msgspec.json.decode(text, type=_Item).id: text for text in asked.items}
        check(len(items) == len(asked.items), f"{who} read an item twice: {asked.items}")
        if not (isinstance(asked.arg, dict) and "before" in asked.arg):
            is_shown = shows(items, stored, asked.arg)
            check(is_shown, f"{who} read {asked.items} at {cursor}, not {stored}")
    if asked.update is not None and not asked.update.is_noop:
        history = world.store.history(parse_collection_path(asked.path), cursor.epoch)
        check(
            0 < cursor.version < len(history) and history[cursor.version].update == asked.update,
            f"{who}: {asked} is acknowledged, but the store does not hold it",
        )


def _check_failure(world: World, asked: Asked, who: str) -> None:
    assert asked.reply is not None  # noqa: S101  (for the type checker)
    if asked.reply["error"].get("outcome") != "unknown":
        stored = _is_stored(world, asked)
        check(not stored, f"{who}: {asked} is answered as failed, but the store holds it")


def _is_stored(world: World, asked: Asked) -> bool:
    """Return whether an update is in the history of its collection."""
    if asked.update is None or asked.update.is_noop:
        return False
    return _holds(world, asked.path, asked.update)


def _holds(world: World, spelling: str, update: Update) -> bool:
    wanted = parse_collection_path(spelling)
    return any(
        version.update == update
        for (path, _), history in world.store.histories()
        if path == wanted
        for version in history
    )


def _stored(world: World, path: str, cursor: Cursor, who: str) -> Mapping[str, bytes]:
    state = world.store.state_at(parse_collection_path(path), cursor)
    if state is None:
        raise ContractError(f"{who} was shown {cursor} of {path}, which never was")
    return state
