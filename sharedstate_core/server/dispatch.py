"""What a message asks for: read, refused at once, or handed on to whom it concerns.

The rules:

1. Whatever a peer says is answered: what it did wrong, with an error.
2. Requests of one connection on one collection take effect in the order in which they came, also when some of them
   are put off until their author reads on.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Generic

from msgspec import Raw

from sharedstate_core.collection.delivery import DELIVERY
from sharedstate_core.collection.notices import Audience
from sharedstate_core.collection.operations import Get, Operation, Put, put_size
from sharedstate_core.collection.reader import Postponed
from sharedstate_core.collection.subscribers import Subscription, proceed
from sharedstate_core.effects import C, Effect, ListApps, ListCollections
from sharedstate_core.errors import RequestError
from sharedstate_core.paths import split_path
from sharedstate_core.peer.request import Request
from sharedstate_core.peer.wishes import Wanted, decide
from sharedstate_core.wire.decode import (
    RequestMessage,
    decode_request,
    decode_subscriptions,
    decode_write,
)
from sharedstate_core.wire.encode import encode_subs_reply
from sharedstate_core.wire.faults import BadMessageError

from .listing import Listing, Together, every_name, holders

if TYPE_CHECKING:
    from sharedstate_core.clock import WallClock
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.peer.session import Session

    from .registry import Registry


class Dispatcher(Generic[C]):
    """Takes in messages for the collections of a server process.

    Args:
        registry: has the collections, and the limits.
        clock: tells the time.
    """

    def __init__(self, registry: Registry[C], clock: WallClock) -> None:
        self._registry = registry
        self._clock = clock
        self._pending = registry.pending

    def receive(self, session: Session[C], text: str, now: float, out: list[Effect[C]]) -> None:
        """Take in one message: it is answered now, or what it asks for is under way."""
        limits = self._registry.limits
        try:
            message = decode_request(text, limits)
        except BadMessageError as error:
            Request(session, error.cmd, error.tunnel, len(text), out).fail(error, out)
            return
        tunnel = message.tunnel.copy()  # a view of the text, which would be kept as long
        request = Request(session, message.cmd, tunnel, len(text), out)
        try:
            if session.is_overrun:
                raise RequestError(
                    "too_many", f"more than {limits.unanswered} requests wait for an answer"
                )
            self._dispatch(request, message, now, out)
        except RequestError as error:
            request.fail(error, out)

    def _dispatch(
        self, request: Request[C], message: RequestMessage, now: float, out: list[Effect[C]]
    ) -> None:
        match message.cmd, split_path(message.path):
            case "PUT", (_, _, _):
                path = self._registry.parse(message.path)
                self._pending.admit()
                write = decode_write(message.arg, self._registry.limits)
                size = put_size(write, len(message.arg) + len(request.tunnel))
                self._take_in(request.reader, path, Put(request, write, size), out)
            case "GET", (_, _, _):
                self._take_in(request.reader, self._registry.parse(message.path), Get(request), out)
            case "GET", ():
                request.succeed(self._registry.services, out)
            case "GET", ("clock",):
                session = request.reader
                tell = partial(self._tell_time, request)
                if DELIVERY.decide[session.state, "read", session.has_postponed] == "later":
                    session.postpone(Postponed(tell, request.size), out)
                else:
                    tell(now, out)
            case "GET", ("subs",):
                subs = request.reader.subscriptions.items()
                request.succeed([(path, Raw(known.sub)) for path, known in subs], out)
            case "PUT", ("subs",):
                self._put_subs(request, message.arg, now, out)
            case "GET", (app, *services) if len(services) < 2:
                self._list(app, services, request, out)
            case cmd, _:
                raise RequestError(
                    "bad_path", f"path {message.path[:200]!r}: nothing to {cmd} here"
                )

    def _take_in(
        self,
        session: Session[C],
        path: CollectionPath,
        operation: Operation[C],
        out: list[Effect[C]],
    ) -> None:
        """Take in an update or a read, now or, in the order they came, when the reader can take the answer."""
        what = "read" if isinstance(operation, Get) else "update"
        if DELIVERY.decide[session.state, what, session.has_postponed] == "later":
            resume = partial(self._registry.request, path, operation)
            session.postpone(Postponed(resume, operation.size), out)
        else:
            self._registry.take_in(path, operation)

    def _tell_time(self, request: Request[C], now: float, out: list[Effect[C]]) -> None:
        time = self._clock.at(now)
        if time is None:
            request.fail(RequestError("unavailable", "this server was not told the time"), out)
        else:
            request.succeed(time, out)

    def _list(
        self, app: str, services: list[str], request: Request[C], out: list[Effect[C]]
    ) -> None:
        """Ask storage for the names of an app's collections in one service, or in which services there are some.

        In place of the latter for an app called `apps`: which apps there are.
        """
        for service in services:
            self._registry.check_service(service)
        issue, everywhere = self._registry.tickets.issue, self._registry.services
        if not everywhere:
            request.succeed([], out)
        elif services:
            out.append(ListCollections(issue(Listing(request)), services[0], app))
        elif app == "apps":
            for service, listing in Together(request, everywhere, every_name).listings():
                out.append(ListApps(issue(listing), service))
        else:
            for service, listing in Together(request, everywhere, holders).listings():
                out.append(ListCollections(issue(listing), service, app))

    def _put_subs(self, request: Request[C], arg: Raw, now: float, out: list[Effect[C]]) -> None:
        """Edit or replace the subscriptions; the reply comes before what they bring."""
        session = request.reader
        before = session.subscriptions
        limits = self._registry.limits
        changes = decode_subscriptions(arg, limits)
        parse = partial(self._registry.parse, beside=set())
        kept, refused = decide(before, changes, limits.subscriptions, parse)
        subs = [(path, entry.sub) for path, entry in kept.items()]
        request.answer(encode_subs_reply(request.tunnel, subs, refused.items()), out)
        gone = [each for path, each in before.items() if kept.get(path) is not each]
        for subscription in gone:
            session.disown(subscription)
            subscription.collection.unsubscribe(subscription)
        session.subscriptions = {
            path: self._begin(session, path, entry) if isinstance(entry, Wanted) else entry
            for path, entry in kept.items()
        }
        for path, subscription in session.subscriptions.items():
            if isinstance(kept[path], Wanted):
                if session.state == "blocked":
                    session.owe(subscription)
                subscription.collection.subscribe(subscription, now, out)
        proceed(gone, now, out)  # not before: one that replaces another watches on

    def _begin(self, session: Session[C], path: str, wanted: Wanted) -> Subscription[C]:
        since, parts = wanted.options
        collection = self._registry.open(wanted.path)
        return Subscription(session, collection, Audience(path, parts), wanted.sub, since)
