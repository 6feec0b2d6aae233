"""The contract of `Backend` as a test suite for pytest.

The author of a store provides a fixture `backend`, open and empty, and inherits the cases:

```python
import pytest
from sharedstate_backends.conformance import BackendConformance


@pytest.fixture
async def backend():
    backend = MyBackend()
    await backend.open()
    yield backend
    await backend.close()


class TestMyBackend(BackendConformance):
    pass
```

A store that keeps its data adds a fixture `reopen`: a coroutine function, each call of which opens another backend
on the data of the current case, empty at first. Without it the cases about what survives `close` are skipped.

```python
@pytest.fixture
def reopen(tmp_path):
    async def open_again():
        backend = MyBackend(tmp_path / "data")
        await backend.open()
        return backend

    return open_again
```

Further fixtures, without which their cases are skipped:

- `forgetful`: an open and empty backend that keeps only a few tombstones, and so has a horizon.
- `wipe`: a coroutine function that deletes all data while no backend is open.
- `set_back`: a coroutine function that takes a copy of the data and returns another one, which puts the copy back;
  both under an open backend.

Attributes of the class:

- `keeps_epoch = False`: the store draws an epoch at each `open`, since it cannot know what it lost; versions continue.
- `shares_storage = True`: several backends may use the same data at once.

The cases are coroutines. With anyio's pytest plugin (`anyio_mode = "auto"`, or `pytestmark = pytest.mark.anyio` in the
module) they run on asyncio and on trio; a backend that needs asyncio is wrapped in `sharedstate_backends.Island`, or
the fixture `anyio_backend` is overridden. A failure begins with the broken rule (`rules.Rule`). What only the store's
author can provoke (power loss, a crash, a full disk, a second process) is not tested: `docs/own-service.md` has the
list, and the package's own tests have examples.
"""

import sys

import pytest

_NAMES = (
    "cancelling",
    "checked",
    "conditions",
    "content",
    "volume",
    "cursors",
    "declared",
    "model",
    "optional",
    "patches",
    "receipts",
    "reopening",
    "stepping",
    "trial",
)
_MODULES = [f"{__name__}.{name}" for name in _NAMES]
pytest.register_assert_rewrite(*(name for name in _MODULES if name not in sys.modules))

# Imported only from here on, so that pytest explains failing asserts.
from .cancelling import CancelCases  # noqa: E402
from .conditions import ConditionCases  # noqa: E402
from .content import ContentCases  # noqa: E402
from .cursors import CursorCases  # noqa: E402
from .declared import DeclaredCases  # noqa: E402
from .model import (  # noqa: E402
    Model,
    as_update,
    check_full,
    check_since,
    item_text,
    path,
    write_all,
)
from .optional import OptionalCases  # noqa: E402
from .patches import PatchCases  # noqa: E402
from .receipts import ReceiptCases  # noqa: E402
from .reopening import ReopenCases  # noqa: E402
from .volume import VolumeCases  # noqa: E402

__all__ = [
    "BackendConformance",
    "Model",
    "as_update",
    "check_full",
    "check_since",
    "item_text",
    "path",
    "write_all",
]


class BackendConformance(
    ContentCases,
    CursorCases,
    ConditionCases,
    VolumeCases,
    CancelCases,
    ReopenCases,
    OptionalCases,
    PatchCases,
    ReceiptCases,
    DeclaredCases,
):
    """All cases. Most use the fixture `backend`, open and empty; some the fixture `reopen`, if it exists."""
