"""The keys of an entry, and what the expression of each may look at."""

from __future__ import annotations

from typing import Final

VALUES: Final = ("user", "item", "new", "now", "session")
"""What expressions may look at, beside the variables of the path and the names of `let`."""

ALLOWED: Final[dict[str, frozenset[str]]] = {
    "read": frozenset({"user", "item"}),
    "list": frozenset({"user"}),
    "admin": frozenset({"user"}),
    "insert": frozenset({"user", "new", "now", "session"}),
    "update": frozenset({"user", "item", "new", "now", "session"}),
    "remove": frozenset({"user", "item", "now", "session"}),
    "stamp": frozenset({"user", "now", "session"}),
}
"""Which of `VALUES` each key may look at."""

WRITES: Final = ("insert", "update", "remove")
"""What `write` stands for, where it is not given by itself."""

RIGHTS: Final = ("read", *WRITES, "list", "admin")
"""The keys whose value is an expression."""

KEYS: Final = ("path", "let", "read", "write", *WRITES, "list", "admin", "stamp")
"""All keys."""

_REASONS: Final = {
    ("insert", "item"): "before an insert there is no `item`",
    ("remove", "new"): "after a removal there is no `new` item",
    ("read", "new"): "what may be read is what is stored: `item`",
    ("read", "now"): "what may be read cannot depend on the time",
    ("read", "session"): "what may be read cannot depend on the session",
    ("list", "item"): "names are listed whatever the items are",
    ("admin", "item"): "who is an admin cannot depend on items",
    ("stamp", "item"): "a stamp cannot depend on items",
    ("stamp", "new"): "a stamp cannot depend on items",
}


def why_not(key: str, name: str) -> str:
    """Return why the expression of a key may not look at a name, in words."""
    return _REASONS.get((key, name)) or f"`{name}` is not known in `{key}`"
