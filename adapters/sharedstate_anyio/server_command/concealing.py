"""What of a configuration stays out of everything that the commands print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharedstate_anyio.config.services import open_words

if TYPE_CHECKING:
    from sharedstate_anyio.config.config import Config
    from sharedstate_anyio.logs.console import Console


def conceal(console: Console, *configs: Config) -> None:
    """Keep the secrets of these configurations, and the tokens that come where they say, out of the output."""
    services = [service for config in configs for service in config.services]
    auths = [config.auth for config in configs if config.auth is not None]
    secrets = [*(dict(each.config) for each in services), *(each.secrets for each in auths)]
    members = [name for each in auths for name in (each.cookie, each.query) if name is not None]
    console.conceal(secrets, open_words(services), members)
