"""docs/operating.md: its table of storage that cannot be used, held to what is seen."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.faults.broken_storage import KINDS, Kind, as_server
from tests.support.faults.disk import NoDiskError
from tests.support.faults.storage_table import HEAD, LOOPS, line
from tests.support.nightly import leave_to_nightly
from tests.support.services.command import INSTALLED

if TYPE_CHECKING:
    from tests.support.services.mariadb import MariaDb

PAGE: Final = Path(__file__).parents[2] / "docs/operating.md"


def table() -> list[str]:
    """Return the lines of the page's table."""
    _, _, rest = PAGE.read_text("utf-8").partition("\n".join(HEAD) + "\n")
    return rest.partition("\n\n")[0].splitlines()


def test_the_page_has_a_line_for_each() -> None:
    assert [row.split(" | ")[0].removeprefix("| ") for row in table()] == [k.name for k in KINDS]


@pytest.mark.parametrize("number", range(len(KINDS)), ids=[kind.name for kind in KINDS])
def test_what_is_seen(number: int, own_mariadb: MariaDb) -> None:
    kind: Kind = KINDS[number]
    if number % 3:
        leave_to_nightly()
    command = [*as_server(), str(INSTALLED), "--version"]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("nobody but root may run the server that is installed here")
    with tempfile.TemporaryDirectory() as folder:
        try:
            seen = line(kind, Path(folder), LOOPS[number % 2], own_mariadb)
        except NoDiskError as error:
            pytest.skip(str(error))
    assert seen == table()[number]
