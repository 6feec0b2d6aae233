"""SharedState's server on wsproto and anyio: for asyncio and trio, from the shell or inside a program.

`serve` runs a server for the length of an `async with` block; `sharedstate_anyio.client` is the client.
docs/own-service.md describes how to use both; docs/embedding.md lists what else is public.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sharedstate_backends import ConfigurationError, OutcomeUnknownError, StorageError
    from sharedstate_core import Limits, SharedStateError

    from .config.config import Config, load_config, parse_config
    from .config.hosts import Hosts
    from .config.limits import TransportLimits
    from .config.listeners import Certificates, Listen
    from .config.origins import Origins
    from .config.reload import Reload
    from .config.services import ServiceConfig
    from .net.listening import ListenError
    from .server import RunningServer, serve

    __version__: str

__all__ = [
    "Certificates",
    "Config",
    "ConfigurationError",
    "Hosts",
    "Limits",
    "Listen",
    "ListenError",
    "Origins",
    "OutcomeUnknownError",
    "Reload",
    "RunningServer",
    "ServiceConfig",
    "SharedStateError",
    "StorageError",
    "TransportLimits",
    "__version__",
    "load_config",
    "parse_config",
    "serve",
]

_HOMES = {
    "Certificates": ".config.listeners",
    "Config": ".config.config",
    "ConfigurationError": "sharedstate_backends",
    "Hosts": ".config.hosts",
    "Limits": "sharedstate_core",
    "Listen": ".config.listeners",
    "ListenError": ".net.listening",
    "Origins": ".config.origins",
    "OutcomeUnknownError": "sharedstate_backends",
    "Reload": ".config.reload",
    "RunningServer": ".server",
    "ServiceConfig": ".config.services",
    "SharedStateError": "sharedstate_core",
    "StorageError": "sharedstate_backends",
    "TransportLimits": ".config.limits",
    "load_config": ".config.config",
    "parse_config": ".config.config",
    "serve": ".server",
}


def __getattr__(name: str) -> object:
    """Import what a server needs on first use: clients, and the command `sharedstate`, do without it."""
    if name == "__version__":
        from .version import full_version  # noqa: PLC0415

        return full_version()
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    """List the lazy names too: `help` and completion look here."""
    return sorted({*globals(), *__all__})
