"""The command `sharedstate-anyio schema`: the JSON Schema of the configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn

from sharedstate_anyio.config.schema import schema

from .options import schema_parser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sharedstate_anyio.logs.console import Console


def schema_command(console: Console, arguments: Sequence[str]) -> NoReturn:  # noqa: ARG001
    """Run `sharedstate-anyio schema`."""
    schema_parser().parse_args(arguments)
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
    raise SystemExit(0)
