"""What is left to Python's garbage collector: objects that refer to one another, and that nobody else refers to."""

from __future__ import annotations

import gc
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def no_cycles() -> Iterator[None]:
    """Check that everything the block lets go is freed at once: nothing waits for the garbage collector."""
    gc.collect()
    gc.freeze()  # what was there before need not be looked through
    gc.disable()
    try:
        yield
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        gc.unfreeze()
        gc.collect()
    assert not found, f"left to the garbage collector: {found.most_common()}"
