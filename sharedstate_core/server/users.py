"""The connections of each user, those that are about to be sent away, and those whose user is not known yet."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic

from sharedstate_core.effects import C

if TYPE_CHECKING:
    from sharedstate_core.peer.session import Session


class Users(Generic[C]):
    """The connections of all users, by the id of the user. To kick a user costs next to nothing."""

    def __init__(self) -> None:
        self._of: dict[str, dict[Session[C], None]] = {}
        self._kicked: dict[Session[C], str] = {}
        self._kicks = 0  # how many there have been
        self._proving: OrderedDict[Session[C], int] = OrderedDict()  # how many, when that began
        self._latest: OrderedDict[str, int] = (
            OrderedDict()
        )  # of each user; what a proof may have to know

    def begin_proof(self, session: Session[C]) -> None:
        """Note that somebody looks into whose a connection is."""
        self._proving[session] = self._kicks

    def end_proof(self, session: Session[C], user: str | None = None) -> bool:
        """Note that it is known; return whether this user was kicked meanwhile."""
        began = self._proving.pop(session, self._kicks)
        is_kicked = user is not None and self._latest.get(user, 0) > began
        oldest = next(iter(self._proving.values()), self._kicks)
        while self._latest and next(iter(self._latest.values())) <= oldest:
            self._latest.popitem(last=False)
        return is_kicked

    def enter(self, session: Session[C]) -> None:
        """Note whose a connection is from now on."""
        if session.identity.user is not None:
            self._of.setdefault(session.identity.user["id"], {})[session] = None

    def leave(self, session: Session[C]) -> None:
        """Forget whose a connection was, which has ended or is about to be somebody else's."""
        if session.identity.user is not None:
            id = session.identity.user["id"]
            theirs = self._of.pop(id, {})
            theirs.pop(session, None)
            if theirs:
                self._of[id] = theirs

    def count(self, user: str) -> int:
        """Return how many connections a user has."""
        return len(self._of.get(user, ()))

    def kick(self, user: str) -> int:
        """Have all connections that a user has now sent away; return how many they are.

        One that turns out to be this user's by a proof from before is not.
        """
        self._kicks += 1
        if self._proving:
            self._latest[user] = self._kicks
            self._latest.move_to_end(user)
        self._kicked.update(dict.fromkeys(self._of.get(user, ()), user))
        return self.count(user)

    @property
    def are_kicked(self) -> bool:
        """Whether any are to be sent away."""
        return bool(self._kicked)

    def next_kicked(self) -> Session[C] | None:
        """Remove and return one to be sent away; None if it has ended, or is somebody else's by now."""
        session, user = self._kicked.popitem()
        return session if session in self._of.get(user, ()) else None
