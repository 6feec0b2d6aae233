"""SharedState's server on wsproto and anyio: for asyncio and trio, from the shell or inside a program."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import Config, load_config, parse_config
    from .server import RunningServer, serve

__all__ = ["Config", "RunningServer", "load_config", "parse_config", "serve"]


def __getattr__(name: str) -> object:
    """Import what a server needs when somebody asks for it: clients, and the command `sharedstate`, do without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "server" if name in {"RunningServer", "serve"} else "config"
    return getattr(import_module(f"{__name__}.{home}"), name)
