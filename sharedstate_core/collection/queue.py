"""The queue of a collection's updates and reads, in order of arrival, until storage can carry them out."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Final, Generic

from sharedstate_core.effects import C, Effect, Effects
from sharedstate_core.errors import RequestError
from sharedstate_core.storage import CommitResult, Cursor, Outcome, Rejected, Write

from .checking import CHECKED_AT_ONCE, TRIES, Checks
from .quota import Quota
from .settled import Settled
from .waiting_requests import ID_BYTES, Get, Put, QueuedRequest, write_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sharedstate_core.items.replica import Replica
    from sharedstate_core.limits import LiveLimits
    from sharedstate_core.pending import Pending

    from .reader import Reader

CHANGES: Final = "what the rules look at keeps changing, at another server; nothing was applied"

GROUP_BYTES: Final = 1024 * 1024
"""Memory of the updates of one commit, unless it has a single one."""


class Queue(Generic[C]):
    """The updates and reads that wait.

    Args:
        pending: counts them, including the updates of the commit under way.

    Attributes:
        waiting: all of them, in order of arrival; behind the head there may be some that were taken out.
        is_commit_large: whether to apply the commit under way is too much for one turn.
    """

    def __init__(self, pending: Pending) -> None:
        self._pending = pending
        self._committing: Sequence[Put[C]] = ()
        self.waiting: deque[QueuedRequest[C]] = deque()
        self.is_commit_large = False
        # The rest is there from when a reader's requests are first taken out until the queue is empty.
        self._of: dict[Reader[C] | None, deque[QueuedRequest[C]]] | None = None
        self._taken: Counter[int] = Counter()  # how often a request was taken out, by its identity
        self._taken_out = 0  # all of these together

    def __iter__(self) -> Iterator[QueuedRequest[C]]:
        """Return the requests, in order of arrival."""
        taken = self._taken.copy()
        for request in self.waiting:
            if taken[id(request)]:
                taken[id(request)] -= 1
            else:
                yield request

    def append(self, request: QueuedRequest[C]) -> None:
        """Add a request at the end of the queue."""
        self.waiting.append(request)
        if self._of is not None:
            self._of.setdefault(request.author.reader, deque()).append(request)
        if isinstance(request, Put):
            self._pending.bytes += request.size
        else:
            self._pending.read_bytes += request.size

    def take(self) -> None:
        """Remove the head of the queue."""
        head = self.waiting.popleft()
        if isinstance(head, Get):
            self._pending.read_bytes -= head.size
        if self._of is not None:
            reader = head.author.reader
            theirs = self._of[reader]
            theirs.popleft()
            if not theirs:
                del self._of[reader]
            self._skip_taken()

    def begin_commit(
        self,
        replica: Replica | None,
        live: LiveLimits,
        out: Effects[C],
        bring_up: Callable[[Iterable[Reader[C] | None], list[Effect[C]]], None],
    ) -> list[Write]:
        """Take the updates at the head for one commit, refusing what is too large or not allowed.

        Before an author is told of a state, `bring_up` is called with its reader, which has to be there.

        It looks at those that take up to `GROUP_BYTES`, but at least one, and takes up to `Limits.group`: none if all
        are refused, or if the head has yet to be checked, by turns.
        """
        limits = live.current
        size = 0
        quota = Quota(replica, limits) if replica is not None and live.bound_collections else None
        puts: list[Put[C]] = []
        waiting = self.waiting
        checks: Checks[C] | None = None
        while len(puts) < limits.group and waiting and isinstance(head := waiting[0], Put):
            work = _work(head, replica)
            if size and size + work > GROUP_BYTES:
                break
            if head.permit is not None or checks is not None:
                checks = checks or Checks(replica, out, puts)
                try:
                    if not checks.admit(head):
                        break
                except RequestError as error:
                    bring_up((head.author.reader,), out)
                    cursor = None if replica is None else replica.cursor
                    size += work * self.refuse_head(error, out, cursor)
                    continue
            if quota is not None and head.refusal is None:
                if _has_to_wait(head, puts):
                    break
                if problem := quota.refusal(write_at(head.stored, out.time).update):
                    size += work * self.refuse_head(RequestError("too_large", problem), out)
                    continue
            self.take()
            puts.append(head)
            if checks is not None:
                checks.add(head)
            size += work
        self._committing = puts
        most = limits.turn_items // 2
        self.is_commit_large = size > GROUP_BYTES or (
            size > ID_BYTES * most and sum([put.write.update.listed for put in puts]) > most
        )
        return _writes(puts, out)

    def end_commit(self) -> Sequence[Put[C]]:
        """End the commit under way and return its updates."""
        puts, self._committing = self._committing, ()
        self._forget(puts)
        return puts

    def settle(self, result: CommitResult) -> list[Settled[C]]:
        """End the commit under way and return the outcome of each of its updates.

        One that was rejected since what its check has looked at has changed meanwhile waits at the head again.
        """
        epoch, puts = result.epoch, self.end_commit()
        outcomes = result.outcomes
        if any(put.checked for put in puts):
            puts, outcomes = self._check_again(puts, outcomes)
        for put, outcome in zip(puts, outcomes, strict=True):
            if put.numbered is not None:
                put.settled(outcome)
        return [
            Settled(put.author, put.write.update.touched, outcome, Cursor(epoch, outcome.version))
            for put, outcome in zip(puts, outcomes, strict=True)
        ]

    def _check_again(
        self, puts: Sequence[Put[C]], outcomes: Sequence[Outcome]
    ) -> tuple[Sequence[Put[C]], Sequence[Outcome]]:
        """Put back what has to be checked again, if nothing later of the same reader is stored; return the rest."""
        ended: list[tuple[Put[C], Outcome]] = []
        overtaken: set[Reader[C] | None] = set()
        for put, outcome in zip(reversed(puts), reversed(outcomes), strict=True):
            reader = put.author.reader
            if not put.was_checked_in_vain(outcome):
                ended.append((put, outcome))
            elif reader in overtaken or put.tries >= TRIES:
                ended.append((put, Rejected("unavailable", CHANGES, outcome.version)))
            else:
                put.checked = None
                self._put_back(put)
            overtaken.add(reader)
        ended.reverse()
        return [put for put, _ in ended], [outcome for _, outcome in ended]

    def _put_back(self, put: Put[C]) -> None:
        """Let an update wait at the head once more."""
        self.waiting.appendleft(put)
        if self._of is not None:
            self._of.setdefault(put.author.reader, deque()).appendleft(put)
        self._pending.bytes += put.size

    def take_of(self, reader: Reader[C]) -> Sequence[QueuedRequest[C]]:
        """Remove and return the requests of this reader, without looking at those of others more than once."""
        if self._of is None:
            self._of = {}
            for request in self.waiting:
                self._of.setdefault(request.author.reader, deque()).append(request)
        theirs = self._of.pop(reader, ())
        self._taken.update(map(id, theirs))
        self._taken_out += len(theirs)
        self._skip_taken()
        self._forget(theirs)
        return tuple(theirs)

    def _skip_taken(self) -> None:
        """See to it that the head is a request that waits, and that most of the others do."""
        waiting, taken = self.waiting, self._taken
        while waiting and (times := taken.get(id(waiting[0]))):
            self._taken_out -= 1
            if times > 1:
                taken[id(waiting.popleft())] = times - 1
            else:
                del taken[id(waiting.popleft())]
        if 2 * self._taken_out > len(waiting) + 64:
            left = list(self)
            waiting.clear()
            waiting.extend(left)
            taken.clear()
            self._taken_out = 0
        if not waiting:
            self._of = None

    def fail(self, error: RequestError, out: list[Effect[C]], most: int) -> None:
        """Answer waiting requests with an error, as many as this."""
        for _ in range(min(most, len(self.waiting))):
            if self.waiting:
                self.fail_head(error, out)

    def refuse_head(
        self, error: RequestError, out: list[Effect[C]], cursor: Cursor | None = None
    ) -> bool:
        """Refuse the head of the queue, or leave it to storage if it may be there; return whether it is refused."""
        head = self.waiting[0]
        if isinstance(head, Put) and head.refuse(error):
            return False
        self.fail_head(error, out, cursor)
        return True

    def fail_head(
        self, error: RequestError, out: list[Effect[C]], cursor: Cursor | None = None
    ) -> None:
        """Answer the head of the queue with an error; `cursor` is the state that it is about."""
        head = self.waiting[0]
        self.take()
        if isinstance(head, Put):
            self._forget((head,))
            head.fail(error, out, cursor)
        else:
            head.author.fail(error, out, cursor)

    def _forget(self, requests: Sequence[QueuedRequest[C]]) -> None:
        """Stop counting requests that were taken out as pending."""
        pending = self._pending
        for each in requests:
            if isinstance(each, Put):
                pending.bytes -= each.size
            else:
                pending.read_bytes -= each.size


def _has_to_wait(head: Put[C], puts: Sequence[Put[C]]) -> bool:
    """Return whether the size of what an update leads to cannot be told yet, beside those taken before it."""
    if puts and any(put.again or put.stored.condition for put in (puts[-1], head)):
        return True  # what is stored then depends on its outcome
    if len(head.stored.update.patch) <= CHECKED_AT_ONCE:
        return False
    head.resolves, head.checked = True, None  # by turns
    return True


def _writes(puts: Sequence[Put[C]], out: Effects[C]) -> list[Write]:
    """Return what storage is asked for; members that become the time of the commit have that value."""
    if any(put.numbered is not None for put in puts):
        return [put.stored_at(out.time) for put in puts]
    writes = [put.checked or put.write for put in puts]
    if not any(write.update.patch for write in writes):
        return writes
    return [write_at(write, out.time) for write in writes]


def _work(put: Put[C], replica: Replica | None) -> int:
    """Return the memory of an update, and the bytes of the items that it patches, as far as they are known."""
    if replica is None or not put.write.update.patch:
        return put.size
    if put.checked is not None and not put.checked.update.patch:
        return put.size + sum(map(len, put.checked.update.insert.values()))
    return put.size + sum(map(replica.size, put.write.update.patched))
