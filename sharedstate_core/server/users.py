"""The connections of each user, and those that are about to be sent away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from sharedstate_core.effects import C

if TYPE_CHECKING:
    from sharedstate_core.peer.session import Session


class Users(Generic[C]):
    """The connections of all users, by the id of the user. To kick a user costs next to nothing."""

    def __init__(self) -> None:
        self._of: dict[str, dict[Session[C], None]] = {}
        self._kicked: dict[Session[C], str] = {}

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
        """Have all connections that a user has now sent away; return how many they are."""
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
