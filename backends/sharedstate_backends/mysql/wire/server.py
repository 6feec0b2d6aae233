"""Identifies the database server and its start: it may have lost acknowledged data.

A store notes both in its meta data. Another server than the noted one may lack some of its data; so may one that was
restarted since, if it does not wait for the disk at every commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .compound import Rows

_VARIABLES: Final = (
    "'wsrep_on', 'server_uid', 'server_uuid', 'innodb_flush_log_at_trx_commit', 'log_bin', "
    "'sync_binlog'"
)

_STATUS: Final = "'Uptime', 'wsrep_cluster_state_uuid'"

QUESTIONS: Final = (
    f"SHOW VARIABLES WHERE variable_name IN ({_VARIABLES})",
    f"SHOW GLOBAL STATUS WHERE variable_name IN ({_STATUS})",
    "SELECT UNIX_TIMESTAMP()",
)
"""The start is computed from their answers; because of rounding it may be off by a second."""

_ROUNDING: Final = 1


class Server(NamedTuple):
    """A database server.

    Attributes:
        identity: a unique name, in Galera that of the whole cluster; empty if unknown.
        start: when it was started, in seconds since the Unix epoch; 0 in Galera, where the other nodes go on.
        is_durable: whether a commit waits for the disk, and for the binary log if there is one.
        is_galera: whether it is a node of a Galera cluster.
    """

    identity: str = ""
    start: int = 0
    is_durable: bool = True
    is_galera: bool = False

    @classmethod
    def of(cls, answers: Sequence[Rows]) -> Server:
        """Return the server described by the answers to `QUESTIONS`."""
        variables, status = ({name.lower(): value for name, value in rows} for rows in answers[:2])
        (((now,),),) = answers[2:]
        # After a power loss, transactions missing from the binary log are rolled back.
        is_durable = variables["innodb_flush_log_at_trx_commit"] == "1" and (
            variables["log_bin"] == "OFF" or variables["sync_binlog"] == "1"
        )
        if variables.get("wsrep_on") == "ON":
            cluster = status.get("wsrep_cluster_state_uuid", "")
            identity = f"galera {cluster}" if cluster.strip("0-") else ""
            return cls(identity, 0, is_durable, is_galera=True)
        identity = variables.get("server_uid") or variables.get("server_uuid") or ""
        return cls(identity, int(now) - int(status["uptime"]), is_durable)

    def is_same_as(self, other: Server | None) -> bool:
        """Return whether this is the same server, not restarted since."""
        return (
            other is not None
            and self._replace(start=other.start) == other
            and abs(self.start - other.start) <= _ROUNDING
        )


def doubts(server: Server, noted: Mapping[str, str], *, is_opening: bool) -> str:
    """Return why the server may have lost acknowledged data, in words; empty if it has not.

    Args:
        server: the one that answers now.
        noted: what `notes` returned for the last one.
        is_opening: whether the store is just being opened.
    """
    if server.identity and noted.get("server", server.identity) != server.identity:
        return "it is another database server than before, which may lack what that one had"
    if server.is_galera:  # no start shows whether all nodes lost power at once
        relaxed = not server.is_durable and is_opening
    else:
        relaxed = not server.is_durable or noted.get("durable") == "no"
        relaxed &= abs(server.start - int(noted.get("start", -9))) > _ROUNDING
    if relaxed:
        return (
            "it was started anew, and it does not wait for the disk at every commit "
            "(innodb_flush_log_at_trx_commit, sync_binlog)"
        )
    return ""


def notes(server: Server, noted: Mapping[str, str], *, is_opening: bool) -> dict[str, str]:
    """Return what remains to be noted about a server.

    A durable one may be read-only for a while; its start is only noted when the store is opened.
    """
    wanted = {"durable": "yes" if server.is_durable else "no"}
    if server.identity:
        wanted["server"] = server.identity
    same_start = abs(server.start - int(noted.get("start", -9))) <= _ROUNDING
    if not (server.is_galera or same_start) and (is_opening or not server.is_durable):
        wanted["start"] = str(server.start)
    return {name: value for name, value in wanted.items() if noted.get(name) != value}
