"""Requests without a message, from the embedding program or from a transport that has no JSON to decode.

The rules:

1. Requests have an *author*: any hashable object, which the effect `Answer` names exactly once; or None, if nobody
   needs the answer. A mistake that a peer can make, such as a bad path, is answered; one that only the program can make
   is raised, and nothing has changed.
2. A request made for a connection keeps its order among the connection's messages, counts as one of its requests, and
   is answered after everything that its reader must be shown first.
"""

from collections.abc import Callable, Hashable, Mapping
from functools import partial

from msgspec import Raw

from sharedstate_core.arguments import as_condition, as_json, check_paging, check_update, expect
from sharedstate_core.collection.author import abandon
from sharedstate_core.collection.reader import Deferred
from sharedstate_core.collection.waiting_requests import Put, put_size
from sharedstate_core.effects import C, Effect, Effects
from sharedstate_core.errors import RequestError
from sharedstate_core.names import Paging
from sharedstate_core.paths import parse_collection_path
from sharedstate_core.peer.caller import Caller
from sharedstate_core.peer.session import Session
from sharedstate_core.peer.subscribing import Decision
from sharedstate_core.storage import Condition, Cursor, Write
from sharedstate_core.updates import Update
from sharedstate_core.wire.decode_patches import check_patches
from sharedstate_core.wire.decode_subscriptions import (
    Subscribe,
    SubscriptionChanges,
    SubscriptionName,
    decode_read,
)
from sharedstate_core.wire.encode import encode_subscription
from sharedstate_core.wire.validation import check_bounds

from .inputs import Inputs


class TypedInputs(Inputs[C]):
    """Requests as calls; `Server` has all inputs."""

    def put(
        self,
        path: str,
        update: Update,
        now: float,
        *,
        author: Hashable | None = None,
        condition: Condition | Cursor | None = None,
        connection: C | None = None,
    ) -> list[Effect[C]]:
        """Update a collection.

        Args:
            path: path of the collection, `/app/service/collection`.
            update: what to do; the text of each item is a JSON object in UTF-8 that holds the item's id.
            now: seconds, monotonic.
            author: gets one `Answer`; None for nobody.
            condition: apply the update only if this holds; a cursor alone is about the whole collection.
            connection: the connection that the request is made for; None for none.

        Raises:
            TypeError, ValueError: an argument is invalid; the message names the place, such as `insert['x']`.
            LocalProtocolError: the connection is not open.
        """
        expect("path", path, str)
        check_update(update)
        patch = tuple(update.patch)
        remove = tuple(dict.fromkeys(update.remove))
        update = Update(remove, dict(update.insert), update.reset, patch)
        write = Write(update, None if condition is None else as_condition(condition))
        texts = sum(map(len, update.insert.values())) + sum(each.length for each in patch)
        size = put_size(write, texts)
        session = None if connection is None else self._session(connection)

        def act(caller: Caller[C], out: Effects[C]) -> None:
            collection = parse_collection_path(path)
            if session is not None and self._limits.updates_burst:
                self._dispatcher.update_rate.take(session, out.now)
            check_bounds(write, self._limits.current)
            self._registry.admit(collection)
            if patch:
                check_patches(patch, self._limits.current)
                is_set = out.time is not None
                self._registry.check_patches(collection.service, is_clock_set=is_set)
            permit = (
                None if session is None else self._dispatcher.rights.permit(session, collection)
            )
            self._dispatcher.take_in(collection, Put(caller, write, size, permit), out)

        return self._ask(author, session, size, now, act)

    def get(
        self,
        path: str,
        now: float,
        *,
        author: Hashable,
        connection: C | None = None,
        paging: Paging | None = None,
        part: Mapping[str, object] | None = None,
    ) -> list[Effect[C]]:
        """Read a collection, or any other readable path but `/subs`.

        Args:
            path: the path to read.
            now: seconds, monotonic.
            author: gets the data in one `Answer`.
            connection: the connection that the request is made for; None for none.
            paging: which page of a list of names; `Answer.more` then tells if it goes on. None for all of it, which is
                answered `too_large` if it has more than `Limits.names`.
            part: which part of a collection: an object with `where`, `last`, `fields` and `before`, as in PROTOCOL.md,
                15.6. `Answer.at` then has the places of the items. None for all of it.

        Raises:
            TypeError, ValueError: an argument is invalid.
            LocalProtocolError: the connection is not open.
        """
        expect("path", path, str)
        if paging is not None:
            check_paging(paging)
        arg = None if part is None else Raw(as_json("part", part))
        session = None if connection is None else self._session(connection)

        def act(caller: Caller[C], out: Effects[C]) -> None:
            wanted = None if arg is None else decode_read(arg, self._limits.current)
            self._dispatcher.get(caller, path, paging, out, wanted)

        return self._ask(author, session, len(path), now, act)

    def subscribe(
        self,
        connection: C,
        path: str,
        now: float,
        *,
        since: Cursor | None = None,
        parts: bool = False,
        part: Mapping[str, object] | None = None,
        view: str = "",
        author: Hashable | None = None,
    ) -> list[Effect[C]]:
        """Subscribe a connection to a collection: it is sent one synchronising notification, then every change.

        Args:
            connection: the reader's connection, which must be open.
            path: path of the collection.
            now: seconds, monotonic.
            since: the state that the reader holds, to resume from; None if it holds nothing.
            parts: whether a large snapshot may come in several notifications.
            part: which part of the collection: an object with `where`, `last` and `fields`, as in PROTOCOL.md, 15.2.
                None for all of it.
            view: tells several subscriptions to one path apart; empty for none.
            author: gets one `Answer`, with an error if the subscription was refused; None for nobody.

        Raises:
            TypeError, ValueError: an argument is invalid.
            LocalProtocolError: the connection is not open.
        """
        expect("path", path, str)
        expect("parts", parts, bool)
        known = None if since is None else as_condition(since, "since").cursor
        expect("view", view, str)
        text = as_json("part", encode_subscription(part or {}, known, view, parts=parts))
        sub = Subscribe(SubscriptionName(path, view), text)
        return self._change(connection, SubscriptionChanges([sub], [], False), now, author)

    def unsubscribe(
        self,
        connection: C,
        path: str,
        now: float,
        *,
        view: str = "",
        author: Hashable | None = None,
    ) -> list[Effect[C]]:
        """End the subscription to `path`, spelled as it was in `subscribe`; without one, do nothing."""
        expect("path", path, str)
        expect("view", view, str)
        name = SubscriptionName(path, view)
        return self._change(connection, SubscriptionChanges([], [name], False), now, author)

    def _change(
        self, connection: C, changes: SubscriptionChanges, now: float, author: Hashable | None
    ) -> list[Effect[C]]:
        session = self._session(connection)

        def act(caller: Caller[C], out: Effects[C]) -> None:
            self._dispatcher.rights.admit(session)

            def reply(decision: Decision[C], out: Effects[C]) -> None:
                refused = [decision.refused.get(name) for name, _ in changes.insert]
                if refused and refused[0] is not None:
                    caller.fail(refused[0].error(), out)
                else:
                    caller.succeed(None, out)

            self._dispatcher.change_subscriptions(caller, session, changes, reply, out)

        return self._ask(author, session, 0, now, act)

    def _ask(
        self,
        author: Hashable | None,
        session: Session[C] | None,
        size: int,
        now: float,
        act: Callable[[Caller[C], Effects[C]], None],
    ) -> list[Effect[C]]:
        """Make a request for an author, answering it with the error if `act` raises one."""
        out = self._begin(now)
        caller = Caller(session, author, size)
        if session is not None:
            session.asked(size, out)
        take = partial(self._take, caller, act)
        if session is not None and session.postponed is not None:
            session.postpone(Deferred(take, partial(abandon, caller), size), out)
        else:
            take(out)
        self._registry.flush(session, out)
        return self._end(out)

    def _take(
        self,
        caller: Caller[C],
        act: Callable[[Caller[C], Effects[C]], None],
        out: Effects[C],
    ) -> None:
        try:
            self._check_admission(caller)
            act(caller, out)
        except RequestError as error:
            caller.fail(error, out)

    def _check_admission(self, caller: Caller[C]) -> None:
        """Refuse a request after `stop`, or for a connection with too many unanswered requests."""
        if self._shutdown.has_begun:
            raise RequestError("unavailable", "the server is shutting down")
        if caller.reader is not None:
            caller.reader.check_admission()
