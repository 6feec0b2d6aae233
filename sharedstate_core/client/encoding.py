"""The client's requests, as they are sent (PROTOCOL.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sharedstate_core.patches.patch import Patch
    from sharedstate_core.storage import Condition
    from sharedstate_core.updates import Update

    from .subscription import Subscription
    from .views import Filter, Key

_encode = msgspec.json.Encoder().encode


class _Request(Struct, tag_field="type", tag="REQUEST"):
    cmd: Literal["GET", "PUT"]
    path: str
    arg: Raw
    tunnel: int | str


class _If(Struct, omit_defaults=True):
    epoch: str
    version: int
    ids: Sequence[str] | UnsetType = UNSET


class _Patch(Struct, omit_defaults=True):
    id: str
    set: dict[str, Raw] = {}
    unset: Sequence[str] = ()
    inc: dict[str, Raw] = {}
    now: Sequence[str] = ()
    add: dict[str, Raw] = {}
    pull: dict[str, Raw] = {}
    upsert: bool = False


class _Update(Struct, omit_defaults=True):
    remove: Sequence[str] = ()
    insert: Sequence[Raw] = ()
    reset: bool = False
    condition: _If | UnsetType = msgspec.field(name="if", default=UNSET)
    patch: Sequence[_Patch] = ()


def encode_request(cmd: Literal["GET", "PUT"], path: str, arg: bytes, tunnel: int | str) -> bytes:
    """Return one request; `arg` is JSON text."""
    return _encode(_Request(cmd, path, Raw(arg), tunnel))


def encode_session(key: str | None, token: str | UnsetType | None) -> bytes:
    """Return the argument of `PUT /session`."""
    arg = {"key": key}
    return _encode(arg if isinstance(token, UnsetType) else arg | {"token": token})


def encode_update(update: Update, condition: Condition | None) -> bytes:
    """Return the argument of a `PUT` to a collection."""
    wanted: _If | UnsetType = UNSET
    if condition is not None:
        ids = UNSET if condition.ids is None else condition.ids
        wanted = _If(*condition.cursor, ids)
    insert = tuple(Raw(text) for text in update.insert.values())
    patch = tuple(map(_patch, update.patch))
    return _encode(_Update(update.remove, insert, update.reset, wanted, patch))


def _patch(patch: Patch) -> _Patch:
    return _Patch(
        patch.id,
        _raws(patch.set),
        patch.unset,
        _raws(patch.inc),
        patch.now,
        _raws(patch.add),
        _raws(patch.pull),
        patch.upsert,
    )


def _raws(members: Mapping[str, bytes]) -> dict[str, Raw]:
    return {member: Raw(text) for member, text in members.items()}


def encode_subscribe(subscriptions: Iterable[Subscription], *, whole: bool) -> bytes:
    """Return the argument of a `PUT /subs` that adds these subscriptions, resuming where they say so.

    A server that knows `brief` answers with these alone.

    Args:
        subscriptions: those that are asked for.
        whole: whether they replace all that there are.
    """
    insert = [(each.key.path, _sub(each)) for each in subscriptions]
    return _encode(
        {"insert": insert, "reset": True} if whole else {"insert": insert, "brief": True}
    )


def _sub(subscription: Subscription) -> dict[str, object]:
    sub: dict[str, object] = {"parts": True}  # so that a large snapshot does not hold up the rest
    if subscription.since is not None:
        since: dict[str, object] = subscription.since._asdict()
        if subscription.scope is not None:
            since["scope"] = subscription.scope
        sub["since"] = since
    return sub | _members(subscription.filter)


def _members(asked: Filter) -> dict[str, object]:
    """Return those members of a filter that it has."""
    found = asked._asdict() | {"where": None if asked.where is None else Raw(asked.where)}
    return {name: value for name, value in found.items() if value is not None}


def encode_unsubscribe(keys: Iterable[Key]) -> bytes:
    """Return the argument of a `PUT /subs` that drops these subscriptions."""
    remove = [path if view is None else (path, view) for path, view in keys]
    return _encode({"remove": remove, "brief": True})


def encode_read(asked: Filter, before: Sequence[int] | None = None) -> bytes:
    """Return the argument of a `GET` of a collection.

    Args:
        asked: what of it is to be read.
        before: the place before which; None for the end.
    """
    arg = _members(asked)
    return _encode(arg if before is None else arg | {"before": before})
