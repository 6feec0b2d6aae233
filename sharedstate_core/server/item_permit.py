"""What the rules let a session do with the items of a collection, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_core.errors import RequestError
from sharedstate_core.rules.entry import Denied
from sharedstate_core.wire.item_text import decode_item, decode_readable, joined_members

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sharedstate_core.clock import WallClock
    from sharedstate_core.identity import Identity
    from sharedstate_core.rules.grant import Grant


class ItemPermit:
    """A `Permit` by rules.

    Args:
        grant: the rules, for this session and collection.
        identity: the user.
        clock: what time it is.
        explains: whether the user is told which rule has denied something.
    """

    def __init__(
        self, grant: Grant, identity: Identity, clock: WallClock, *, explains: bool
    ) -> None:
        self._grant = grant
        self._identity = identity
        self._clock = clock
        self._explains = explains
        self.looks = grant.depends_on_items
        always = grant.always("insert") and grant.always("update")
        self.looks_at_new = grant.has_stamps or not always
        self._looks_at_removed = grant.removal_depends_on_item

    def insert(self, id: str, new: bytes, now: float) -> bytes:
        """Return the text of an item that is to be inserted, as it is to be stored."""
        time = self._time(now)
        text, item = self._stamped(id, new, None, time)
        self._check("insert", id, self._grant.check_insert(item, time))
        return text

    def update(self, id: str, old: bytes, new: bytes, now: float) -> bytes:
        """Return the text of an item that is to be replaced, as it is to be stored."""
        time, stored = self._time(now), decode_item(old)
        text, item = self._stamped(id, new, old, time)
        self._check("update", id, self._grant.check_update(stored, item, time))
        return text

    def remove(self, id: str, old: bytes | None, now: float) -> None:
        """Check that an item may be removed; one that is not there may be, unless nobody may remove anything."""
        if old is not None or not self._looks_at_removed:
            item = {} if old is None else decode_item(old)
            self._check("remove", id, self._grant.check_remove(item, self._time(now)))

    def _stamped(
        self, id: str, new: bytes, old: bytes | None, time: float
    ) -> tuple[bytes, Mapping[str, object]]:
        """Return an item with what the server sets, as text and as values; what it does not set keeps its text."""
        item = decode_readable(new)
        if item is None:
            if old is None or decode_readable(old) is not None:  # it has come with this update
                problem = f"item {id!r}: a number is beyond what rules can read"
                raise RequestError("bad_update", problem)
            item = decode_item(new)
        if not self._grant.has_stamps:
            return new, item
        stored = None if old is None else decode_item(old)
        stamped = self._grant.stamped(item, stored, time)
        if isinstance(stamped, Denied):
            self._check("insert" if stored is None else "update", id, stamped)
        assert not isinstance(stamped, Denied)  # noqa: S101  (that has been checked)
        made = {name: stamped[name] for name in self._grant.stamps(is_insert=old is None)}
        theirs = stamped.keys() - self._grant.of_server
        parts = [(new, theirs)]
        if old is not None:
            parts.append((old, stamped.keys() - theirs - made.keys()))
        return joined_members(parts, made), stamped

    def _check(self, what: str, id: str, denied: Denied | None) -> None:
        if denied is None:
            return
        text = f"you may not {what} {repr(id) if id else 'everything'}"
        if not self._explains:
            raise self._identity.denial(text)
        raise self._identity.denial(f"{text}: {denied}", denied.rule)

    def _time(self, now: float) -> float:
        time = self._clock.at(now)
        if time is None:
            raise RequestError("unavailable", "this server's clock is not set")
        return time
