"""A process of its own that migrates copies of a table, each time killed before another statement.

Arguments: the configuration of the table, as JSON, and the number of copies. Copy N, `<db_table>_N`, was killed
before statement N of its migration, rows read counting as one; the last one reached its end. Prints their number.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import anyio

from sharedstate_backends.items_service import get_service
from sharedstate_backends.mysql.wire.connection import Connection

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sharedstate_backends.mysql.wire.compound import Rows

run = Connection.run
stream = Connection.stream
left = 0


def count() -> None:
    global left  # noqa: PLW0603
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1


async def dying(connection: Connection, statements: str, **options: float | None) -> list[Rows]:
    count()
    return await run(connection, statements, **options)


async def dying_stream(
    connection: Connection, query: str, size: int, *, timeout: float
) -> AsyncGenerator[Rows]:
    async for rows in stream(connection, query, size, timeout=timeout):
        count()
        yield rows


async def migrate(config: dict[str, Any]) -> None:
    await get_service(config).migrate(lambda _: None)  # type: ignore[attr-defined]


def migrate_until(config: dict[str, Any], number: int) -> bool:
    """Return whether the migration ended before it was killed."""
    global left  # noqa: PLW0603
    child = os.fork()
    if not child:
        left = number
        Connection.run = dying  # type: ignore[method-assign, assignment]
        Connection.stream = dying_stream  # type: ignore[method-assign, assignment]
        anyio.run(migrate, config | {"db_table": f"{config['db_table']}_{number}"})
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return not os.WIFSIGNALED(status)


def main(config: dict[str, Any], most: int) -> None:
    for number in range(most):
        if migrate_until(config, number):
            print(number + 1)
            return
    raise AssertionError("there are more statements than copies")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), int(sys.argv[2]))
