"""What the server or the client logs as an error fails the test that did not expect it."""

from tests.adapters.conftest import no_errors_logged

__all__ = ["no_errors_logged"]
