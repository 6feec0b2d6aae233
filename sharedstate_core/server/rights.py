"""What the user of a connection may do, and what is taken back when it may no longer.

The rules:

1. A request is refused before anything is done for it, and content once more when it is about to be sent: meanwhile the
   user may have changed.
2. A subscription that its reader may no longer see ends: a notification empties what it has shown, and a message says
   why.
3. Where there are rules, what none of them allows is denied.
4. An update is decided by the user and the rules that there were when it was taken.
"""

from __future__ import annotations

import base64
import hashlib
from collections import OrderedDict
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final, Generic, TypeAlias

import msgspec

from sharedstate_core.collection.waiting_requests import nothing_else
from sharedstate_core.effects import C, Effects
from sharedstate_core.errors import RequestError
from sharedstate_core.expressions.printer import key_of
from sharedstate_core.expressions.specialiser import can_hold
from sharedstate_core.expressions.tree import Literal, size_and_depth
from sharedstate_core.filters.wanted import ALL, EVERYTHING, Wanted
from sharedstate_core.paths import CollectionPath
from sharedstate_core.views.definition import Definition, definition_of
from sharedstate_core.wire.decode_subscriptions import SubscriptionName
from sharedstate_core.wire.encode_session import encode_emptying, encode_end

from .item_permit import ItemPermit

if TYPE_CHECKING:
    from collections.abc import Callable

    from sharedstate_core.clock import WallClock
    from sharedstate_core.collection.author import Author
    from sharedstate_core.collection.permit import Permit
    from sharedstate_core.collection.reader import Reader
    from sharedstate_core.collection.subscription import Subscription
    from sharedstate_core.identity import Identity
    from sharedstate_core.peer.session import Session
    from sharedstate_core.rules.rules import Match, User

    from .access import Access, LiveAccess
    from .registry import Registry

KEPT: Final = 10_000
"""Users and collections for which is kept what the rules say of them."""

KEPT_NODES: Final = 1_000_000
"""Nodes of all expressions that are kept for them: each takes some 150 bytes."""

EFFORT_BYTES: Final = 2_000
"""Bytes of a user's claims that a rule looks through, at the most, in the time of a subscription without rules."""

NOTHING: Final = Literal(False)
"""The expression that is true of no item."""

Segments: TypeAlias = "tuple[str, ...]"
"""What is read: a collection, or the app and service whose names are listed."""


class _Known:
    """What the rules say of a user and a collection, as far as somebody has asked."""

    def __init__(
        self, match: Match | None, user: User, permit: Callable[[Match], Permit | None]
    ) -> None:
        self.readable = NOTHING if match is None else match.readable(user)
        self.may_read = can_hold(self.readable)
        self.nodes = size_and_depth(self.readable)[0]
        self._match = match
        self._permit = permit

    @cached_property
    def scope(self) -> str:
        """Names what may be read; empty if the rule does not look at items."""
        if self._match is None or not self._match.reads_items:
            return ""
        digest = hashlib.sha256(key_of(self.readable).encode()).digest()
        return base64.urlsafe_b64encode(digest[:9]).decode()

    @cached_property
    def whole(self) -> Definition | None:
        """What is shown to somebody who asks for everything; None for the whole collection."""
        return definition_of(EVERYTHING, self.readable)

    @cached_property
    def permit(self) -> Permit | None:
        """What the user may change; None for nothing."""
        return None if self._match is None else self._permit(self._match)


def _definition(known: _Known | None, wanted: Wanted) -> Definition | None:
    """Return what is shown; None for the whole collection."""
    if known is None:
        return definition_of(wanted, ALL)
    return known.whole if wanted is EVERYTHING else definition_of(wanted, known.readable)


class _Shown:
    """Says what is shown to somebody; it is made anew only when what the rules say has changed."""

    __slots__ = ("_definition", "_find", "_known", "_wanted")

    def __init__(self, find: Callable[[], _Known | None], wanted: Wanted) -> None:
        self._find = find
        self._wanted = wanted
        self._known = find()
        self._definition = _definition(self._known, wanted)

    def __call__(self) -> Definition | None:
        known = self._find()
        if known is not self._known:
            self._known, self._definition = known, _definition(known, self._wanted)
        return self._definition


_Key: TypeAlias = "tuple[Identity, str | None, CollectionPath]"


class Rights(Generic[C]):
    """The rights of all users.

    Args:
        live: what is demanded.
        registry: holds the collections.
        clock: what time it is.

    Attributes:
        are_limited: whether anybody may do less than everything.
    """

    def __init__(self, live: LiveAccess, registry: Registry[C], clock: WallClock) -> None:
        self._registry = registry
        self._clock = clock
        self._live = live
        self._put_in_force(live.current)

    def _put_in_force(self, access: Access | None) -> None:
        self._live.current = access
        self.are_limited = access is not None and access.limits_anybody
        self._rules = None if access is None else access.rules
        self._known: OrderedDict[_Key, _Known] = OrderedDict()
        self._nodes = 0

    def change(self, access: Access | None) -> None:
        """Put something else in force: from now on no connection is shown anything before it has been examined."""
        self._registry.leftovers.add(self._known)
        self._put_in_force(access)
        self._registry.rules_version.number += 1

    def admit(self, session: Reader[C] | None) -> None:
        """Refuse a request of a connection that has to sign in first.

        Raises:
            RequestError: `unauthenticated`.
        """
        access = self._live.current
        if session is None or access is None or not access.required:
            return
        if session.identity.user is None:
            raise session.identity.refusal()

    def check_read(self, session: Reader[C], segments: Segments) -> None:
        """Refuse to show something to a connection.

        Raises:
            RequestError: `unauthenticated` or `forbidden`.
        """
        self.admit(session)
        rules = self._rules
        if rules is None or not segments:
            return
        identity = session.identity
        if isinstance(segments, CollectionPath):
            allowed, what = self._look_up(session, segments).may_read, "read this collection"
        else:
            app, service = (*segments, None)[:2]
            app = None if segments == ("apps",) else app
            allowed, what = rules.may_list(app, service, identity.user), "list these names"
        if not allowed:
            raise identity.denial(f"you may not {what}")

    def effort(self, session: Session[C]) -> int:
        """Return how many times as long as without rules it may take to find out what a connection may see."""
        if self._rules is None:
            return 1
        return 1 + len(msgspec.json.encode(session.identity.user)) // EFFORT_BYTES

    def check_administration(self, session: Reader[C]) -> None:
        """Refuse what concerns everybody to a connection whose user is not an admin; without rules nobody is.

        Raises:
            RequestError: `unauthenticated` or `forbidden`.
        """
        self.admit(session)
        if self._rules is None:
            raise RequestError("forbidden", "there are no rules here that make anybody an admin")
        if not self._rules.may_administer(session.identity.user):
            raise session.identity.denial("only admins of all collections may do this")

    def definition(
        self, session: Reader[C] | None, path: CollectionPath, wanted: Wanted
    ) -> Definition | None:
        """Return what a connection is shown of a collection that it may read; None for the whole collection."""
        return _definition(self._known_of(session, path), wanted)

    def shown(
        self, session: Reader[C] | None, path: CollectionPath, wanted: Wanted
    ) -> Callable[[], Definition | None]:
        """Return what says, at any moment, what a connection is shown of a collection: its user may change."""
        if wanted is EVERYTHING and not self.are_limited:
            return nothing_else
        return _Shown(partial(self._known_of, session, path), wanted)

    def _known_of(self, session: Reader[C] | None, path: CollectionPath) -> _Known | None:
        return None if self._rules is None or session is None else self._look_up(session, path)

    def scope(self, session: Reader[C], path: CollectionPath) -> str:
        """Return what names that which the rules let a connection see; empty if they do not look at items."""
        return "" if self._rules is None else self._look_up(session, path).scope

    def guard(self, author: Author[C], segments: Segments) -> None:
        """Refuse a read, and have content withheld if, when there is an answer, it may no longer be seen.

        Raises:
            RequestError: `unauthenticated` or `forbidden`.
        """
        session = author.reader
        if session is not None:
            self.check_read(session, segments)
            author.refusal = partial(self._refusal, session, segments)

    def _refusal(self, session: Reader[C], segments: Segments) -> RequestError | None:
        try:
            self.check_read(session, segments)
        except RequestError as error:
            return error
        return None

    def permit(self, session: Reader[C], path: CollectionPath) -> Permit | None:
        """Return what a connection may do to a collection; None for everything.

        Raises:
            RequestError: `unauthenticated` or `forbidden`: it may do nothing.
        """
        self.admit(session)
        if self._rules is None:
            return None
        known = self._look_up(session, path)
        if known.permit is None:
            raise session.identity.denial("you may not change this collection")
        return known.permit

    def _look_up(self, session: Reader[C], path: CollectionPath) -> _Known:
        """Return what the rules say, which is kept for as long as there is room."""
        identity = session.identity
        key = identity, session.id, path
        known = self._known.get(key)
        if known is None:
            assert self._rules is not None  # noqa: S101  (the callers ask)
            permit = partial(self._permit, identity, session.id)
            known = _Known(self._rules.entry(path), identity.user, permit)
            self._known[key] = known
            self._nodes += known.nodes
            while len(self._known) > KEPT or self._nodes > max(KEPT_NODES, known.nodes):
                _, oldest = self._known.popitem(last=False)
                self._nodes -= oldest.nodes
        return known

    def _permit(self, identity: Identity, session: str | None, match: Match) -> Permit | None:
        user = identity.user
        grant = match.for_user(user, session)
        if not grant.allows_anything:
            return None
        return ItemPermit(grant, identity, self._clock, explains=match.is_admin(user))

    def take_back(
        self, session: Session[C], subscription: Subscription[C], out: Effects[C]
    ) -> bool:
        """End a subscription if its connection may not have it any more, and return whether that is so.

        If it may see something else of the collection, it is shown all of that.
        """
        collection, audience = subscription.collection, subscription.audience
        error = self._refusal(session, collection.path)
        if error is None:
            scope = self.scope(session, collection.path)
            if scope != audience.scope:
                subscription.audience = audience._replace(scope=scope)
                shown = self.definition(session, collection.path, subscription.wanted)
                self._registry.subscribed -= subscription.size
                collection.redefine(subscription, shown)
                self._registry.subscribed += subscription.size
            return False
        path, view = audience.path, audience.view
        collection.unsubscribe(subscription)
        session.subscriptions.drop(SubscriptionName(path, view))
        has_shown = subscription.cursor is not None
        emptying = [encode_emptying(path, view)] if has_shown else []
        session.take([*emptying, encode_end(path, error, view)], out)
        self._registry.lose_subscriber(subscription)
        return True
