"""Reads and a batch that depends on them."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from sharedstate_core import Condition, Cursor, RequestError, Update, compose

from .values import ItemLike, ItemT_co


class Transaction(Mapping[str, ItemT_co]):
    """A dataset as it was when the transaction began, with the transaction's own updates: a mapping from id to item.

    Attributes:
        cursor: the state it began with.
        batch: the updates so far, as one.
        over: whether its function or block has ended; nothing can be added then.
    """

    def __init__(
        self,
        texts: Mapping[str, bytes],
        cursor: Cursor | None,
        loads: Callable[[bytes], ItemT_co],
        make: Callable[..., Update],
    ) -> None:
        if cursor is None:
            problem = "this server has no versions, and so no conditional updates"
            raise RequestError("bad_message", problem)
        self.cursor = cursor
        self.batch = Update()
        self.over = False
        self._texts = dict(texts)
        self._loads = loads
        self._make = make
        self._read: dict[str, None] = {}
        self._read_all = False

    @property
    def condition(self) -> Condition | None:
        """The condition of the update: what was read must not have changed."""
        if self._read_all:
            return Condition(self.cursor)
        return Condition(self.cursor, tuple(self._read)) if self._read else None

    def get_item(self, id: str) -> ItemT_co | None:
        """Return an item, or None if there is none of that id."""
        self._read[id] = None
        text = self._texts.get(id)
        return None if text is None else self._loads(text)

    def get_items(self) -> list[ItemT_co]:
        """Return all items, in order."""
        self._read_all = True
        return [self._loads(text) for text in self._texts.values()]

    def __getitem__(self, id: str) -> ItemT_co:
        self._read[id] = None
        return self._loads(self._texts[id])

    def __contains__(self, id: object) -> bool:
        if isinstance(id, str):
            self._read[id] = None
        return id in self._texts

    def __len__(self) -> int:
        self._read_all = True
        return len(self._texts)

    def __iter__(self) -> Iterator[str]:
        self._read_all = True
        return iter(list(self._texts))

    def update(
        self,
        *,
        insert: Iterable[ItemLike] = (),
        remove: Iterable[str] = (),
        reset: bool = False,
    ) -> None:
        """Add to the batch; later reads show it. The arguments are those of `Dataset.update`.

        Raises:
            RequestError: `bad_update`: an item or an id is invalid, the dataset has `fields` and something is
                inserted, or the transaction is over.
            TypeError: `insert` or `remove` is not a list, or `reset` is not a bool.
        """
        if self.over:
            raise RequestError("bad_update", "the transaction is over")
        update = self._make(insert, remove, reset=reset)
        self.batch = compose(self.batch, update)
        if update.reset:
            self._texts.clear()
        for id in update.remove:
            self._texts.pop(id, None)
        self._texts.update(update.insert)
