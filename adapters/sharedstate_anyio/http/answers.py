"""HTTP answers in progress: an orderly stop waits for them, within limits."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator


class Answers:
    """Counts the answers in progress."""

    def __init__(self) -> None:
        self._count = 0
        self._none = anyio.Event()  # set when none is in progress

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count one until the block ends."""
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._none.set()

    async def wait_none(self) -> None:
        """Return when none is in progress."""
        while self._count:
            self._none = anyio.Event()
            await self._none.wait()
