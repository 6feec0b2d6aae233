"""Three Galera nodes of the tests' own, each a `MariaDb` with a folder and ports of its own on 127.0.0.1.

A node that was killed finds its position in its data and gets what it lacks from another one, or all of it
(`wsrep_sst_copy`). The environment variable SHAREDSTATE_TEST_GALERA names another provider library.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.ports import free_port

from .mariadb import SECONDS, MariaDb, make_template

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NODES: Final = 3

_PLACES: Final = ("/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so")


def provider() -> str:
    """Return the path of Galera's library."""
    for place in (os.environ.get("SHAREDSTATE_TEST_GALERA", ""), *_PLACES):
        if Path(place).is_file():
            return place
    raise AssertionError("Galera's library is missing; as root: apt-get install galera-4")


class Node(MariaDb):
    """One node; it is in the cluster after `start`."""

    def restart(self) -> None:
        """Start it after a kill, with what it has."""
        found = subprocess.run(
            self.command("--wsrep-recover"), check=True, capture_output=True, timeout=SECONDS
        )
        position = re.search(rb"Recovered position: (\S+)", found.stderr)
        assert position, found.stderr.decode(errors="replace")[-3000:]
        self.start(f"--wsrep-start-position={position[1].decode()}")

    @property
    def is_synced(self) -> bool:
        """Whether it is in a cluster that has a majority, and has caught up with it."""
        names = "'wsrep_ready', 'wsrep_cluster_status', 'wsrep_local_state_comment'"
        rows = self.sql(f"SHOW STATUS WHERE variable_name IN ({names})")
        return sorted(value for _, value in rows) == ["ON", "Primary", "Synced"]

    def isolate(self) -> None:
        """Cut it off from the other nodes; its clients still reach it."""
        self.sql("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'")

    def rejoin(self) -> None:
        """End that."""
        self.sql("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'")

    def wait_alone(self) -> None:
        """Wait until it knows that it has no majority."""
        deadline = time.monotonic() + SECONDS
        while self.is_synced:
            assert time.monotonic() < deadline, "it still has one"
            time.sleep(0.05)

    @property
    def sees(self) -> int:
        """How many nodes its cluster has."""
        ((_, size),) = self.sql("SHOW STATUS LIKE 'wsrep_cluster_size'")
        return int(size)


def _options(number: int, ports: list[int]) -> list[str]:
    provided = {
        "gmcast.listen_addr": f"tcp://127.0.0.1:{ports[number]}",
        "ist.recv_addr": f"127.0.0.1:{free_port()}",
        "gcache.size": "64M",
        "gcache.recover": "yes",
        # Short enough for a test that waits for them, long enough for a machine that does other things, too.
        "evs.suspect_timeout": "PT4S",
        "evs.inactive_timeout": "PT10S",
    }
    return [
        "--wsrep-on=ON",
        f"--wsrep-provider={provider()}",
        f"--wsrep-provider-options={';'.join(f'{key}={value}' for key, value in provided.items())}",
        "--wsrep-cluster-name=tests",
        f"--wsrep-cluster-address=gcomm://{','.join(f'127.0.0.1:{port}' for port in ports)}",
        f"--wsrep-node-name=node{number}",
        f"--wsrep-node-address=127.0.0.1:{ports[number]}",
        "--wsrep-sst-method=copy",
        "--wsrep-slave-threads=2",
        # A node that has missed to abort what is in the way of another node's commit looks again after this time.
        "--innodb-lock-wait-timeout=1",
        "--binlog-format=ROW",
        "--innodb-autoinc-lock-mode=2",
    ]


def settled(nodes: Sequence[Node]) -> None:
    """Wait until these are a cluster, all in step."""
    deadline = time.monotonic() + SECONDS
    while not all(node.is_synced and node.sees == len(nodes) for node in nodes):
        assert time.monotonic() < deadline, "they do not find together"
        time.sleep(0.05)


@contextmanager
def cluster(folder: Path) -> Iterator[list[Node]]:
    """Run three nodes in a folder; they are gone at the end of the block."""
    template = make_template(folder)
    ports = [free_port() for _ in range(NODES)]
    nodes: list[Node] = []
    try:
        for number in range(NODES):
            home = folder / f"node{number}"
            home.mkdir()
            node = Node(template, home, *_options(number, ports))
            nodes.append(node)
            if number:
                node.start()
                continue
            # The others begin with this one's data: then nobody has to send them everything.
            node.start("--wsrep-new-cluster")
            node.stop()
            template = folder / "first"
            shutil.copytree(node.data, template, ignore=shutil.ignore_patterns("galera.cache"))
            node.start("--wsrep-new-cluster")
        settled(nodes)
        yield nodes
    finally:
        for node in nodes:
            node.kill()
