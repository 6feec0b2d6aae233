"""The event loop and the thread that a client belongs to: used from another one it would hang or race with itself."""

import threading
from typing import Final

import anyio.lowlevel

_ADVICE: Final = (
    "use it where `connect` was entered; a fixture of pytest-asyncio and its tests need the same `loop_scope`, "
    "and another thread goes through `anyio.from_thread`"
)


class LoopAffinity:
    """Where a client was made."""

    def __init__(self) -> None:
        self._loop = anyio.lowlevel.current_token().native_token
        self._thread = threading.get_ident()

    def check(self) -> None:
        """Check that a coroutine runs here.

        Raises:
            RuntimeError: it runs in another event loop.
        """
        if anyio.lowlevel.current_token().native_token is not self._loop:
            raise RuntimeError(f"this client belongs to another event loop: {_ADVICE}")

    def check_thread(self) -> None:
        """Check that a plain function, which may run while the loop does not, runs in its thread.

        Raises:
            RuntimeError: it runs in another thread.
        """
        if threading.get_ident() != self._thread:
            raise RuntimeError(f"this client belongs to another thread: {_ADVICE}")
