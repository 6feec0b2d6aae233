"""Names that storage has to tell: of an app's collections, of the services that hold some, and of apps.

The rules:

1. A listing is one operation of one storage. Its outcome comes once, also when nobody waits for it any more.
2. A request that asks several storages is answered when all of them have told theirs. One that fails fails it: an
   answer from the others would look like a whole one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from sharedstate_core.effects import C, Effect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sharedstate_core.collection.author import Author
    from sharedstate_core.errors import RequestError


class Listing(Generic[C]):
    """Names in one service, for one author.

    Args:
        author: to answer.
    """

    __slots__ = ("_author",)

    def __init__(self, author: Author[C]) -> None:
        self._author = author

    def succeeded(self, names: Sequence[str], out: list[Effect[C]]) -> None:
        """Storage has told them."""
        self._author.succeed(names, out)

    def failed(self, error: RequestError, out: list[Effect[C]]) -> None:
        """Storage could not tell them."""
        self._author.fail(error, out)


class Together(Generic[C]):
    """What several services have to tell, for one author.

    Args:
        author: to answer.
        services: which.
        combine: makes the answer of what each of them has told, which is in the order of `services`.
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
        """Return what is to be asked of each service."""
        return [(service, _OneOfThem(self._author, service, self)) for service in self._services]

    def has_told(
        self, service: str, names: Sequence[str], error: RequestError | None, out: list[Effect[C]]
    ) -> None:
        """One of them has told its names, or could not."""
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
    """What one service has to tell."""

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
    """Return the services that have told something."""
    return [service for service, names in told.items() if names]


def every_name(told: Mapping[str, Sequence[str]]) -> list[str]:
    """Return each name that any of them has told, sorted by code point."""
    return sorted({name for names in told.values() for name in names})
