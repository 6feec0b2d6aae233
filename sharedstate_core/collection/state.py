"""The parts of one collection, and what the server can read of its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias

from sharedstate_core.effects import C, Commit, Load
from sharedstate_core.items.notices import Notices
from sharedstate_core.views.definition import EFFORT

from .acknowledgements import Acknowledgements
from .content import Content
from .queue import Queue
from .subscribers import Subscribers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sharedstate_core.counters import Counters
    from sharedstate_core.effects import Effects
    from sharedstate_core.items.encoded import Encoded
    from sharedstate_core.leftovers import Leftovers
    from sharedstate_core.limits import LiveLimits
    from sharedstate_core.paths import CollectionPath
    from sharedstate_core.pending import Pending
    from sharedstate_core.storage import Cursor
    from sharedstate_core.views.view import View
    from sharedstate_core.views.views import Views

    from .permit import RulesVersion
    from .reader import Reader
    from .settled import Settled


Operation: TypeAlias = Commit | Load | Literal["check", "encode", "apply", "tell", "refuse"]


class CollectionState(Generic[C]):
    """The parts of a `Collection`.

    Attributes:
        path: its name.
        operation: the storage operation under way; or, by turns, "check" while a large update is checked, "encode"
            while something large is encoded, "apply" while a large commit is applied, "tell" while many are told of a
            change, "refuse" while all that waited is refused; None if the next step may be taken.
    """

    def __init__(
        self,
        path: CollectionPath,
        limits: LiveLimits,
        counters: Counters,
        pending: Pending,
        leftovers: Leftovers,
        encoded: Encoded,
        give_later: Callable[[CollectionPath, Settled[C], Effects[C]], None],
        rules_version: RulesVersion,
    ) -> None:
        self.path = path
        self._limits = limits
        self._content: Content[C] = Content(leftovers)
        self._freshness = self._content.freshness
        self._notices = Notices(limits, encoded)
        self._subscribers: Subscribers[C] = Subscribers(self._notices, counters, rules_version)
        self._waiting = self._subscribers.waiting
        self._queue: Queue[C] = Queue(pending)
        self._answers: Acknowledgements[C] = Acknowledgements(
            path, self._subscribers, counters, pending, give_later
        )
        self._encoded = encoded
        self._views: Views | None = None  # none as long as nobody has asked for one
        self._left: list[View] = []  # those that nobody sees, since a moment ago
        self._closing_at: float | None = None  # when some of these are to be closed
        self._present: set[Reader[C]] = set()  # those who see this state in all their views
        self._present_at: Cursor | None = None
        self.operation: Operation | None = None
        self._work: Generator[None, None, Any] | None = None  # of the operation, if it is long

    @property
    def waiting_effort(self) -> int:
        """What it takes to bring up to date those who wait for its content."""
        number = len(self._waiting.for_content)
        return number if self._views is None else EFFORT * number

    def forget_content(self) -> None:
        """Drop the content and all that was encoded of it; it takes turns to be freed if it is large."""
        self._content.forget()
        self._notices.clear()
        if self._views is not None:
            self._views.forget_content()

    @property
    def memory(self) -> int:
        """Approximate memory that its content takes, in bytes.

        What is kept encoded of it, and what its views remember, counts by itself (`encoded`).
        """
        return self._content.memory

    @property
    def cursor(self) -> Cursor | None:
        """The state in memory, from which a load under way was asked to continue; None without content."""
        return self._content.cursor
