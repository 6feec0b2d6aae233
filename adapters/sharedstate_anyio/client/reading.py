"""What is read from the server once: items, pages of them, names."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, Generic, Literal, TypeVar, overload

import msgspec

from sharedstate_core import parse_collection_path
from sharedstate_core.arguments import check_number
from sharedstate_core.client import Filter, make_filter
from sharedstate_core.client.encoding import encode_read
from sharedstate_core.paths import split_path

from . import values
from .client_hub import ClientHub
from .parts import Page, Place, Where, check_place
from .values import ItemT_co, Reader, check_loads

T = TypeVar("T")

NOTHING: Final = b"null"

_COLLECTION_SEGMENTS: Final = 3
_texts = msgspec.json.Decoder(list[msgspec.Raw])
_names = msgspec.json.Decoder(list[str])


class Reads(Generic[ItemT_co]):
    """The part of a `Client` that reads once.

    Args:
        hub: sends the requests.
        loads: makes an item from its JSON text.
    """

    def __init__(self, hub: ClientHub, loads: Callable[[bytes], ItemT_co]) -> None:
        self._hub = hub
        self._loads = loads

    @overload
    async def get(self, path: Literal["/"]) -> list[str]: ...

    @overload
    async def get(self, path: Literal["/clock"]) -> float: ...

    @overload
    async def get(
        self,
        path: str,
        *,
        where: Where | None = None,
        last: int | None = None,
        fields: Sequence[str] | None = None,
        before: Place | None = None,
    ) -> Any: ...

    @overload
    async def get(
        self,
        path: str,
        *,
        where: Where | None = None,
        last: int | None = None,
        fields: Sequence[str] | None = None,
        before: Place | None = None,
        loads: Callable[[bytes], T],
    ) -> T: ...

    async def get(
        self,
        path: str,
        *,
        where: Where | None = None,
        last: int | None = None,
        fields: Sequence[str] | None = None,
        before: Place | None = None,
        loads: Callable[[bytes], Any] | None = None,
    ) -> Any:
        """Read something from the server, once.

        Args:
            path: `/app/service/collection`: a list of items, as the client's `loads` makes them; `/app/service`: names
                of collections (`too_large` if there are very many, see `pages`); `/app`: names of services that hold
                some of the app; `/`: names of services; `/clock`: the server's time, in seconds since the Unix epoch.
            where: of a collection, only the items for which this filter holds; see `Where`.
            last: only so many of them: those that were inserted last.
            fields: only these members of each item, and `id`.
            before: only items before this place in the order; see `page`.
            loads: makes the result from the JSON text of the whole answer instead, which also gives its type.

        Raises:
            RequestError, ConnectionLostError, ClosedError: as `Dataset.update`; `bad_message` if the answer is not a
                list of items; as `acquire` for a filter.
            TypeError, ValueError: as `acquire`; a filter, but the path is not that of a collection.
        """
        if loads is not None:
            check_loads(loads)
        asked = make_filter(where, last, fields)
        segments = split_path(path)
        is_collection = len(segments) == _COLLECTION_SEGMENTS
        path = "/" + "/".join(segments)
        arg = _arg(asked, before)
        if arg != NOTHING and not is_collection:
            raise ValueError(f"{path}: where, last, fields and before are for a collection")
        answer = await self._hub.request("GET", path, arg)
        if loads is not None:
            return loads(answer)
        return self._items(path, answer) if is_collection else values.loads(answer)

    async def page(
        self,
        path: str,
        *,
        where: Where | None = None,
        last: int | None = None,
        fields: Sequence[str] | None = None,
        before: Place | None = None,
    ) -> Page[ItemT_co]:
        """Read a page of a collection, once: with `last`, the newest items, or the newest of those before a place.

        For items that are older than those of a dataset, `before` is its `before`; that of each page is for the next.

        Args:
            path: `/app/service/collection`.
            where: only items for which this filter holds; see `Where`.
            last: how many at most, 1 to 1000; None for all.
            fields: only these members of each item, and `id`.
            before: only items before this place in the order.

        Raises:
            RequestError, ConnectionLostError, ClosedError, TypeError, ValueError: as `get`.
        """
        path = str(parse_collection_path(path))
        arg = _arg(make_filter(where, last, fields), before)
        answer = await self._hub.ask("GET", path, arg)
        items = self._items(path, answer.data)
        return Page(items, answer.at[0] if answer.at else None, answer.more)

    def _items(self, path: str, answer: bytes) -> list[ItemT_co]:
        texts = values.decoded(answer, _texts.decode, "not a list of items")
        read = Reader(self._loads, path)
        return [read(bytes(text)) for text in texts]

    async def pages(self, path: str, *, limit: int | None = None) -> AsyncIterator[list[str]]:
        """Yield a list of names page by page, however long it is: `async for names in client.pages("/app/service")`.

        Names are sorted by code point. Each page is what is there when it is read.

        Args:
            path: `/app/service`: names of collections; `/apps`: names of apps.
            limit: maximum number of names in a page; None for as many as the server gives.

        Raises:
            ValueError: the limit is less than 1.
            RequestError, ConnectionLostError, ClosedError: as `get`; `bad_message` if an answer is no list of names.
        """
        check_number("limit", limit, 1, optional=True)
        path = "/" + "/".join(split_path(path))
        after = ""
        while True:
            arg = msgspec.json.encode({"after": after, "limit": limit})
            answer = await self._hub.request("GET", path, arg)
            found = values.decoded(answer, _names.decode, "not a list of names")
            names = [name for name in found if name > after]
            if (
                not names
            ):  # also from a server that knows no pages, and has given all of them at once
                return
            yield names
            after = max(names)


def _arg(asked: Filter, before: Place | None) -> bytes:
    """Return the argument of a `GET` for a part of a collection; `NOTHING` for all of it."""
    if before is not None:
        check_place(before)
    elif not asked.is_part:
        return NOTHING
    return encode_read(asked, before)
