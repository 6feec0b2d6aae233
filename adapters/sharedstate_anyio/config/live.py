"""The configuration in force, in one holder; a reload replaces it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import Config


class LiveConfig:
    """Holds the configuration in force. Read `now` at the time of use; never keep a copy of its content.

    Attributes:
        now: the configuration, frozen.
    """

    __slots__ = ("now",)

    def __init__(self, now: Config) -> None:
        self.now = now
