"""A MariaDB of the tests' own: in a temporary folder, on a free port of 127.0.0.1, ended by its process id.

`template` makes the data folder once; each `MariaDb` starts on a copy of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS: Final = 60.0
"""How long a start or an end may take before a test gives up: far more than it ever does."""

ROOT: Final = "root"
DATABASE: Final = "sharedstate"

_SMALL: Final = (
    "--innodb-log-file-size=16M",
    "--innodb-buffer-pool-size=64M",
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
    "--innodb-buffer-pool-load-at-startup=OFF",
    "--innodb-doublewrite=OFF",
    "--aria-pagecache-buffer-size=1M",
    "--key-buffer-size=1M",
    "--performance-schema=OFF",
    "--skip-name-resolve",
    "--skip-log-bin",
)
"""Settings that make it small and quick; commits still wait until the disk has them."""


def _program(name: str) -> str:
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
    found = shutil.which(name, path=path)
    assert found, f"{name} is missing; as root: apt-get install mariadb-server"
    return found


def _user() -> list[str]:
    return ["--user=root"] if os.geteuid() == 0 else []


def make_template(folder: Path) -> Path:
    """Make a data folder with the user `root`, who has no password; return it."""
    data = folder / "template"
    subprocess.run(
        [
            _program("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *_user(),
            *_SMALL,
        ],
        check=True,
        capture_output=True,
        timeout=SECONDS,
    )
    return data


class MariaDb:
    """One server process and its data.

    Attributes:
        port: its port on 127.0.0.1, the same after each start.
        socket: path of its socket.
    """

    def __init__(self, template: Path, folder: Path, *options: str) -> None:
        self._data = folder / "data"
        shutil.copytree(template, self._data)
        self._log = folder / "log"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = str(folder / "socket")
        self.port = free_port()

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

    def config(self, **changes: object) -> dict[str, Any]:
        """Return the `config` of a service in it."""
        return {
            "db_type": "mysql",
            "db_name": DATABASE,
            "db_table": "items",
            "db_host": "127.0.0.1",
            "db_port": self.port,
            "db_user": ROOT,
            "db_password": "",
            **changes,
        }

    def start(self, *options: str) -> None:
        """Start it and wait until it answers."""
        self.launch(*options)
        deadline = time.monotonic() + SECONDS
        while not self._answers():
            assert self._process is not None
            assert self._process.poll() is None, self._log.read_text(errors="replace")[-3000:]
            assert time.monotonic() < deadline, "MariaDB does not come up"
            time.sleep(0.02)

    def launch(self, *options: str) -> None:
        """Start it and do not wait."""
        assert self._process is None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    _program("mariadbd"),
                    "--no-defaults",
                    f"--datadir={self._data}",
                    f"--socket={self.socket}",
                    f"--pid-file={self.socket}.pid",
                    f"--port={self.port}",
                    "--bind-address=127.0.0.1",
                    *_user(),
                    *_SMALL,
                    *self._options,
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """End it at once, as a loss of the process would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Make it stand still, with its connections open."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def sql(self, statement: str, database: str = "") -> list[list[str]]:
        """Run a statement as root; return rows of texts."""
        result = self._client(statement, database)
        assert result.returncode == 0, result.stderr
        return [line.split("\t") for line in result.stdout.splitlines()]

    def kill_connections(self) -> int:
        """Kill every connection but our own; return how many there were."""
        ids = self.sql(
            "SELECT id FROM information_schema.processlist "
            "WHERE command <> 'Daemon' AND id <> connection_id()"
        )
        self._client(
            "; ".join(f"KILL {id}" for (id,) in ids), "--force"
        )  # some may be gone already
        return len(ids)

    def _client(self, statement: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(_program("mariadb"), "--no-defaults", f"--socket={self.socket}"),
                *(f"--user={ROOT}", "--batch", "--skip-column-names"),
                *filter(None, arguments),
            ],
            input=statement,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def _answers(self) -> bool:
        command = [_program("mariadb-admin"), "--no-defaults", f"--socket={self.socket}", "ping"]
        result = subprocess.run(command, capture_output=True, check=False, timeout=SECONDS)
        return result.returncode == 0

    def _end(self, signum: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signum)
            process.send_signal(signal.SIGCONT)
            process.wait(timeout=SECONDS)


@contextmanager
def started(template: Path, folder: Path, *options: str) -> Iterator[MariaDb]:
    """Run a MariaDB on a copy of the template; it is gone at the end of the block."""
    database = MariaDb(template, folder, *options)
    try:
        database.start()
        yield database
    finally:
        database.kill()
