"""Checks of folders to serve: they are readable and hold nothing private, such as keys and databases."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sharedstate_backends.error_collector import ErrorCollector

from .document import join, shown
from .folders import PLACE, refuse_inside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .config import Config


def check_folders(config: Config) -> None:
    """Check that the folders exist, are readable, and hold nothing private.

    Raises:
        ConfigurationError: one cannot be served.
    """
    private = dict(_private(config))
    with ErrorCollector() as errors:
        for path, folder in config.files.items():
            place = join(PLACE, path)
            if not Path(folder).is_dir():
                errors.add(place, f"there is no folder {shown(str(folder))}; create it")
            elif not os.access(folder, os.R_OK | os.X_OK):
                errors.add(place, f"this user may not read the folder {shown(str(folder))}")
            for what, file in private.items():
                errors.attempt(refuse_inside, place, folder, what, file)


def _private(config: Config) -> Iterator[tuple[str, str]]:
    for service in config.services:
        name, key = service.config.get("db_name"), service.config.get("ssl.key")
        # Not its `description`, which only a built-in service has: others may use the same words.
        if service.config.get("db_type") == "sqlite" and isinstance(name, str):
            yield f"the database of {service.place}", name
        if isinstance(key, str):
            yield f"the key of {service.place}", key
    if config.auth is not None and config.auth.jwt is not None and config.auth.jwt.secret_file:
        yield "the secret of auth.jwt", config.auth.jwt.secret_file
    for listen in config.listen:
        if listen.ssl is not None:
            yield f"the key of {listen.ssl.place}", listen.ssl.key
