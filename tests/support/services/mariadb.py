"""A MariaDB of the tests' own: in a temporary folder, on a free port of 127.0.0.1, ended by its process id.

`make_template` makes the data folder once; each `MariaDb` starts on a copy of it. The environment variable
SHAREDSTATE_TEST_MYSQLD names another program, a MariaDB's or a MySQL's; the clients are MariaDB's nevertheless.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    "--key-buffer-size=1M",
    "--performance-schema=OFF",
    "--skip-name-resolve",
    "--skip-log-bin",
)
"""Settings that make it small and quick; commits still wait until the disk has them."""

SYNCHRONOUS: Final = "--innodb-use-native-aio=OFF"
"""Have no writes that the kernel goes on with while the server stands still."""

_FURTHER: Final = {
    "mariadb": ("--aria-pagecache-buffer-size=1M",),
    # MySQL 5.6 takes 4 MiB by default, and no item larger than a tenth of its log.
    "mysql": ("--max-allowed-packet=16M", "--innodb-log-file-size=128M"),
}

MYSQLD: Final = os.environ.get("SHAREDSTATE_TEST_MYSQLD", "mariadbd")


def _program(name: str) -> str:
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
    found = shutil.which(name, path=path)
    assert found, f"{name} is missing; as root: apt-get install mariadb-server"
    return found


def _user() -> list[str]:
    return ["--user=root"] if os.geteuid() == 0 else []


@cache
def version() -> tuple[str, tuple[int, ...]]:
    """Return the server's kind, `mariadb` or `mysql`, and its version."""
    words = subprocess.run(
        [_program(MYSQLD), "--no-defaults", "--version"],
        env=_environment(),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = re.search(r"Ver (\d+)\.(\d+)\.(\d+)", words)
    assert found, words
    kind = "mariadb" if "mariadb" in words.lower() else "mysql"
    return kind, tuple(map(int, found.groups()))


def make_template(folder: Path) -> Path:
    """Make a data folder with the user `root`, who has no password; return it."""
    data = folder / "template"
    kind, number = version()
    statements = ""
    if kind == "mariadb":
        command = [
            _program("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *_user(),
            *_small(),
        ]
    elif number >= (5, 7):
        command = [_program(MYSQLD), *_common(data), "--initialize-insecure"]
    else:  # as its mysql_install_db does
        for name in (data, data / "mysql"):
            name.mkdir()
        command = [_program(MYSQLD), *_common(data), "--bootstrap"]
        scripts = ("mysql_system_tables.sql", "mysql_system_tables_data.sql")
        statements = "USE mysql;\n" + "".join((_share() / name).read_text() for name in scripts)
    subprocess.run(
        command,
        check=True,
        input=statements.encode(),
        env=_environment() | _temporary(data),
        capture_output=True,
        timeout=SECONDS,
    )
    return data


def _small() -> tuple[str, ...]:
    return _SMALL + _FURTHER[version()[0]]


def _common(data: Path) -> list[str]:
    """Return the options of every call of the server's program."""
    options = ["--no-defaults", f"--datadir={data}", *_user(), *_small()]
    if _share().is_dir():  # not installed where it was built for
        options.append(f"--lc-messages-dir={_share()}")
        options.append(f"--character-sets-dir={_share() / 'charsets'}")
    return options


def _share() -> Path:
    return Path(_program(MYSQLD)).parent / "share"


def _environment() -> dict[str, str]:
    """Let a server's program find the libraries that lie beside it, and the programs that lie here."""
    path = os.environ.get("PATH", os.defpath) + os.pathsep + str(Path(__file__).parent)
    environment = os.environ | {"PATH": path}
    if os.sep in MYSQLD:
        environment["LD_LIBRARY_PATH"] = str(Path(MYSQLD).parent)
    return environment


def _temporary(data: Path) -> dict[str, str]:
    """Give a server a folder of its own for temporary tables: each start empties it of those of other servers too."""
    folder = data.with_name(f"{data.name}-tmp")
    folder.mkdir(exist_ok=True)
    return {"TMPDIR": str(folder)}


class MariaDb:
    """One server process and its data.

    Attributes:
        data: its data folder.
        port: its port on 127.0.0.1, the same after each start.
        socket: path of its socket.
    """

    def __init__(self, template: Path, folder: Path, *options: str) -> None:
        self.data = folder / "data"
        shutil.copytree(template, self.data)
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
                self.command(*options),
                env=_environment() | _temporary(self.data),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def command(self, *options: str) -> list[str]:
        """Return its command line."""
        return [
            _program(MYSQLD),
            *_common(self.data),
            f"--socket={self.socket}",
            f"--pid-file={self.socket}.pid",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            *self._options,
            *options,
        ]

    def snapshot(self, target: Path) -> None:
        """Copy its data as a loss of power at this moment would leave it; it must write by itself (`SYNCHRONOUS`)."""
        self.pause()
        try:
            tasks = Path(f"/proc/{self.pid}/task")
            while not all(") T " in (task / "stat").read_text() for task in tasks.iterdir()):
                time.sleep(0.01)  # a write that has begun ends first
            shutil.copytree(self.data, target)
        finally:
            self.resume()

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

    def dump(self, *tables: str, database: str = DATABASE) -> str:
        """Return what the program for backups writes, of one moment."""
        command = [_program("mariadb-dump"), "--no-defaults", f"--socket={self.socket}"]
        command += [f"--user={ROOT}", "--single-transaction", database, *tables]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
        return done.stdout

    @contextmanager
    def meanwhile(self, *statements: str, at_last: str = "ROLLBACK") -> Iterator[None]:
        """Be another program, which has carried out these statements; at the end of the block, one more."""
        with subprocess.Popen(
            [*self._program(), "--unbuffered", DATABASE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            try:
                client.stdin.write("; ".join([*statements, "SELECT 'done';\n"]))
                client.stdin.flush()
                assert "done\n" in iter(client.stdout.readline, ""), "it failed"
                yield
                client.communicate(f"{at_last};\n", timeout=SECONDS)
                assert client.returncode == 0
            finally:
                client.kill()

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
            [*self._program(), *filter(None, arguments)],
            input=statement,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def _program(self) -> list[str]:
        options = ["--no-defaults", f"--socket={self.socket}", f"--user={ROOT}"]
        return [_program("mariadb"), *options, "--batch", "--skip-column-names"]

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
