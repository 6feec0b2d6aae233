"""The configuration's `files`: the folders to serve, and what must not be in them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sharedstate_backends.contract import ConfigurationError
from sharedstate_backends.error_collector import ErrorCollector

from .document import join, kind, shown

PLACE: Final = "files"

_NAME: Final = r"[^/.\\?#%\u0000-\u001f\u007f-\u009f][^/\\?#%\u0000-\u001f\u007f-\u009f]*"
PATH_PATTERN: Final = f"^/({_NAME}(/{_NAME})*/?)?$"
"""Where a folder may be: `/`, `/docs`, `/docs/`."""

OWN: Final = ("/healthz", "/libs", "/metrics", "/pages", "/readyz")
"""Paths of the server itself: a folder there would be hidden, at least in part."""
OWN_PATTERN: Final = f"^({'|'.join(OWN)})/?$"


def parse_files(value: object, place: str = PLACE) -> dict[str, str]:
    """Return the document's `files`, checked: folders by URL path, which ends with a slash.

    Raises:
        ConfigurationError: it is not an object, or a member does not map a path to a folder, or the path is the
            server's own.
    """
    if not isinstance(value, Mapping):
        problem = f'expected an object such as {{"/": "./public"}}, found {kind(value)}'
        raise ConfigurationError(place, problem)
    folders: dict[str, str] = {}
    with ErrorCollector() as errors:
        for path, folder in value.items():
            where = join(place, str(path))
            if not isinstance(path, str) or not re.fullmatch(PATH_PATTERN, path):
                problem = f'expected a path such as "/" or "/docs/", found {shown(path)}'
                errors.add(where, problem)
                continue
            if re.fullmatch(OWN_PATTERN, path):
                problem = f"the server itself answers at {path.rstrip('/')}; choose another path"
                errors.add(where, problem)
                continue
            name = os.fspath(folder) if isinstance(folder, os.PathLike) else folder
            if not isinstance(name, str) or not name or "\0" in name:
                errors.add(where, f"expected the name of a folder, found {shown(folder)}")
            elif folders.setdefault(f"{path.rstrip('/')}/", name) is not name:
                errors.add(where, "appears twice, with and without a slash; keep one")
    return folders


def check_own_file(files: Mapping[str, str | os.PathLike[str]], file: Path) -> None:
    """Check that the configuration itself is not served: it may hold passwords.

    Raises:
        ConfigurationError: it is in one of the folders.
    """
    with ErrorCollector() as errors:
        for path, folder in files.items():
            place = join(PLACE, path)
            errors.attempt(refuse_inside, place, folder, "this configuration", str(file))


def refuse_inside(place: str, folder: str | os.PathLike[str], what: str, file: str) -> None:
    """Refuse a folder from which this file would be served."""
    if is_served(os.path.realpath(folder), os.path.realpath(file)):
        problem = f"everybody could read {what}, {shown(file)}; serve a folder of its own"
        raise ConfigurationError(place, problem)


def is_served(root: str, file: str) -> bool:
    """Return whether a real path is inside a folder, with no part of its name there starting with a dot."""
    path = Path(file)
    if not path.is_relative_to(root):
        return False
    return not any(part.startswith(".") for part in path.relative_to(root).parts)
