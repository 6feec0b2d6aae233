"""What the server or the client logs as an error fails the test that did not expect it; and what many tests need."""

from __future__ import annotations

import pytest

from sharedstate_anyio.client.net import connector
from tests.support.logged import no_errors_logged
from tests.support.ports import free_port
from tests.support.secure import authority

__all__ = ["authority", "no_errors_logged", "port", "short_pauses"]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests need not wait: pauses are bounded by a tenth of a second."""
    monkeypatch.setattr(connector, "LONGEST_PAUSE", 0.1)


@pytest.fixture
def port() -> int:
    """Return a port that is free."""
    return free_port()
