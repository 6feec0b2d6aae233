"""The contract of `Backend` as a suite of cases, for pytest.

Whoever writes a store gives a fixture `backend`, an open and empty one, and inherits the cases:

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

The cases are coroutines. With anyio's pytest plugin (`anyio_mode = "auto"`, or `pytestmark =
pytest.mark.anyio` in the module) they run on asyncio and on trio; a backend that knows asyncio only is
wrapped in `sharedstate_backends.Island`, or the fixture `anyio_backend` is overridden. For failures told in
detail, a conftest calls `pytest.register_assert_rewrite("sharedstate_backends.conformance")` before the
import. What only the store's author can provoke (loss of power, a full disk, restart, a second process) is not
in here: see the package's own tests for examples.
"""

from .conditions import ConditionCases
from .content import ContentCases
from .crowd import CrowdCases
from .cursors import CursorCases
from .model import Model, as_update, check_full, check_since, item_text, path, write_all

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


class BackendConformance(ContentCases, CursorCases, ConditionCases, CrowdCases):
    """Every case; each takes the fixture `backend`, open and empty."""
