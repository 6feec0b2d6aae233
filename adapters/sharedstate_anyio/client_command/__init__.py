"""The command `sharedstate`: collections from the shell, as JSON lines."""

from .main import main

__all__ = ["main"]
