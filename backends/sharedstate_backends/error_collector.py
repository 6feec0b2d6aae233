"""Errors of a configuration, collected so that all of them are reported at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

from .contract import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")


class ErrorCollector:
    """Collects errors; as a context manager, raises them as one `ConfigurationError` at the end of its block.

    Attributes:
        found: the errors, one mistake each.
    """

    def __init__(self) -> None:
        self.found: list[ConfigurationError] = []

    def add(self, key: str, problem: str) -> None:
        """Collect an error."""
        self.found.append(ConfigurationError(key, problem))

    def attempt(self, read: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T | None:
        """Return what a function returns; collect its `ConfigurationError` and return None if it raises one."""
        try:
            return read(*arguments, **named)
        except ConfigurationError as error:
            self.found += error.each
            return None

    def joined(self) -> ConfigurationError:
        """Return the collected errors, at least one, as one error."""
        first, *others = self.found
        return ConfigurationError(first.key, first.problem, others)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if isinstance(error, ConfigurationError):
            self.found += error.each
            kind = None
        if kind is None and self.found:
            raise self.joined() from None
