"""The configuration in force: one holder of it, in which a reload puts another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import Config


class LiveConfig:
    """What everybody reads when it is needed, and nobody keeps a copy of.

    Attributes:
        now: the configuration in force.
    """

    __slots__ = ("now",)

    def __init__(self, now: Config) -> None:
        self.now = now
