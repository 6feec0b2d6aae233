"""What all commands do with a configuration that is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from sharedstate_anyio.config.config import load_config
from sharedstate_backends import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from sharedstate_anyio.config.config import Config
    from sharedstate_anyio.logs.console import Console


def configured(console: Console, file: Path | None) -> Config:
    """Return the configuration in a file, None for the embedded default; or end the process."""
    try:
        return load_config(file)
    except ConfigurationError as error:
        refuse(console, error)


def refuse(console: Console, error: ConfigurationError) -> NoReturn:
    """Report all mistakes of the configuration, and end the process."""
    console.fail([str(each) for each in error.each], 2, "configuration_wrong")
