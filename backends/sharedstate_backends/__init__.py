"""Stores for SharedState's services: the contract, SQLite, and a suite of cases for any other store."""

from .contract import (
    Backend,
    ConfigurationError,
    Doubting,
    OutcomeUnknownError,
    StorageError,
)
from .island import Island

__all__ = [
    "Backend",
    "ConfigurationError",
    "Doubting",
    "Island",
    "OutcomeUnknownError",
    "StorageError",
]
