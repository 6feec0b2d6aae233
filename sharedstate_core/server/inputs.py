"""What all inputs have in common: how they begin and end, and the state they act on."""

from collections.abc import Callable
from collections.abc import Collection as Names
from math import isfinite
from typing import Generic

from sharedstate_core.arguments import check_seconds, expect, service_names
from sharedstate_core.clock import WallClock
from sharedstate_core.counters import Counters
from sharedstate_core.effects import C, Effect, Effects
from sharedstate_core.errors import LocalProtocolError
from sharedstate_core.limits import Limits, LiveLimits
from sharedstate_core.peer.drains import Drains
from sharedstate_core.peer.session import Session

from .access import Access, LiveAccess
from .dispatch import Dispatcher
from .identities import Identities
from .listings import Listings
from .registry import Registry
from .rights import Rights
from .shutdown import Shutdown
from .turns import Turns
from .update_rate import UpdateRate


class Inputs(Generic[C]):
    """The parts of a `Server`; `close_all` is called at the end of an orderly stop."""

    def __init__(
        self,
        services: Names[str],
        limits: Limits | None,
        access: Access | None,
        patchable: Names[str],
        resendable: Names[str],
        close_all: Callable[[Effects[C]], None],
    ) -> None:
        if limits is not None:
            expect("limits", limits, Limits)
        if access is not None:
            expect("access", access, Access, "an")
        self._limits = LiveLimits(limits or Limits())
        self.counters = Counters()
        names = service_names(services)
        taking = frozenset(service_names(patchable))
        if not taking <= set(names):
            raise ValueError(f"patchable: expected some of {', '.join(names)}, found {taking}")
        keeping = frozenset(service_names(resendable))
        if not keeping <= set(names):
            raise ValueError(f"resendable: expected some of {', '.join(names)}, found {keeping}")
        self._clock = WallClock()
        self._registry: Registry[C] = Registry(names, taking, keeping, self._limits, self.counters)
        self._tickets = self._registry.tickets
        self._listings: Listings[C] = Listings(
            names, self._limits, self._tickets, self._registry.pending
        )
        live = LiveAccess(access)
        self._rights: Rights[C] = Rights(live, self._registry, self._clock)
        self._identities: Identities[C] = Identities(
            live,
            self._limits,
            self._clock,
            self._tickets.issue,
            takes_patches=bool(taking),
            keeps_receipts=bool(keeping),
        )
        self._dispatcher = Dispatcher(
            self._registry,
            self._listings,
            self._clock,
            self._identities,
            self._rights,
            UpdateRate(self._limits, self.counters),
        )
        self._drains: Drains[Session[C]] = Drains(self._limits)
        self._sessions: dict[C, Session[C]] = {}
        self._owed: Turns[Session[C]] = Turns()  # readers who get more of what they are owed
        self._shutdown = Shutdown(lambda: self.is_busy, close_all)
        self._late: list[Effect[C]] = []  # of an input that raised

    @property
    def is_busy(self) -> bool:
        """Whether a request still waits for storage, or for its turn; `stop` waits until none does."""
        pending, turns = self._registry.pending, self._registry.turns
        waits = pending.bytes or pending.read_bytes
        takes_turns = self._listings.is_answering or turns or self._owed
        return bool(waits or self._tickets or takes_turns)

    def _begin(self, now: float) -> Effects[C]:
        """Begin a valid input, including any effects that an earlier one could not return because it raised."""
        if now.__class__ is not float or not isfinite(now):
            check_seconds(now)
        self._drains.now = now
        out: Effects[C] = Effects(self._late)
        out.now = now
        out.clock = self._clock
        if self._late:
            self._late = []
        return out

    def _end(self, out: Effects[C]) -> list[Effect[C]]:
        """End an input, which may complete an orderly stop."""
        if self._shutdown.has_begun:
            self._shutdown.proceed(out)
        return out

    def _session(self, connection: C) -> Session[C]:
        session = self._sessions.get(connection)
        if session is None:
            raise LocalProtocolError(f"connection {connection!r} is not open")
        return session
