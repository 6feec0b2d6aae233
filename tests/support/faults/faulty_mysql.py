"""A service in MariaDB whose process dies at a chosen moment of a commit.

`config`: `store`, as `items_service` is told; `at`, one of `STAGES`. It dies in its transaction number `TRANSACTION`,
or the next one that has this stage.
A transaction has one packet, or two: it locks and reads, then it writes and commits.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from sharedstate_backends.items_service import get_service as get_mysql
from sharedstate_backends.mysql.wire.connection import Connection

from .faulty_sqlite import die

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sharedstate_backends import Backend
    from sharedstate_backends.mysql.wire.compound import Rows

MODULE: Final = __name__
TRANSACTION: Final = 30
OF_ONE_PACKET: Final = ("before it begins", "while it is carried out", "after its end")
OF_TWO_PACKETS: Final = (
    "before BEGIN",
    "while it locks",
    "when it holds the lock",
    "while it commits",
    "after COMMIT",
)
STAGES: Final = (*OF_ONE_PACKET, *OF_TWO_PACKETS)

run = Connection.run


class Death:
    """Counts transactions, by their first packets."""

    def __init__(self, at: str) -> None:
        self._at = at
        self._transactions = 0

    async def run(self, connection: Connection, statements: str, **options: Any) -> list[Rows]:
        begins = statements.startswith("START TRANSACTION; ")
        commits = statements.endswith("; COMMIT") and "INSERT" in statements
        self._transactions += begins
        if self._transactions < TRANSACTION or not (begins or commits):
            return await run(connection, statements, **options)
        if begins and commits:
            before, meanwhile, after = OF_ONE_PACKET
        elif begins:
            before, meanwhile, after = OF_TWO_PACKETS[:3]
        else:
            before, meanwhile, after = (OF_TWO_PACKETS[2], *OF_TWO_PACKETS[3:])
        if self._at == before:
            die()
        asking = asyncio.create_task(run(connection, statements, **options))
        if self._at == meanwhile:
            await asyncio.sleep(0)  # it is sent
            die()
        results = await asking
        if self._at == after:
            die()
        return results


def get_service(config: Mapping[str, object]) -> Backend:
    """Return the store."""
    death = Death(str(config["at"]))

    async def dying(connection: Connection, statements: str, **options: Any) -> list[Rows]:
        return await death.run(connection, statements, **options)

    Connection.run = dying  # type: ignore[method-assign, assignment]
    Connection.is_warm = config["at"] in OF_ONE_PACKET  # type: ignore[method-assign, assignment]
    return get_mysql(cast("Mapping[str, object]", config["store"]))
