"""What a collection needs of the server it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, get_args

from .effects import C, Effect

if TYPE_CHECKING:
    from .collection import Collection
    from .counters import Counters
    from .limits import Limits
    from .operations import Operation
    from .paths import CollectionPath
    from .pending import Pending
    from .session import Session
    from .tickets import Tickets

Deadline: TypeAlias = Literal["retry", "look", "linger"]
DEADLINES: Final[tuple[Deadline, ...]] = get_args(Deadline)


class Desk(Protocol[C]):
    """What a collection needs of the server it belongs to; `registry` has it."""

    limits: Limits
    counters: Counters
    tickets: Tickets[C]
    pending: Pending

    def request(
        self, path: CollectionPath, operation: Operation[C], now: float, out: list[Effect[C]]
    ) -> None:
        """Take in an update or a read of any collection."""
        ...

    def begin_load(self, collection: Collection[C], asker: Session[C] | None) -> bool:
        """Tell whether this collection may load now; otherwise it waits, and is told to `proceed`."""
        ...

    def want_no_load(self, collection: Collection[C]) -> None:
        """Let this collection wait no longer."""
        ...

    def set_deadline(self, collection: Collection[C], which: Deadline, at: float) -> None:
        """Call `deadline` of this collection at that time."""
        ...

    def linger(self, collection: Collection[C], now: float) -> None:
        """Let this collection, which nobody watches, go in a while."""
        ...

    def forget(self, collection: Collection[C]) -> None:
        """Let this collection go: it holds nothing that matters."""
        ...
