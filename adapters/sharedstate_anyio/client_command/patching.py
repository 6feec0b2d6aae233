"""The command `patch`: changes some members of one item."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from sharedstate_anyio.client import ConnectionLostError, RequestError

from .failures import BAD_INPUT, FAILED, CommandError, is_in_doubt
from .lines import parse_line
from .session import answered, connecting, session

if TYPE_CHECKING:
    from argparse import Namespace


async def patch(options: Namespace) -> int:
    """Change members of an item as the command line says."""
    url, path = options.target
    text = _text(options.id, options.change, upsert=options.upsert)
    how = connecting(options)
    async with session(url, how) as client:
        try:
            await answered(client, how.patience, client.update(path, patch=[text]))
        except (RequestError, ConnectionLostError) as error:
            status = BAD_INPUT if error.code == "bad_update" else FAILED
            raise CommandError(str(error), status, in_doubt=is_in_doubt(error)) from None
    return 0


def _text(id: str, change: str, *, upsert: bool) -> bytes:
    """Return the JSON text of the patch, with numbers as they were given."""
    text = parse_line(1, os.fsencode(change)).text
    members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    if "id" in members:
        raise CommandError("the change has an id; give it before the change", BAD_INPUT)
    whole: dict[str, object] = {"id": id, **members}
    if upsert:
        whole["upsert"] = True
    return msgspec.json.encode(whole)
