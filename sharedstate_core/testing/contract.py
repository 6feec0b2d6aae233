"""The error that is raised when a promise of the protocol is broken."""

from __future__ import annotations


class ContractError(AssertionError):
    """The server broke a promise of the protocol."""


def check(promise: object, broken: str) -> None:
    """Raise `ContractError` with `broken` unless `promise` is true."""
    if not promise:
        raise ContractError(broken)
