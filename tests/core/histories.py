"""Random updates over few ids, and a model of a collection too simple to be wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from sharedstate_core import Update

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

IDS = st.sampled_from("pqrstu")


def item(id: str, value: object) -> bytes:
    return json.dumps({"id": id, "value": value}).encode()


def id_of(text: bytes) -> str:
    id = json.loads(text)["id"]
    assert isinstance(id, str)
    return id


UPDATES = st.builds(
    lambda remove, insert, reset: Update(
        tuple(dict.fromkeys(remove)), {id: item(id, value) for id, value in insert}, reset
    ),
    st.lists(IDS, max_size=4),
    st.lists(st.tuples(IDS, st.integers(0, 3)), max_size=4),
    st.sampled_from([False] * 9 + [True]),
)
HISTORIES = st.lists(UPDATES, max_size=14)


class Model:
    """A list of (id, text), changed one step after the other as PROTOCOL.md says."""

    def __init__(self, items: Iterable[tuple[str, bytes]] = ()) -> None:
        self.items = list(items)

    def apply(self, update: Update) -> None:
        if update.reset:
            self.items = []
        self.change(update.remove, update.insert.values())

    def change(self, remove: Iterable[str], insert: Iterable[bytes]) -> None:
        for id in remove:
            self.items = [(other, text) for other, text in self.items if other != id]
        for text in insert:
            id = id_of(text)
            places = [place for place, (other, _) in enumerate(self.items) if other == id]
            if places:
                self.items[places[0]] = (id, text)
            else:
                self.items.append((id, text))


def states_of(history: Sequence[Update]) -> list[list[tuple[str, bytes]]]:
    """Return the state at each version; a no-op is a version like any other here."""
    model = Model()
    states = [list(model.items)]
    for update in history:
        model.apply(update)
        states.append(list(model.items))
    return states
