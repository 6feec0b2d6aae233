"""SharedState's server on wsproto and anyio: for asyncio and trio, from the shell or inside a program."""

from .config import Config, load_config, parse_config
from .server import RunningServer, serve

__all__ = ["Config", "RunningServer", "load_config", "parse_config", "serve"]
