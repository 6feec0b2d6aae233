"""Whether storage accepts updates: the probe, and evidence from other operations.

The rules:

1. Only a probe decides that updates cannot be stored: a commit may fail because of its content. Any failed call makes a
   probe due.
2. A commit that stored something counts as a successful probe: a busy service is never probed.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from sharedstate_core import CollectionPath
from sharedstate_core.storage import raises_version

from . import contract_checks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sharedstate_backends import Backend
    from sharedstate_core import CommitResult, Write

HOLDS_SECONDS: Final = 5.0
"""How long a stored update counts as proof, in seconds: SQLite waits as long for a lock."""


async def prove(backend: Backend, service: str) -> None:
    """Probe storage: return if it can be read and, as far as it can tell (`contract.Probing`), written.

    Raises:
        Exception: whatever the storage raises.
    """
    path = CollectionPath("readyz", service, "readyz")
    contract_checks.heads(await contract_checks.call(backend.heads([path]), "heads"))
    probe = getattr(backend, "probe", None)
    if probe is not None:
        await contract_checks.call(probe(), "probe")


class Proof:
    """What is known about one storage so far.

    Attributes:
        failing_since: when the first call after the last stored update failed, on the monotonic clock; None if none
            did.
        last_commit: when a commit last stored something, in seconds since the Unix epoch; 0.0 for never.
        doubted: called at each failure.
    """

    def __init__(self) -> None:
        self._proved = -math.inf
        self.failing_since: float | None = None
        self.last_commit = 0.0
        self.doubted: Callable[[], None] | None = None

    def holds(self) -> bool:
        """Return whether updates could be stored recently and nothing has failed since."""
        return self.failing_since is None and time.monotonic() - self._proved < HOLDS_SECONDS

    def stored(self, began: float) -> None:
        """Note that something was stored by a call that began at a moment."""
        self._proved = max(self._proved, began)
        if self.failing_since is not None and began >= self.failing_since:
            self.failing_since = None

    def committed(self, began: float, writes: Sequence[Write], result: CommitResult) -> None:
        """Note a commit; one that stored nothing is no proof."""
        for write, outcome in zip(writes, result.outcomes, strict=False):
            if raises_version(write, outcome):
                self.last_commit = time.time()
                self.stored(began)
                return

    def failed(self) -> None:
        """Note a failed call, for whatever reason."""
        if self.failing_since is None:
            self.failing_since = time.monotonic()
        if self.doubted is not None:
            self.doubted()
