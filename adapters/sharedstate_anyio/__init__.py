"""SharedState's server on wsproto and anyio: for asyncio and trio, from the shell or inside a program."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import Config, load_config, parse_config
    from .server import RunningServer, serve

    __version__: str

__all__ = ["Config", "RunningServer", "__version__", "load_config", "parse_config", "serve"]


def __getattr__(name: str) -> object:
    """Import what a server needs when somebody asks for it: clients, and the command `sharedstate`, do without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "__version__":
        from .version import full_version  # noqa: PLC0415

        return full_version()
    home = "server" if name in {"RunningServer", "serve"} else "config"
    return getattr(import_module(f"{__name__}.{home}"), name)
