"""Staying connected: repeated attempts, with pauses in between, until the client is closed."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from sharedstate_anyio.logs.events import about

from .dial import open_link
from .errors import ConnectError
from .link import GOODBYE_SECONDS

if TYPE_CHECKING:
    from .address import Address
    from .link import End, Link, LinkOptions
    from .pause import Pause

log = logging.getLogger("sharedstate.client")

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 20.0
"""Bounds of the pause before another attempt, in seconds: the first one doubles with each failure."""

_DOUBLINGS: Final = 10


class Speaker(Protocol):
    """What speaks through the links, one after the other."""

    def attempt(self) -> None:
        """An attempt to open a link begins."""
        ...

    def opened(self, link: Link) -> None:
        """A link is open."""
        ...

    def received(self, text: str) -> None:
        """A message has come through it."""
        ...

    def lost(self, end: End) -> None:
        """It has ended."""
        ...


class Connector:
    """Gives a speaker one link after the other.

    Args:
        speaker: what speaks through them.
        address: where to connect to.
        options: of each link.
        pause: made between two attempts.
        link: the first one, if it is open already.

    Attributes:
        failure: the error that ended it, if retrying cannot help.
    """

    def __init__(
        self,
        speaker: Speaker,
        address: Address,
        options: LinkOptions,
        pause: Pause,
        link: Link | None = None,
    ) -> None:
        self._speaker = speaker
        self._address = address
        self._options = options
        self._pause = pause
        self._link = link
        if link is not None:
            speaker.attempt()
            speaker.opened(link)
        self._closing = False
        self._told: str | None = None  # the last fault of the server logged as a warning
        self._done = anyio.Event()
        self.failure: Exception | None = None

    async def run(self, block: anyio.CancelScope) -> None:
        """Stay connected until `goodbye` or cancelled; a failure cancels the program's block."""
        try:
            await self._stay()
        except Exception as error:  # noqa: BLE001  (raised again when the block has ended)
            self.failure = error
            block.cancel()
        finally:
            self._done.set()

    async def _stay(self) -> None:
        failures = 0
        while True:
            try:
                if self._link is None:
                    self._speaker.attempt()
                    self._link = await open_link(self._address, self._options)
                    self._speaker.opened(self._link)
            except ConnectError as error:
                if error.fatal:
                    raise
                log.info("%s", error, extra=about("connect_failed"))
            else:
                if await self._converse(self._link):
                    failures = 0
                self._link = None
            if self._closing:
                return
            await self._pause.wait(backoff(failures))
            failures += 1

    async def _converse(self, link: Link) -> bool:
        """Converse until the link ends; return whether it has stood for as long as the longest pause.

        Until one has, pauses grow, whatever the server says: a client must not keep calling one that hangs up.
        """
        began = anyio.current_time()
        end = await link.run(self._speaker.received)
        self._speaker.lost(end)
        if end.sent_away is not None and not self._closing:
            problem = f"{self._address} sends this client away: {end.reason}"
            raise ConnectError(problem, close_code=end.sent_away)
        if not self._closing:
            text = "connection to %s lost: %s"
            news = end.hung_up and end.reason != self._told
            level = logging.WARNING if news else logging.INFO
            log.log(level, text, self._address, end.reason, extra=about("connection_lost"))
            if news:
                self._told = end.reason
        return anyio.current_time() - began >= LONGEST_PAUSE

    async def goodbye(self) -> None:
        """Close the connection in order, if that does not take long."""
        self._closing = True
        if self._link is not None:
            self._link.close()
            with anyio.move_on_after(GOODBYE_SECONDS, shield=True):
                await self._done.wait()


def backoff(failures: int) -> float:
    """Return a pause in seconds, evenly spread between nothing and a bound that doubles ("full jitter").

    So the clients of a restarted server do not all come back at once.
    """
    bound = min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(failures, _DOUBLINGS)))
    return random.random() * bound  # noqa: S311  (no secret)
