"""A list of names in storage: an app's collections, the services that hold any, and the apps.

The rules:

1. A list is read from one service or from several, with one operation of each. The outcome of an operation comes
   exactly once, even if nobody waits for it any more.
2. A list from several services is complete when all of them have answered. If one fails, the list fails: an answer
   from the others would look complete.
3. Whoever asks for a list that is longer than an answer may be, and not for a page of it, is refused: the beginning
   would look like the whole.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Generic, Literal, NamedTuple, TypeAlias

from sharedstate_core.effects import C, Effect, ListApps, ListCollections
from sharedstate_core.errors import RequestError
from sharedstate_core.names import first_names
from sharedstate_core.wire.page import Page

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sharedstate_core.collection.author import Author
    from sharedstate_core.collection.reader import Reader

LISTING_BYTES: Final = 1500
"""Approximate memory that a list takes while somebody waits for it, without its names."""

Kind: TypeAlias = Literal["collections", "apps", "services"]


class Question(NamedTuple):
    """What is asked: those who ask the same get the same answer.

    Attributes:
        kind: of what the names are.
        services: the services to ask.
        app: the app; empty for a list of apps.
        after: the name that the answer follows.
        limit: maximum number of names in the answer.
    """

    kind: Kind
    services: tuple[str, ...]
    app: str
    after: str
    limit: int


class Asked(NamedTuple, Generic[C]):
    """One who has asked, for a page or (unless `in_pages`) for the whole list."""

    author: Author[C]
    in_pages: bool

    @property
    def size(self) -> int:
        """Approximate memory it takes until it is answered, in bytes."""
        return LISTING_BYTES + self.author.size

    def takes(self, page: Page) -> bool:
        """Return whether this page may be its answer."""
        return self.in_pages or not page.more

    def answer(self, page: Page, out: list[Effect[C]]) -> None:
        """Answer with names, or refuse a list that is too long."""
        if self.takes(page):
            self.author.succeed_with_names(page, out)
        else:
            advice = 'ask for them in pages, with an arg such as {"after": ""}'
            problem = f"more than {len(page.names)} names; {advice}"
            self.author.fail(RequestError("too_large", problem), out)


class Listing(Generic[C]):
    """A list that is asked for.

    Args:
        question: what is asked.

    Attributes:
        error: why it has failed, if it has.
    """

    def __init__(self, question: Question) -> None:
        self.question = question
        self.error: RequestError | None = None
        self._asked: dict[Reader[C] | None, deque[Asked[C]]] = {}
        self._found: dict[str, Sequence[str]] = dict.fromkeys(question.services, ())
        self._missing = len(question.services)
        self._page: Page | None = None

    # --- who has asked ----------------------------------------------------------------------------

    def add(self, asked: Asked[C]) -> None:
        """Add one who has asked."""
        self._asked.setdefault(asked.author.reader, deque()).append(asked)

    def remove(self, reader: Reader[C] | None) -> Iterable[Asked[C]]:
        """Remove and return those who have asked for this reader."""
        return self._asked.pop(reader, ())

    @property
    def is_wanted(self) -> bool:
        """Whether anybody waits for it."""
        return bool(self._asked)

    def readers(self) -> list[Reader[C] | None]:
        """Return the readers for whom it was asked, in order."""
        return list(self._asked)

    # --- what is read -----------------------------------------------------------------------------

    @property
    def reads(self) -> list[ListRead[C]]:
        """What there is to read, from each service; made anew each time, since a list that kept it would be a cycle."""
        return [ListRead(self, service) for service in self.question.services]

    def end(self, service: str, names: Sequence[str], error: RequestError | None) -> bool:
        """Record the names or the error of one service; return whether all of them have answered."""
        self._missing -= 1
        self.error = self.error or error
        self._found[service] = names
        return self._missing == 0

    @property
    def page(self) -> Page:
        """The answer, put together when it is first asked for."""
        if self._page is None:
            question, found = self.question, self._found
            if question.kind == "services":
                self._page = Page([service for service, names in found.items() if names])
            else:
                together = [name for names in found.values() for name in names]
                limit = question.limit
                names = first_names(together, question.after, limit + 1)
                self._page = Page(names[:limit], more=len(names) > limit)
        return self._page


class ListRead(NamedTuple, Generic[C]):
    """What a list needs of one service; the same read of the same list is equal.

    Attributes:
        listing: the list.
        service: the service.
    """

    listing: Listing[C]
    service: str

    @property
    def after(self) -> str:
        """The name that the names follow."""
        question = self.listing.question
        return "" if question.kind == "services" else question.after

    @property
    def limit(self) -> int:
        """Maximum number of names, one more than the answer may hold: whether there is one tells if it goes on."""
        question = self.listing.question
        return 1 if question.kind == "services" else question.limit + 1

    def operation(self, ticket: int) -> ListCollections | ListApps:
        """Return the operation of storage."""
        if self.listing.question.kind == "apps":
            return ListApps(ticket, self.service, self.after, self.limit)
        app = self.listing.question.app
        return ListCollections(ticket, self.service, app, self.after, self.limit)
