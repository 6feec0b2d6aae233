"""The embedding of the client core: passes inputs in and performs effects. No decision is made here."""

from __future__ import annotations

import logging
import secrets
from itertools import chain
from typing import TYPE_CHECKING, Final, Literal, assert_never
from weakref import WeakSet

import anyio
import msgspec
from msgspec import UnsetType

from sharedstate_anyio.logs.events import about
from sharedstate_core import RequestError, SharedStateError
from sharedstate_core.client import (
    Changed,
    ClientProtocol,
    ClosedError,
    Fault,
    Identified,
    Key,
    Moved,
    Refused,
    SendText,
    Settled,
    Synced,
    TokenWanted,
    Unauthenticated,
)
from sharedstate_core.errors import CLOSE_POLICY

from . import values
from .changes import StatusChanges, UserChanges
from .loop_affinity import LoopAffinity
from .replica import Notifier, Replica
from .sign_in import SignIn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_core import Condition, Update
    from sharedstate_core.client import ClientEffect, Filter

    from .changes import Status, User
    from .net.link import End, Link
    from .sign_in import TokenSource

log = logging.getLogger("sharedstate.client")

TICKS: Final = 4
"""How often a link is looked at within `answer_timeout`: an answer is late after as long, or a quarter more."""


class _Answer:
    """A call waiting for its request to be settled."""

    def __init__(self) -> None:
        self.came = anyio.Event()
        self.settled: Settled | None = None


class ClientHub:
    """One client: the core, its current link, the calls that wait for answers, and what is held.

    Args:
        max_queue: requests that may wait for a connection.
        max_snapshot: characters of JSON text that the parts of one snapshot may have.
        token: where tokens come from.

    Attributes:
        affinity: the event loop in which this was made.
        sign_in: asks for tokens; its tasks have to be run.
        user: whose the connection is, as far as the server has said; None for nobody.
    """

    def __init__(self, max_queue: int, max_snapshot: int, token: TokenSource | None = None) -> None:
        self.affinity = LoopAffinity()
        self._protocol = ClientProtocol(max_queue, max_snapshot, secrets.token_urlsafe())
        self._link: Link | None = None
        self._answers: dict[int, _Answer] = {}
        self._replicas: dict[Key, list[Replica]] = {}
        self._notifier = Notifier()
        self._closed = False
        self._status: Status = "connecting"
        self._status_listeners: WeakSet[StatusChanges] = WeakSet()
        self.sign_in = SignIn(token, self.ask_time)
        self.user: User | None = None
        self._user_listeners: WeakSet[UserChanges] = WeakSet()
        self._begun = False  # whether the core knows of the link
        self._signed_out = anyio.Event()  # the server has answered, or the connection is gone
        self._is_awaited = False  # whether somebody waits for that
        self._is_known = anyio.Event()  # whose the connection is, or that it is nobody's
        self._refusal: SharedStateError | None = None

    # --- the connection ---------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """State of the connection."""
        return self._status

    def listen_status(self) -> StatusChanges:
        """Return an iterator of status changes, fed for as long as it is referenced."""
        changes = StatusChanges(self._status, self.affinity)
        self._status_listeners.add(changes)
        return changes

    def _set_status(self, status: Status) -> None:
        self._status = status
        for changes in self._status_listeners:
            changes.set(status)

    def attempt(self) -> None:
        """An attempt to open a link begins."""
        self.sign_in.attempt()

    def opened(self, link: Link) -> None:
        """A link is open."""
        if self._closed:
            return  # the block ended meanwhile, and the task behind the link is cancelled
        self._link = link
        self.sign_in.opened(self)

    def received(self, text: str) -> None:
        """A message has arrived."""
        if not self._closed:  # it arrived while the block was ending
            self._perform(self._protocol.receive_text(text))

    async def watch(self, answer_timeout: float) -> None:
        """Give up each link on which a request is not answered in time; the time of a long message does not count."""
        while True:
            await anyio.sleep(answer_timeout / TICKS)
            if self._link is not None and not self._link.is_receiving():
                self._perform(self._protocol.tick(TICKS))

    def lost(self, end: End) -> None:
        """The link has ended."""
        self._link = None
        self._begun = False
        self.sign_in.lost()
        self._perform(self._protocol.connection_lost(end.reason, too_big=end.too_big))
        self._signed_out.set()
        if not self._closed:
            self._set_status("reconnecting")

    def close(self) -> None:
        """Close for good: every request is settled, datasets stay readable."""
        if self._closed:
            return
        self._closed = True
        self._perform(self._protocol.close())
        self._link = None
        for replica in chain.from_iterable(self._replicas.values()):
            replica.closed()
        self._set_status("closed")
        for changes in self._user_listeners:
            changes.end()
        self._signed_out.set()

    def check_open(self) -> None:
        """Check that the client can be used, here and now.

        Raises:
            ClosedError: it has ended.
            RuntimeError: it belongs to another event loop.
        """
        if self._closed:
            raise ClosedError
        self.affinity.check()

    # --- whose it is ------------------------------------------------------------------------------

    def listen_user(self) -> UserChanges:
        """Return an iterator of changes of the user, fed for as long as it is referenced."""
        changes = UserChanges(self.user, self.affinity)
        self._user_listeners.add(changes)
        return changes

    def show(self, token: str | UnsetType | None) -> None:
        """Show a token on the present link, or begin with it."""
        if self._closed or self._link is None:
            return
        if self._begun:
            self._perform(self._protocol.sign_in(None if isinstance(token, UnsetType) else token))
        else:
            self._begun = True
            self._perform(self._protocol.connection_opened(token))
            self._set_status("connected")

    def no_token(self, error: Exception | None) -> None:
        """There is no token, for now or until told otherwise."""
        if error is None:
            self.show(None)
            self._refusal = RequestError("unauthenticated", "there is no token", "missing")
            self._set_status("unauthenticated")
            self._is_known.set()
            return
        log.warning("no token: %s", type(error).__name__, exc_info=error, extra=about("no_token"))
        if self._begun:
            self.sign_in.wanted("unavailable")
        elif self._link is not None:
            self._link.give_up(CLOSE_POLICY, "there is no token")

    async def sign_out(self) -> None:
        """Sign out; return once the server has answered, if there is a connection."""
        self.sign_in.stop()
        began = self._begun
        answered = self._signed_out = anyio.Event()
        self._perform(self._protocol.sign_in(None))
        if began:
            if self._status == "unauthenticated":
                self._set_status("connected")
            await answered.wait()

    async def signed_in(self) -> SharedStateError | None:
        """Return once it is known whose the connection is; with the error, if that is nobody because of one."""
        self._is_awaited = True
        try:
            await self._is_known.wait()
        finally:
            self._is_awaited = False
        return self._refusal

    def _signed(self, effect: Identified | TokenWanted | Unauthenticated) -> None:
        if isinstance(effect, Identified):
            self._identify(effect)
        elif isinstance(effect, TokenWanted):
            self.sign_in.wanted(effect.reason)
        else:
            if not self._is_awaited:  # else whoever waits is told
                log.warning("not signed in: %s", effect.error, extra=about("unauthenticated"))
            self._refusal = effect.error
            self._set_status("unauthenticated")
            self._is_known.set()

    def _identify(self, effect: Identified) -> None:
        if effect.user is not None:
            self._refusal = None
            if self._status == "unauthenticated":
                self._set_status("connected")
        if effect.user != self.user:
            self.user = effect.user
            for changes in self._user_listeners:
                changes.set(self.user)
        self.sign_in.accepted(effect.user, effect.expires)
        self._signed_out.set()
        self._is_known.set()

    # --- requests ---------------------------------------------------------------------------------

    async def ask_time(self) -> float:
        """Ask for the server's time, in seconds since the Unix epoch.

        Raises:
            SharedStateError: as `request`; the answer is not a number.
        """
        answer = await self.request("GET", "/clock")
        try:
            return msgspec.json.decode(answer, type=float)
        except msgspec.DecodeError:
            raise SharedStateError(
                f"the server's clock is not a number: {answer[:100]!r}"
            ) from None

    async def put(self, path: str, update: Update, condition: Condition | None = None) -> int:
        """Make an update; return the number of ids touched.

        Raises:
            RequestError, ConnectionLostError, ClosedError: as `request`; `bad_message` if the answer is not a number.
        """
        self.check_open()
        answer = await self._answer(*self._protocol.update(path, update, condition))
        problem = "the server took the update, but returned no number of ids"
        return values.decoded(answer.data, values.number, problem)

    async def request(self, cmd: Literal["GET", "PUT"], path: str, arg: bytes = b"null") -> bytes:
        """Send a request; return the JSON text of the answer's data.

        Raises:
            RequestError, ConnectionLostError, ClosedError: it failed.
            RuntimeError: called in another event loop.
        """
        return (await self.ask(cmd, path, arg)).data

    async def ask(self, cmd: Literal["GET", "PUT"], path: str, arg: bytes) -> Settled:
        """Do as `request`, and return all of the answer."""
        self.check_open()
        return await self._answer(*self._protocol.request(cmd, path, arg))

    async def _answer(self, ticket: int, effects: Sequence[ClientEffect]) -> Settled:
        answer = self._answers[ticket] = _Answer()
        try:
            self._perform(effects)
            await answer.came.wait()
        finally:
            del self._answers[ticket]
            self._protocol.withdraw(ticket)  # cancelled before it was sent
        settled = answer.settled
        assert settled is not None  # noqa: S101  (set with the event)
        if settled.error is not None:
            raise settled.error
        return settled

    # --- collections ------------------------------------------------------------------------------

    def hold(self, path: str, asked: Filter) -> Replica:
        """Return a new dataset's view of a collection; `acquire` it next.

        Args:
            path: in normal form.
            asked: what of it.
        """
        asked = self._named(path, asked)
        replicas = self._replicas.setdefault(Key(path, asked.view), [])
        synced = any(replica.is_synced for replica in replicas)
        replica = Replica(path, asked, self._protocol, self._notifier, self.affinity, synced=synced)
        replicas.append(replica)
        return replica

    def _named(self, path: str, asked: Filter) -> Filter:
        """Return what is asked for with a name that no other filter has on this path."""
        named = asked._replace(view=asked.name)
        while (there := self._replicas.get(Key(path, named.view))) and there[0].asked != named:
            named = named._replace(view=f"{named.view}_")
        return named

    def acquire(self, replica: Replica) -> None:
        """Hold a collection once more; if the server has refused it, ask again."""
        replica.handles += 1
        for each in self._replicas[replica.key]:
            each.renew()
        self._perform(self._protocol.acquire(replica.key.path, replica.asked))

    def release(self, replica: Replica) -> None:
        """Hold it once less; the last release ends the subscription."""
        if replica.handles == 0:
            return
        replica.handles -= 1
        if replica.handles == 0:
            replica.released()
            replicas = self._replicas[replica.key]
            replicas.remove(replica)
            if not replicas:
                del self._replicas[replica.key]
                if not self._closed:
                    self._perform(self._protocol.release(*replica.key))

    # --- effects ----------------------------------------------------------------------------------

    def _perform(self, effects: Sequence[ClientEffect]) -> None:
        for effect in effects:
            match effect:
                case Identified() | TokenWanted() | Unauthenticated():
                    self._signed(effect)
                case SendText(message):
                    if self._link is not None:
                        self._link.send(message)
                case Settled(ticket):
                    if (answer := self._answers.get(ticket)) is not None:
                        answer.settled = effect
                        answer.came.set()
                case Changed() | Synced() | Moved() | Refused():
                    for replica in self._replicas[Key(effect.path, effect.view)]:
                        replica.handle(effect)
                case Fault():
                    self._report_fault(effect)
                case _:
                    assert_never(effect)

    def _report_fault(self, fault: Fault) -> None:
        log.warning("%s", fault.problem, extra=about("server_misunderstood"))
        if fault.fatal and self._link is not None:
            self._link.give_up(CLOSE_POLICY, fault.problem)
