"""Who has to sign in, and who may do what: what the embedder demands of connections."""

from __future__ import annotations

from dataclasses import dataclass

from sharedstate_core.arguments import check_number, expect
from sharedstate_core.rules.rules import Rules


@dataclass(frozen=True, slots=True)
class Access:
    """What a server that knows its users demands.

    Attributes:
        required: whether a connection may do nothing but sign in, and ask for the time, until it has a user.
        deadline_seconds: with `required`, how long a connection may be without a user before it is closed.
        grace_seconds: how long a connection keeps its user once the user's token has expired.
        rules: who may do what; None for everything.

    Raises:
        TypeError, ValueError: a value is not what it should be.
    """

    required: bool = False
    deadline_seconds: float = 10.0
    grace_seconds: float = 30.0
    rules: Rules | None = None

    def __post_init__(self) -> None:
        expect("required", self.required, bool)
        check_number("deadline_seconds", self.deadline_seconds, 0.001, whole=False)
        check_number("grace_seconds", self.grace_seconds, 0, whole=False)
        if self.rules is not None:
            expect("rules", self.rules, Rules)

    @property
    def limits_anybody(self) -> bool:
        """Whether anybody may do less than everything."""
        return self.required or self.rules is not None


class LiveAccess:
    """What is demanded, read here by all whenever it matters.

    Attributes:
        current: what is in force; None if nobody signs in, and everybody may do everything.
    """

    __slots__ = ("current",)

    def __init__(self, access: Access | None) -> None:
        self.current = access
