"""A server with two users of different rights, to try out: `sharedstate-anyio --demo-users`.

Their tokens are random and new at each start; they are in the address that is printed, and nowhere else. Only this
machine can connect. So nothing of it can be taken into production by mistake.
"""

from __future__ import annotations

import hashlib
import secrets
import urllib.parse
from typing import TYPE_CHECKING, Final

from sharedstate_anyio.config.config import DEFAULT_DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLES: Final = {"ann": "editor", "bob": "helper"}
"""Who may do everything with the list of tasks, and who may only tick them off."""

RULES: Final = [
    {
        "path": "/demo/*/todo",
        "let": {
            "editor": "user.role == 'editor'",
            "ticks_off": "user.role == 'helper' && new.text == item.text && new.at == item.at",
        },
        "read": "user != null",
        "insert": "editor",
        "update": "editor || ticks_off",
        "remove": "editor",
        "admin": True,
    },
    {"path": "/*/*/*", "read": True, "write": True, "list": True},
]
"""Whoever is refused is told the rule, since `admin` holds for everybody: that is for a demonstration only."""


class DemoUsers:
    """Two users, with tokens of this start.

    Attributes:
        document: a configuration like the embedded default, in which they are known.
    """

    def __init__(self) -> None:
        self._tokens = {id: secrets.token_urlsafe() for id in ROLES}
        keys = [
            {
                "sha256": hashlib.sha256(self._tokens[id].encode()).hexdigest(),
                "user": {"id": id, "role": role},
            }
            for id, role in ROLES.items()
        ]
        self.document: Mapping[str, object] = {
            **DEFAULT_DOCUMENT,
            "auth": {"keys": keys},
            "rules": RULES,
        }

    def page(self, url: str) -> str:
        """Return the address to open, with both tokens behind `#`, which no browser sends to any server.

        Args:
            url: that of the server.
        """
        return f"{url}pages/todo.html#{urllib.parse.urlencode(self._tokens)}"
