"""What is asked without a message: by the program around the core, or by a transport that has no JSON to decode.

The rules:

1. Whoever asks is an *author*: any hashable object, which the effect `Answer` names once; or None, for nobody. What
   a peer may get wrong, such as a path, is an answer; what only the program can is raised, and nothing has happened.
2. What is asked on behalf of a connection keeps the connection's order with its messages, counts as one of its
   requests, and is answered after what its reader is to be shown before.
"""

from collections.abc import Callable, Hashable

from sharedstate_core.arguments import as_condition, check_update, expect
from sharedstate_core.collection.operations import Put, put_size
from sharedstate_core.effects import C, Effect, Effects
from sharedstate_core.errors import RequestError
from sharedstate_core.paths import parse_collection_path
from sharedstate_core.peer.caller import Caller
from sharedstate_core.peer.session import Session
from sharedstate_core.peer.subscribing import Decision
from sharedstate_core.storage import Condition, Cursor, Write
from sharedstate_core.updates import Update
from sharedstate_core.wire.decode import Subscribe, SubscriptionChanges
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
            path: the collection's, `/app/service/collection`.
            update: what to do; the text of each item is a JSON object in UTF-8 that holds the id under which it stands.
            now: seconds, monotonic.
            author: hears what came of it, in one `Answer`; None: nobody does.
            condition: apply it only if that holds; a cursor alone is about the whole collection.
            connection: on whose behalf; None: nobody's who reads.

        Raises:
            TypeError, ValueError: an argument is not that; the message names the place, such as `insert['x']`.
            LocalProtocolError: the connection is not open.
        """
        expect("path", path, str)
        check_update(update)
        update = Update(tuple(dict.fromkeys(update.remove)), dict(update.insert), update.reset)
        write = Write(update, None if condition is None else as_condition(condition))
        size = put_size(write, sum(map(len, update.insert.values())))
        session = None if connection is None else self._session(connection)

        def act(caller: Caller[C], out: Effects[C]) -> None:
            check_bounds(write, self._limits.current)
            collection = parse_collection_path(path)
            self._registry.admit(collection)
            self._dispatcher.take_in(collection, Put(caller, write, size), out)

        return self._ask(author, session, size, now, act)

    def get(
        self, path: str, now: float, *, author: Hashable, connection: C | None = None
    ) -> list[Effect[C]]:
        """Read a collection, or any other path that can be read but `/subs`.

        Args:
            path: what to read.
            now: seconds, monotonic.
            author: hears what is there, in one `Answer`.
            connection: on whose behalf; None: nobody's.

        Raises:
            TypeError: the path is not a str.
            LocalProtocolError: the connection is not open.
        """
        expect("path", path, str)
        session = None if connection is None else self._session(connection)

        def act(caller: Caller[C], out: Effects[C]) -> None:
            self._dispatcher.get(caller, path, out)

        return self._ask(author, session, len(path), now, act)

    def subscribe(
        self,
        connection: C,
        path: str,
        now: float,
        *,
        since: Cursor | None = None,
        parts: bool = False,
        author: Hashable | None = None,
    ) -> list[Effect[C]]:
        """Subscribe a connection to a collection: it is sent one synchronising notification, then every change.

        Args:
            connection: who reads; it was opened before.
            path: the collection's.
            now: seconds, monotonic.
            since: the state that the reader holds, to resume from; None: it holds nothing.
            parts: whether a large snapshot may come in several notifications.
            author: hears that it is subscribed, or why not, in one `Answer`; None: nobody does.

        Raises:
            TypeError, ValueError: an argument is not that.
            LocalProtocolError: the connection is not open.
        """
        expect("path", path, str)
        expect("parts", parts, bool)
        known = None if since is None else as_condition(since, "since").cursor
        sub = Subscribe(path, encode_subscription(known, parts=parts))
        return self._change(connection, SubscriptionChanges([sub], [], False), now, author)

    def unsubscribe(
        self, connection: C, path: str, now: float, *, author: Hashable | None = None
    ) -> list[Effect[C]]:
        """End a subscription, under the path that it was begun with; one that there is not is nothing."""
        expect("path", path, str)
        return self._change(connection, SubscriptionChanges([], [path], False), now, author)

    def _change(
        self, connection: C, changes: SubscriptionChanges, now: float, author: Hashable | None
    ) -> list[Effect[C]]:
        session = self._session(connection)

        def act(caller: Caller[C], out: Effects[C]) -> None:
            def reply(decision: Decision[C]) -> None:
                refused = [decision.refused.get(path) for path, _ in changes.insert]
                if refused and refused[0] is not None:
                    caller.fail(RequestError(*refused[0]), out)
                else:
                    caller.succeed(None, out)

            self._dispatcher.change_subscriptions(session, changes, reply, out)

        return self._ask(author, session, 0, now, act)

    def _ask(
        self,
        author: Hashable | None,
        session: Session[C] | None,
        size: int,
        now: float,
        act: Callable[[Caller[C], Effects[C]], None],
    ) -> list[Effect[C]]:
        """Let an author ask for something, and answer what `act` refuses."""
        out = self._begin(now)
        caller = Caller(session, author, size)
        if session is not None:
            session.asked(size, out)
        try:
            self._check_admission(caller)
            act(caller, out)
        except RequestError as error:
            caller.fail(error, out)
        self._registry.flush(session, out)
        return self._end(out)

    def _check_admission(self, caller: Caller[C]) -> None:
        """Refuse whatever comes after `stop`, or of a connection that waits for too many answers."""
        if self._shutdown.has_begun:
            raise RequestError("unavailable", "the server is shutting down")
        if caller.reader is not None:
            caller.reader.check_admission()
