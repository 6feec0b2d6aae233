"""The inputs for storage's results.

The rules:

1. A result is checked before it is used. An impossible one raises `LocalProtocolError` and leaves the core unchanged,
   with the ticket still open for the input that reports a failure.
2. Once it has passed, nothing in the input raises, whatever storage returned.
"""

from collections.abc import Sequence

from sharedstate_core.arguments import expect
from sharedstate_core.effects import C, Commit, Effect, Load
from sharedstate_core.errors import RequestError
from sharedstate_core.names import first_names
from sharedstate_core.paths import CollectionPath
from sharedstate_core.results import check_change, checked_commit, checked_load, checked_names
from sharedstate_core.storage import CommitResult, Cursor, Loaded

from .inputs import Inputs


class StorageInputs(Inputs[C]):
    """Results of storage operations; `Server` has all inputs."""

    def commit_succeeded(self, ticket: int, result: CommitResult, now: float) -> list[Effect[C]]:
        """Report that a Commit was carried out; `result` has one outcome for each write.

        Raises:
            LocalProtocolError: no such Commit is under way, or `result` is impossible: it must have one outcome for
                each write, and versions that rise by one wherever something was written. In that case answer with
                `commit_failed` and an unknown outcome.
        """
        collection, commit = self._tickets.collection(ticket, Commit)
        result = checked_commit(result, commit.writes)
        out = self._begin(now)
        self._tickets.end(ticket)
        collection.commit_succeeded(commit, result, out)
        return self._end(out)

    def commit_failed(
        self, ticket: int, message: str, now: float, *, outcome_unknown: bool
    ) -> list[Effect[C]]:
        """Report that a Commit failed.

        Args:
            ticket: the Commit's ticket.
            message: one sentence for the authors, without secrets.
            now: seconds, monotonic.
            outcome_unknown: False only if it is certain that nothing was stored.
        """
        collection, _ = self._tickets.collection(ticket, Commit)
        error = unavailable(message)
        expect("outcome_unknown", outcome_unknown, bool)
        out = self._begin(now)
        self._tickets.end(ticket)
        collection.commit_failed(error, out, outcome_unknown=outcome_unknown)
        return self._end(out)

    def load_succeeded(self, ticket: int, loaded: Loaded, now: float) -> list[Effect[C]]:
        """Report that a Load was carried out.

        Raises:
            LocalProtocolError: no such Load is under way, or `loaded` is impossible: rows must have the right types,
                each id once and no version beyond `loaded.version`, and there may be a `base` only if it was asked
                for. In that case answer with `load_failed`. Of more than `Limits.turn_items` rows each is looked at
                in a later turn, for which `next_wakeup` asks: an impossible one fails the load then, and is reported
                by a `Refused`.
        """
        collection, load = self._tickets.collection(ticket, Load)
        loaded = checked_load(loaded, load.since, self._limits.current.turn_items)
        out = self._begin(now)
        self._tickets.end(ticket)
        collection.load_succeeded(loaded, out)
        self._registry.go_on_loading(collection.path.service, out)
        return self._end(out)

    def load_failed(self, ticket: int, message: str, now: float) -> list[Effect[C]]:
        """Report that a Load failed; the core retries after a pause if the collection still has subscribers."""
        collection, _ = self._tickets.collection(ticket, Load)
        error = unavailable(message)
        out = self._begin(now)
        self._tickets.end(ticket)
        collection.load_failed(error, out)
        self._registry.go_on_loading(collection.path.service, out)
        return self._end(out)

    def list_succeeded(self, ticket: int, names: Sequence[str], now: float) -> list[Effect[C]]:
        """Report that a ListCollections or ListApps was carried out.

        `names` are those asked for, in order. Others are left out, and any order is put right, at a cost.

        Raises:
            LocalProtocolError: no such operation is under way, or `names` is not a sequence of str; in that case answer
                with `list_failed`.
        """
        read = self._tickets.list_read(ticket)
        names = checked_names(names)
        out = self._begin(now)
        self._tickets.end(ticket)
        self._listings.end(read, first_names(names, read.after, read.limit), None, out)
        return self._end(out)

    def list_failed(self, ticket: int, message: str, now: float) -> list[Effect[C]]:
        """Report that a ListCollections or ListApps failed."""
        read = self._tickets.list_read(ticket)
        error = unavailable(message)
        out = self._begin(now)
        self._tickets.end(ticket)
        self._listings.end(read, (), error, out)
        return self._end(out)

    def collection_changed(
        self, path: CollectionPath, cursor: Cursor | None, now: float
    ) -> list[Effect[C]]:
        """Report that another process has committed to a collection, reaching `cursor` if known.

        Raises:
            LocalProtocolError: `path` is not a valid `CollectionPath`, or `cursor` is not a valid `Cursor` or None.
            ValueError: there is no such service.
        """
        check_change(path, cursor)
        self._check_service("path.service", path.service)
        out = self._begin(now)
        collection = self._registry.get(path)
        if collection is not None:
            collection.changed_elsewhere(cursor, out)
        return self._end(out)

    def is_in_use(self, path: CollectionPath) -> bool:
        """Return whether any part of a collection is in memory: readers, updates, or lingering content."""
        return self._registry.get(path) is not None

    def loaded(self, service: str) -> list[CollectionPath]:
        """Return the service's collections whose content is in memory: for these, commits by other processes matter.

        Raises:
            ValueError: there is no such service.
        """
        self._check_service("service", service)
        return self._registry.all_loaded(service)

    def _check_service(self, name: str, service: str) -> None:
        known = self._registry.services
        if service not in known:
            raise ValueError(f"{name}: expected one of {', '.join(known)}, found {service!r}")


def unavailable(message: str) -> RequestError:
    """Return a failure as an error for the authors; lone surrogates, as in file names, are escaped.

    Raises:
        TypeError: `message` is not a str.
    """
    expect("message", message, str)
    return RequestError("unavailable", message.encode("utf-8", "backslashreplace").decode())
