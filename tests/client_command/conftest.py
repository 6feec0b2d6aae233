"""What the server logs as an error fails the test that did not expect it; a free port for servers that come back."""

import pytest

from tests.python_client.conftest import port
from tests.support.logged import no_errors_logged
from tests.support.secure import authority

__all__ = ["anyio_backend", "authority", "no_errors_logged", "port"]


@pytest.fixture
def anyio_backend() -> str:
    """Return one loop: the command has its own, always the same, and that of the test does not matter."""
    return "asyncio"
