"""Listings of names in storage: an app's collections, the services that hold any, and the apps.

The rules:

1. A listing is one operation of one storage. Its outcome comes exactly once, even if nobody waits for it any more.
2. A request that asks several storages is answered when all of them have answered. If one fails, the request fails: an
   answer from the others would look complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from sharedstate_core.effects import C, Effect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sharedstate_core.collection.author import Author
    from sharedstate_core.errors import RequestError


class Listing(Generic[C]):
    """A listing of names in one service, for one author.

    Args:
        author: the author to answer.
    """

    __slots__ = ("_author",)

    def __init__(self, author: Author[C]) -> None:
        self._author = author

    def succeeded(self, names: Sequence[str], out: list[Effect[C]]) -> None:
        """Answer with the names."""
        self._author.succeed(names, out)

    def failed(self, error: RequestError, out: list[Effect[C]]) -> None:
        """Answer with the error."""
        self._author.fail(error, out)


class Together(Generic[C]):
    """Listings of names in several services, combined into one answer for one author.

    Args:
        author: the author to answer.
        services: names of the services to ask.
        combine: makes the answer from the names that each service returned, in the order of `services`.
    """

    __slots__ = ("_author", "_combine", "_error", "_services", "_told", "_waiting")

    def __init__(
        self,
        author: Author[C],
        services: Sequence[str],
        combine: Callable[[Mapping[str, Sequence[str]]], list[str]],
    ) -> None:
        self._author = author
        self._services = services
        self._combine = combine
        self._waiting = len(services)
        self._told: dict[str, Sequence[str]] = dict.fromkeys(services, ())
        self._error: RequestError | None = None

    def listings(self) -> list[tuple[str, Listing[C]]]:
        """Return the listing to request from each service."""
        return [(service, _OneOfThem(self._author, service, self)) for service in self._services]

    def has_told(
        self, service: str, names: Sequence[str], error: RequestError | None, out: list[Effect[C]]
    ) -> None:
        """Record the names or the error of one service, and answer after the last one."""
        self._waiting -= 1
        self._error = self._error or error
        self._told[service] = names
        if self._waiting:
            return
        if self._error is not None:
            self._author.fail(self._error, out)
        else:
            self._author.succeed(self._combine(self._told), out)


class _OneOfThem(Listing[C]):
    """The listing of one service among several."""

    __slots__ = ("_all", "_service")

    def __init__(self, author: Author[C], service: str, together: Together[C]) -> None:
        super().__init__(author)
        self._service = service
        self._all = together

    def succeeded(self, names: Sequence[str], out: list[Effect[C]]) -> None:
        self._all.has_told(self._service, names, None, out)

    def failed(self, error: RequestError, out: list[Effect[C]]) -> None:
        self._all.has_told(self._service, (), error, out)


def holders(told: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the services that returned any names."""
    return [service for service, names in told.items() if names]


def every_name(told: Mapping[str, Sequence[str]]) -> list[str]:
    """Return every name that any service returned, without duplicates, sorted by code point."""
    return sorted({name for names in told.values() for name in names})
