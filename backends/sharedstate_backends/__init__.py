"""Stores for SharedState's services: the contract, SQLite, and a suite of cases for any other store.

docs/own-service.md describes how to write one; docs/embedding.md lists which other modules are public.
"""

from .contract import (
    Backend,
    ConfigurationError,
    Doubting,
    KeepingReceipts,
    ListingApps,
    ListingPages,
    OutcomeUnknownError,
    Patching,
    Pruning,
    StorageError,
)
from .island.island import Island
from .perform import perform
from .storage_host import StorageHost

__all__ = [
    "Backend",
    "ConfigurationError",
    "Doubting",
    "Island",
    "KeepingReceipts",
    "ListingApps",
    "ListingPages",
    "OutcomeUnknownError",
    "Patching",
    "Pruning",
    "StorageError",
    "StorageHost",
    "perform",
]
