"""Receipts: which of a session's updates a collection has stored, so that one that is sent again is stored once.

A client numbers its updates 1, 2, 3… over the life of its session, for all collections together, and sends them in that
order; whatever it sends again comes before anything new. A store keeps one receipt for each session and collection, and
writes it in the transaction of the update: receipts are as durable as the data, and what is lost or set back is lost or
set back with them. They decide, for an update with the number n:

1. Without a receipt, or if n is greater than its last number, the update is new, and decided as any other. Once it is
   stored, the receipt moves on; a refused update writes nothing.
2. If it was stored, it is a duplicate: nothing is done.
3. If it was not stored, though a later one was, it never will be: its author counts on the order. It is refused with
   the code of the first time, if that is known, else as a conflict.
4. Of numbers `REMEMBERED` or more before the last one nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast, get_args

from msgspec import Struct, field
from msgspec.structs import replace

from .errors import ErrorCode
from .storage import Committed, Rejected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .storage import Operation, Outcome, Write

REMEMBERED: Final = 256
"""How many numbers, up to the last one that was stored, a receipt knows about."""

_ALL: Final = (1 << REMEMBERED) - 1

_BYTES: Final = REMEMBERED // 8

_CODES: Final = frozenset(get_args(ErrorCode))


class Receipt(Struct, frozen=True):
    """What a collection has stored of one session.

    Attributes:
        last: number of the last update that was stored.
        stored: which of the `REMEMBERED` numbers up to `last` were stored: bit k stands for `last - k`.
        refused: the codes of those that are known to have been refused, by number.
        time: when the last one was stored, in seconds since the Unix epoch.
    """

    last: int
    stored: int = 1
    refused: Mapping[int, ErrorCode] = field(default_factory=dict)
    time: int = 0

    def answer(self, number: int, version: int) -> Outcome | None:
        """Return the outcome of an update with this number; None if it is new.

        Args:
            number: the number, from 1.
            version: the collection's version.
        """
        age = self.last - number
        if age < 0:
            return None
        if age >= REMEMBERED:
            text = "it is not known any more whether this update was stored"
            return Rejected("unavailable", text, version, by_receipt=True, is_unknown=True)
        if self.stored >> age & 1:
            return Committed(version, duplicate=True)
        code = self.refused.get(number)
        if code is None:
            text = "it was not stored, and a later update of the same session was"
            return Rejected("conflict", text, version, by_receipt=True)
        text = "it was refused when it was sent first"
        return Rejected(code, text, version, by_receipt=True)

    def columns(self) -> tuple[int, bytes, str, int]:
        """Return it as stores keep it: last number, bits (32 bytes), refusals (such as `7 conflict`), time."""
        refused = ",".join(f"{number} {code}" for number, code in self.refused.items())
        return self.last, self.stored.to_bytes(_BYTES, "big"), refused, self.time

    @classmethod
    def of(cls, last: int, stored: bytes, refused: str, time: int) -> Receipt:
        """Return the receipt with these `columns`; a code that only later versions know is a conflict."""
        codes: dict[int, ErrorCode] = {}
        for each in refused.split(",") if refused else ():
            number, _, code = each.partition(" ")
            codes[int(number)] = cast("ErrorCode", code) if code in _CODES else "conflict"
        return cls(last, int.from_bytes(stored, "big"), codes, time)


class Receipts:
    """The receipts of one collection while a commit is decided, write by write.

    Args:
        known: those that are stored, by session, of each session that a write of the commit names; None, or missing:
            there is none.

    Attributes:
        changed: those that must be stored with the commit, by session.
    """

    def __init__(self, known: Mapping[str, Receipt | None]) -> None:
        self._known = known
        self._refused: dict[str, dict[int, ErrorCode]] = {}  # within this commit, by session
        self.changed: dict[str, Receipt] = {}

    def answer(self, write: Write, version: int) -> Outcome | None:
        """Return the outcome of a write that need not be looked at; None if it is to be decided as any other.

        `note` is then called with its outcome.

        Args:
            write: the write.
            version: the collection's version.
        """
        op = write.op
        if op is not None:
            receipt = self.changed.get(op.session) or self._known.get(op.session)
            outcome = None if receipt is None else receipt.answer(op.number, version)
            if outcome is not None:
                return outcome
        if write.refusal is None:
            return None
        refused = replace(write.refusal, version=version)
        self.note(write, refused)
        return refused

    def note(self, write: Write, outcome: Outcome) -> None:
        """Take in the outcome of a write that was new; an update that is a no-op leaves no receipt."""
        op = write.op
        if op is None:
            return
        if isinstance(outcome, Rejected):
            self._refused.setdefault(op.session, {})[op.number] = outcome.code
        elif not write.update.is_noop:
            before = self.changed.get(op.session) or self._known.get(op.session)
            refused = dict(op.refused) | self._refused.pop(op.session, {})
            self.changed[op.session] = _after(before, op, refused)


def sessions(writes: Sequence[Write]) -> list[str]:
    """Return the distinct sessions whose receipts must be known for these writes."""
    return list(dict.fromkeys([write.op.session for write in writes if write.op is not None]))


def _after(before: Receipt | None, op: Operation, refused: Mapping[int, ErrorCode]) -> Receipt:
    """Return the receipt once an update that was new is stored.

    Args:
        before: the receipt before it.
        op: the update.
        refused: what is known to have been refused since `before`.
    """
    last = op.number
    stored = 1
    codes: dict[int, ErrorCode] = {}
    if before is not None:
        ahead = last - before.last
        if ahead < REMEMBERED:
            stored |= before.stored << ahead & _ALL
            codes.update(before.refused)
    codes.update(refused)
    kept = {
        number: code
        for number, code in sorted(codes.items())
        if 0 < last - number < REMEMBERED and not stored >> (last - number) & 1
    }
    return Receipt(last, stored, kept, op.time)
