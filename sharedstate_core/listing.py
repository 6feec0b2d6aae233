"""Names that storage has to tell: of an app's collections, and of the services that hold some.

The rules:

1. A listing is one operation of one storage. Its outcome comes once, also when nobody waits for it any more.
2. A request that asks several storages is answered when all of them have told theirs. One that fails fails it: an
   answer from the others would look like a whole one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from .effects import C, Effect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .errors import RequestError
    from .request import Request


class Listing(Generic[C]):
    """The names of an app's collections in one service, for one request.

    Args:
        request: to answer.
    """

    __slots__ = ("_request",)

    def __init__(self, request: Request[C]) -> None:
        self._request = request

    def succeeded(self, names: Sequence[str], out: list[Effect[C]]) -> None:
        """Storage has told them."""
        self._request.succeed(names, out)

    def failed(self, error: RequestError, out: list[Effect[C]]) -> None:
        """Storage could not tell them."""
        self._request.fail(error, out)


class Holders(Generic[C]):
    """The services that hold collections of an app, for one request.

    Args:
        request: to answer.
        services: all there are.
    """

    __slots__ = ("_error", "_found", "_request", "_services", "_waiting")

    def __init__(self, request: Request[C], services: Sequence[str]) -> None:
        self._request = request
        self._services = services
        self._waiting = len(services)
        self._found: set[str] = set()
        self._error: RequestError | None = None

    def listings(self) -> list[tuple[str, Listing[C]]]:
        """Return what is to be asked of each service."""
        return [(service, _Holding(self._request, service, self)) for service in self._services]

    def has_told(
        self, service: str, names: Sequence[str], error: RequestError | None, out: list[Effect[C]]
    ) -> None:
        """One of them has told its names, or could not."""
        self._waiting -= 1
        self._error = self._error or error
        if names:
            self._found.add(service)
        if self._waiting:
            return
        if self._error is not None:
            self._request.fail(self._error, out)
        else:
            self._request.succeed([name for name in self._services if name in self._found], out)


class _Holding(Listing[C]):
    """What one service has to tell to a `Holders`."""

    __slots__ = ("_all", "_service")

    def __init__(self, request: Request[C], service: str, together: Holders[C]) -> None:
        super().__init__(request)
        self._service = service
        self._all = together

    def succeeded(self, names: Sequence[str], out: list[Effect[C]]) -> None:
        self._all.has_told(self._service, names, None, out)

    def failed(self, error: RequestError, out: list[Effect[C]]) -> None:
        self._all.has_told(self._service, (), error, out)
