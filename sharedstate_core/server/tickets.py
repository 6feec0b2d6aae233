"""The owners of tickets: the outcome of a question to the embedder goes to the owner of its ticket, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from sharedstate_core.collection.collection import Collection
from sharedstate_core.effects import C, Commit, Load
from sharedstate_core.errors import LocalProtocolError

from .identities import Proof
from .listing import ListRead

if TYPE_CHECKING:
    from collections.abc import Iterator


Owner: TypeAlias = Collection[C] | ListRead[C] | Proof[C]

Kind = TypeVar("Kind", Commit, Load)


class Tickets(Generic[C]):
    """The storage operations under way, of collections and of lists, and the proofs that are looked into."""

    def __init__(self) -> None:
        self._owners: dict[int, Owner[C]] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._owners)

    def __iter__(self) -> Iterator[int]:
        return iter(self._owners)

    def issue(self, owner: Owner[C]) -> int:
        """Return a new ticket for a question whose outcome goes to `owner`."""
        self._last += 1
        self._owners[self._last] = owner
        return self._last

    def collection(self, ticket: int, kind: type[Kind]) -> tuple[Collection[C], Kind]:
        """Return the collection whose Load or Commit has ended, and the effect; the caller then calls `end`.

        Raises:
            LocalProtocolError: no operation of that kind with this ticket is under way.
        """
        owner = self._owner(ticket)
        if isinstance(owner, Collection) and isinstance(owner.operation, kind):
            return owner, owner.operation
        raise LocalProtocolError(f"no {kind.__name__} with ticket {ticket!r} is under way")

    def list_read(self, ticket: int) -> ListRead[C]:
        """Return the read whose ListCollections or ListApps has ended; the caller then calls `end`.

        Raises:
            LocalProtocolError: no such operation with this ticket is under way.
        """
        owner = self._owner(ticket)
        if not isinstance(owner, ListRead):
            raise LocalProtocolError(
                f"no ListCollections or ListApps with ticket {ticket!r} is under way"
            )
        return owner

    def proof(self, ticket: int) -> Proof[C]:
        """Return the proof that was looked into; the caller then calls `end`.

        Raises:
            LocalProtocolError: none with this ticket is looked into.
        """
        owner = self._owner(ticket)
        if not isinstance(owner, Proof):
            raise LocalProtocolError(f"no Authenticate with ticket {ticket!r} is under way")
        return owner

    def end(self, ticket: int) -> None:
        """Close a ticket once its result has been checked."""
        del self._owners[ticket]

    def _owner(self, ticket: int) -> Owner[C] | None:
        """Return the owner of a ticket, if it has one; 1.0 and True are not tickets, although they equal 1."""
        return self._owners.get(ticket) if type(ticket) is int else None
