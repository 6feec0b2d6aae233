"""Which error to tell, of a group that a task group has raised."""

from __future__ import annotations


def first_error(error: BaseException) -> BaseException:
    """Return the first error within a group; any other error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
