"""A set of public keys that its issuer publishes, kept up to date in the background.

1. It is loaded at the start, every `REFRESH_SECONDS`, and for a token whose key is not in it, but then at most once in
   `PAUSE_SECONDS`: strangers can invent keys.
2. One task loads it, whoever waits; one load at a time.
3. If it cannot be loaded, what there was stays in force. What a newer set does not hold is dropped.
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import anyio
import msgspec

from sharedstate_anyio.logs.events import about

from .identity import Unauthenticated, Voucher

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger("sharedstate")

K = TypeVar("K", bound=Voucher)

REFRESH_SECONDS: Final = 300.0
PAUSE_SECONDS: Final = 10.0
LOAD_SECONDS: Final = 5.0
"""How long a load may take."""
WAIT_SECONDS: Final = 8.0
"""How long a token waits for a load."""
MAX_KEYS: Final = 100


class KeySet(Generic[K]):
    """The keys in force.

    Args:
        load: returns the set, as JSON text (RFC 7517, section 5).
        make: makes a key of an entry; a `ValueError` says that it cannot be used.
        place: its place in the configuration, for the log.
        clock: seconds, monotonic.
        dropped: called when a key is not in force any more.
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[bytes]],
        make: Callable[[dict[str, Any]], K],
        place: str,
        clock: Callable[[], float] = time.monotonic,
        dropped: Callable[[], None] | None = None,
    ) -> None:
        self._load = load
        self._make = make
        self._place = place
        self._dropped = dropped
        self._clock = clock
        self._keys: dict[str | None, list[K]] = {}
        self._by_text: dict[bytes, K] = {}
        self._began = -math.inf
        self._loaded: anyio.Event | None = None  # set at the end of the load that is asked for
        self._asked: anyio.Event | None = None  # while the task rests
        self._current = False  # whether the last load has succeeded
        self._told = False  # whether it was logged that something is wrong

    async def run(self) -> None:
        """Keep the set up to date, until cancelled."""
        try:
            while True:
                if self._loaded is None:
                    self._loaded = anyio.Event()
                self._began = self._clock()
                self._tell(await self.refresh())
                self._end_load()
                self._asked = anyio.Event()
                with anyio.move_on_after(REFRESH_SECONDS if self._current else PAUSE_SECONDS):
                    await self._asked.wait()
                self._asked = None
        finally:
            self._end_load()

    def _end_load(self) -> None:
        if self._loaded is not None:
            self._loaded.set()
            self._loaded = None

    async def find(self, kid: str | None) -> K:
        """Return the key with this name; without a name, the only one.

        Raises:
            Unauthenticated: there is none; `unavailable` if there might be one.
        """
        key = self._find(kid)
        if key is None:
            await self._newer()
            key = self._find(kid)
        if key is not None:
            return key
        if not self._current:
            problem = "the keys that verify tokens cannot be fetched at the moment"
            raise Unauthenticated("unavailable", problem)
        if kid is None and self._by_text:
            raise Unauthenticated("invalid", "the head of the token does not say which key it is")
        raise Unauthenticated("invalid", "the key that has signed the token is not known")

    def _find(self, kid: str | None) -> K | None:
        found = self._keys.get(kid, []) if kid is not None else list(self._by_text.values())
        return found[0] if len(found) == 1 else None

    async def _newer(self) -> None:
        """Wait for the load that is under way, or for another one if it is time."""
        if self._loaded is None:
            if self._clock() - self._began < PAUSE_SECONDS:
                return
            self._loaded = anyio.Event()
            if self._asked is not None:
                self._asked.set()
        with anyio.move_on_after(WAIT_SECONDS) as waiting:
            await self._loaded.wait()
        if waiting.cancelled_caught:
            raise Unauthenticated("unavailable", "the keys that verify tokens are being fetched")

    async def refresh(self) -> str | None:
        """Load the set once; return what is wrong, None if nothing is. For `run`, and for a check."""
        try:
            with anyio.fail_after(LOAD_SECONDS):
                text = await self._load()
            self._replace(_entries(text))
        except TimeoutError:
            self._current = False
            return f"it did not come within {LOAD_SECONDS:g} s"
        except Exception as error:  # noqa: BLE001  (whatever a provider does must not end the server)
            self._current = False
            return str(error) or type(error).__name__
        self._current = True
        return None if self._by_text else "it holds no key that can be used here"

    def drop(self) -> None:
        """Let no key be in force any more; whoever calls this knows that."""
        for key in self._by_text.values():
            key.alive = False

    def _tell(self, problem: str | None) -> None:
        """Log that something is wrong, or not any more: once each."""
        if problem is not None and not self._told:
            count = len(self._by_text)
            kept = "; those that were there stay in force" if count and not self._current else ""
            fields = about("keys_failed", keys=count)
            log.warning("%s: %s%s", self._place, problem, kept, extra=fields)
        elif problem is None and self._told:
            log.info("%s: the keys are up to date again", self._place, extra=about("keys_back"))
        self._told = problem is not None

    def _replace(self, entries: list[dict[str, Any]]) -> None:
        """Put these keys in force; those that are the same stay the same objects, the others are dropped."""
        by_text: dict[bytes, K] = {}
        by_kid: dict[str | None, list[K]] = {}
        for entry in entries:
            text = msgspec.json.encode(entry, order="sorted")
            key = by_text.get(text) or self._by_text.get(text)
            if key is None:
                try:
                    key = self._make(entry)
                except ValueError:  # of another kind, or for another purpose
                    continue
            if text not in by_text:
                by_text[text] = key
                kid = entry.get("kid")
                by_kid.setdefault(kid if isinstance(kid, str) else None, []).append(key)
        gone = [key for text, key in self._by_text.items() if text not in by_text]
        self._by_text, self._keys = by_text, by_kid
        for key in gone:
            key.alive = False
        if gone and self._dropped is not None:
            self._dropped()


def _entries(text: bytes) -> list[dict[str, Any]]:
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise ValueError("it is no JSON") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("it is no key set: it has no list of keys")  # noqa: TRY004  (of a document)
    if len(entries) > MAX_KEYS:
        raise ValueError(f"it holds more than {MAX_KEYS} keys")
    return [entry for entry in entries if isinstance(entry, dict)]
