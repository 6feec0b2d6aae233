"""Views: parts of a collection, by what a client asks for. A server tells in its session which of it it knows."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from sharedstate_core.arguments import check_number, check_text, expect, found

from .canonical import canonical, short_name

At: TypeAlias = tuple[int, int]
"""Where an item stands in the order of its collection: when it was created, and as which of those then."""

FEATURES: Final = {"where": "where", "last": "last", "fields": "fields", "before": "last"}
"""The feature that a server needs for each member of a request."""


class Key(NamedTuple):
    """What tells the subscriptions of one client apart.

    Attributes:
        path: of the collection, in normal form.
        view: the subscription's name, beside others of that collection; None for that without one.
    """

    path: str
    view: str | None = None


class Filter(NamedTuple):
    """What of a collection is asked for; made by `make_filter`.

    Attributes:
        where: canonical JSON text of the filter that holds for each item; None for all items.
        last: how many items at most: the newest; None for any number.
        fields: the members that are shown, beside `id`; None for all.
        view: the name of a subscription to it, beside others of the same collection.
    """

    where: bytes | None = None
    last: int | None = None
    fields: tuple[str, ...] | None = None
    view: str | None = None

    @property
    def is_part(self) -> bool:
        """Whether it asks for a part of a collection."""
        return self._replace(view=None) != WHOLE

    @property
    def may_hide(self) -> bool:
        """Whether it may leave out anything of a collection: all do but `{}`, which holds for every item."""
        return self._replace(view=None) not in {WHOLE, Filter(b"{}")}

    @property
    def text(self) -> str:
        """Canonical JSON text, without `view`."""
        parts = [
            None if self.fields is None else f'"fields":{canonical("fields", self.fields)}',
            None if self.last is None else f'"last":{self.last}',
            None if self.where is None else f'"where":{self.where.decode()}',
        ]
        return f"{{{','.join(filter(None, parts))}}}"

    @property
    def name(self) -> str | None:
        """The name that clients give to a view with this filter; None if nothing is left out."""
        return short_name(self.text) if self.is_part else None

    def unknown_to(self, features: Collection[str] | None) -> bool:
        """Return whether a server with these features does not know all of it; None: they are not known yet."""
        asked = [name for name in ("where", "last", "fields") if getattr(self, name) is not None]
        return exceeds(asked, features)


WHOLE: Final = Filter()
"""All of a collection."""


def make_filter(
    where: object = None,
    last: int | None = None,
    fields: object = None,
    view: str | None = None,
) -> Filter:
    """Return what is asked for, after checking that it can be sent; the server checks the rest.

    Args:
        where: a mapping of JSON values; None for all items.
        last: a whole number from 1; None for any number.
        fields: names, in a list or a tuple; None for all members.
        view: a name; None for none.

    Raises:
        TypeError: something has another type.
        ValueError: `last` is less than 1, or a name is not Unicode text.
        RequestError: `bad_message`: `where` is not JSON; the message names the place.
    """
    text = None
    if where is not None:
        if not isinstance(where, Mapping):
            raise TypeError(f"where: expected a mapping, found {found(where)}")
        text = canonical("where", where).encode()
    check_number("last", last, 1, optional=True)
    names = None
    if fields is not None:
        if isinstance(fields, str | bytes) or not isinstance(fields, Sequence):
            raise TypeError(f"fields: expected a list of names, found {found(fields)}")
        names = tuple(fields)
        for index, name in enumerate(names):
            check_text(f"fields[{index}]", name, "a")
    if view is not None:
        expect("view", view, str)
        check_text("view", view, "a")
    return Filter(text, last, names, view)


def exceeds(asked: Iterable[str], features: Collection[str] | None) -> bool:
    """Return whether any of these members of a request needs a feature that is not there; None: not known yet."""
    if features is None:
        return False
    return any(name in FEATURES and FEATURES[name] not in features for name in asked)


def features_of(said: Any) -> frozenset[str]:
    """Return the features that a server has named; what is no list of names names none."""
    return (
        frozenset(each for each in said if isinstance(each, str))
        if isinstance(said, list)
        else frozenset()
    )
