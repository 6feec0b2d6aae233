"""Dispatch of messages: decoding them, and refusing what they ask for or passing it on.

The rules:

1. Every message of a peer is answered, with an error if the peer made a mistake.
2. Requests of one connection on one collection take effect in order of arrival, even if some of them are deferred
   until the reader reads on.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Generic, Literal

from msgspec import UNSET, Raw
from msgspec.structs import replace

from sharedstate_core.collection.author import abandon
from sharedstate_core.collection.numbers import Numbered
from sharedstate_core.collection.reader import Deferred
from sharedstate_core.collection.waiting_requests import Get, Put, QueuedRequest, put_size
from sharedstate_core.decisions.delivery import DELIVERY
from sharedstate_core.effects import C, Effect, Effects
from sharedstate_core.errors import RequestError
from sharedstate_core.filters.wanted import EVERYTHING, Wanted
from sharedstate_core.identity import public_id
from sharedstate_core.names import Paging
from sharedstate_core.paths import CollectionPath, split_path
from sharedstate_core.peer.request import Request
from sharedstate_core.storage import Operation
from sharedstate_core.wire.decode import (
    RequestMessage,
    decode_paging,
    decode_request,
    decode_write,
)
from sharedstate_core.wire.decode_session import decode_kick, decode_session
from sharedstate_core.wire.decode_subscriptions import (
    decode_read,
    decode_subscriptions,
)
from sharedstate_core.wire.encode import encode_subs_reply
from sharedstate_core.wire.faults import BadMessageError

from .listing import Asked, Question
from .subscription_change import SubscriptionChange

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sharedstate_core.clock import WallClock
    from sharedstate_core.collection.author import Author
    from sharedstate_core.collection.reader import Reader
    from sharedstate_core.peer.session import Session
    from sharedstate_core.peer.subscribing import Decision
    from sharedstate_core.wire.decode_subscriptions import SubscriptionChanges

    from .identities import Identities
    from .listings import Listings
    from .registry import Registry
    from .rights import Rights
    from .update_rate import UpdateRate


RESERVED: Final = {"subs", "session"}
"""Names that no app can have, since something else is read there."""


class Dispatcher(Generic[C]):
    """Dispatches messages to the collections of a server process.

    Args:
        registry: holds the collections and the limits.
        listings: answers with lists of names.
        clock: returns the time for `GET /clock`.
        identities: knows whose the connections are.
        rights: what they may do.
        update_rate: how often they may update.
    """

    def __init__(
        self,
        registry: Registry[C],
        listings: Listings[C],
        clock: WallClock,
        identities: Identities[C],
        rights: Rights[C],
        update_rate: UpdateRate[C],
    ) -> None:
        self._registry = registry
        self._listings = listings
        self._limits = registry.live_limits
        self._clock = clock
        self._identities = identities
        self.rights = rights
        self.update_rate = update_rate

    def receive(self, session: Session[C], text: str, out: Effects[C]) -> None:
        """Handle one message: answer it now, or set under way what it asks for."""
        size = len(text)
        try:
            message = decode_request(text, self._limits.current)
        except BadMessageError as error:
            session.asked(size, out)
            Request(session, error.cmd, error.tunnel, size).fail(error, out)
            return
        session.asked(size, out)
        tunnel = message.tunnel.copy()  # a view would keep the whole text alive
        request = Request(session, message.cmd, tunnel, size)
        try:
            session.check_admission()
            segments = split_path(message.path)
            match message.cmd, segments:
                case "PUT", CollectionPath() as path:
                    self._put(path, message.arg, request, out)
                case _, ("subs" | "session",):
                    self._receive_own(message, request, out)
                case "PUT", ("kick",):
                    self._kick(message.arg, request, out)
                case "GET", _:
                    self.get(request, message.path, message.arg, out)
                case "PUT", _:
                    problem = f"path {message.path[:200]!r}: nothing to PUT here"
                    raise RequestError("bad_path", problem)
        except RequestError as error:
            request.fail(error, out)

    def _receive_own(self, message: RequestMessage, request: Request[C], out: Effects[C]) -> None:
        """Handle a request for what a connection has of its own: its subscriptions, its session."""
        session = request.reader
        match message.cmd, split_path(message.path):
            case "PUT", ("subs",):
                self._put_subs(request, message.arg, out)
            case "GET", ("subs",):
                self.rights.admit(session)
                subs = session.subscriptions.items()
                request.succeed([(name.path, Raw(known.sub)) for name, known in subs], out)
            case "PUT", _:
                self._put_session(request, message.arg, out)
            case _:
                request.succeed(self._identities.describe(session), out)

    def _kick(self, arg: Raw, request: Request[C], out: Effects[C]) -> None:
        """Send a user away, and answer how many connections there are of it."""
        self.rights.check_administration(request.reader)
        user = decode_kick(arg, self._limits.current)
        request.succeed(self._identities.users.kick(user), out)

    def _put(self, path: CollectionPath, arg: Raw, request: Request[C], out: Effects[C]) -> None:
        registry, session = self._registry, request.reader
        permit = refusal = is_full = None
        try:
            if self._limits.updates_burst:
                self.update_rate.take(session, out.now)
            if self.rights.are_limited:
                permit = self.rights.permit(session, path)
        except RequestError as error:
            refusal = error
        try:
            registry.admit(path)
        except RequestError as error:
            is_full = error
        problem = refusal or is_full
        if problem is not None and (session.id is None or path.service not in registry.resendable):
            raise problem
        write, places, number, again = decode_write(arg, self._limits.current)
        if write.update.patch:
            registry.check_patches(path.service, is_clock_set=out.time is not None)
        size = put_size(write, len(arg) + len(request.tunnel))
        put = Put(request, write, size, permit, places)
        if number is not None:
            registry.check_number(path.service, session.id, is_clock_set=out.time is not None)
            if session.id is not None and not write.update.is_noop:
                put.write = replace(write, op=Operation(session.id, number))
                put.numbered = Numbered(path, registry.refusals, again)
        if problem is not None and (problem is is_full or is_full or not put.refuse(problem)):
            put.fail(problem, out)
        else:
            self.take_in(path, put, out)

    def get(
        self,
        author: Author[C],
        path: str,
        arg: Raw | Paging | None,
        out: Effects[C],
        wanted: Wanted | None = None,
    ) -> None:
        """Answer a read of any path but those of a connection itself; `arg` says which part of it.

        Raises:
            RequestError: there is nothing to read at this path.
        """
        segments = split_path(path)
        if self.rights.are_limited and segments != ("clock",):
            self.rights.guard(author, segments)
        match segments:
            case CollectionPath() as collection:
                if isinstance(arg, Raw):
                    wanted = decode_read(arg, self._limits.current)
                self.read(author, collection, wanted or EVERYTHING, out)
            case ():
                author.succeed(self._registry.services, out)
            case ("clock",):
                self._read(author, partial(self._tell_time, author), out)
            case (app, *services) if len(services) < 2 and app not in RESERVED:
                paging = decode_paging(arg, self._limits.current) if isinstance(arg, Raw) else arg
                question = self._question(app, services, paging)
                self._registry.pending.admit_read()
                asked = Asked(author, in_pages=paging is not None)
                self._read(author, partial(self._listings.ask, question, asked), out)
            case _:
                raise RequestError("bad_path", f"path {path[:200]!r}: nothing to GET here")

    def read(
        self, author: Author[C], path: CollectionPath, wanted: Wanted, out: Effects[C]
    ) -> None:
        """Answer a read of a collection.

        Raises:
            RequestError: it cannot be used now.
        """
        self._registry.admit_read(path)
        self.take_in(path, Get(author, self.rights.shown(author.reader, path, wanted)), out)

    def take_in(
        self, path: CollectionPath, request: QueuedRequest[C], out: list[Effect[C]]
    ) -> None:
        """Queue an update or a read, now or, in order of arrival, once its reader can take the answer."""
        author, reader = request.author, request.author.reader
        what: Literal["read", "update"] = "read" if isinstance(request, Get) else "update"
        if reader is not None and _is_later(what, reader):
            resume = partial(self._registry.request, path, request)
            reader.defer(Deferred(resume, partial(abandon, author), request.size), out)
        else:
            self._registry.take_in(path, request)

    def _read(
        self, author: Author[C], answer: Callable[[Effects[C]], None], out: Effects[C]
    ) -> None:
        """Call `answer` now or, in order of arrival, once the reader can take what it answers."""
        reader = author.reader
        if reader is not None and _is_later("read", reader):
            reader.defer(Deferred(answer, partial(abandon, author), author.size), out)
        else:
            answer(out)

    def _tell_time(self, author: Author[C], out: Effects[C]) -> None:
        time = self._clock.at(out.now)
        if time is None:
            author.fail(RequestError("unavailable", "this server's clock is not set"), out)
        else:
            author.succeed(time, out)

    def _question(self, app: str, services: Sequence[str], paging: Paging | None) -> Question:
        """Return what is asked by a path: the names of an app's collections in one service, or the services with any.

        Without a service, an app called `apps` stands for the list of apps.
        """
        for service in services:
            self._registry.check_service(service)
        after, limit = paging or Paging()
        most = self._limits.current.names
        limit = most if limit is None else min(limit, most)
        if services:
            return Question("collections", tuple(services), app, after, limit)
        if app == "apps":
            return Question("apps", self._registry.services, "", after, limit)
        return Question("services", self._registry.services, app, "", 0)

    def _put_session(self, request: Request[C], arg: Raw, out: Effects[C]) -> None:
        """Note the session, and find out whose connection it is."""
        session = request.reader
        key, token = decode_session(arg, self._limits.current)
        if key is not None:
            session.id = public_id(key)
        if token is UNSET or self._identities.access is None:
            request.succeed(self._identities.describe(session), out)
        elif token is None:
            self._identities.sign_out(request, out)
        else:
            self._identities.look_into(session, request, token, out)

    def _put_subs(self, request: Request[C], arg: Raw, out: Effects[C]) -> None:
        """Edit or replace the subscriptions; the reply precedes their notifications."""
        self.rights.admit(request.reader)
        changes = decode_subscriptions(arg, self._limits.current)

        def reply(decision: Decision[C], out: Effects[C]) -> None:
            before = request.reader.subscriptions
            subs = decision.listed_subs() if changes.brief else decision.all_subs(before)
            message = encode_subs_reply(request.tunnel, subs.items(), decision.refused.items())
            request.answer(message, out)

        self.change_subscriptions(request, request.reader, changes, reply, out)

    def change_subscriptions(
        self,
        author: Author[C],
        session: Session[C],
        changes: SubscriptionChanges,
        reply: Callable[[Decision[C], Effects[C]], None],
        out: Effects[C],
    ) -> None:
        """Edit or replace the subscriptions of a connection, by turns if they are many.

        Args:
            author: who asks for it.
            session: the connection.
            changes: what is asked for.
            reply: called once all is decided, before the notifications of what begins.
            out: receives the effects.
        """
        change = SubscriptionChange(
            author, session, changes, reply, self._registry, self.rights, self._limits
        )
        change.begin(out)


def _is_later(what: Literal["read", "update"], reader: Reader[C]) -> bool:
    """Return whether a request must wait until its reader can take the answer, to keep the order of arrival."""
    return DELIVERY.decide[reader.state, what, reader.has_deferred] == "later"
