"""How hard the property tests try: `quick` by default, `nightly` for the long run.

Choose with `--hypothesis-profile nightly` or HYPOTHESIS_PROFILE=nightly in the environment. The quick profile finds
the same on every run; the nightly one looks elsewhere each time and prints how to repeat what it found. `kill` is
for the kill list: as quick, but content with any counterexample.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.support import nightly
from tests.support.services import mariadb

if TYPE_CHECKING:
    from collections.abc import Iterator

# A shell that runs the tests in the background ignores Ctrl-C for them; what they start must not.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A start takes twice as long if everything has to be compiled each time: what the tests start over and over again keeps
# that beside pytest's own cache, also where nothing is to be written beside the sources.
ROOT = Path(__file__).parent.parent
if (ROOT / ".git").exists() and os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(ROOT / ".pytest_cache" / "bytecode"))

settings.register_profile("quick", max_examples=100, deadline=None, derandomize=True)
settings.register_profile(
    "kill",
    settings.get_profile("quick"),
    phases=[Phase.explicit, Phase.generate],
    report_multiple_bugs=False,
)
settings.register_profile(
    "nightly",
    max_examples=20_000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave to the nightly run what is long, unless it is named on the command line."""
    if any("::" in each or each.endswith(".py") for each in config.args):
        return
    left = [item for item in items if nightly.is_left(item)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not nightly.is_left(item)]


@pytest.fixture(scope="session")
def mariadb_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder of MariaDB to start on a copy of."""
    return mariadb.make_template(tmp_path_factory.mktemp("mariadb"))


@pytest.fixture(scope="session")
def shared_mariadb(
    mariadb_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[mariadb.MariaDb]:
    """Return a MariaDB for tests that do it no harm."""
    with mariadb.started(mariadb_template, tmp_path_factory.mktemp("shared")) as database:
        yield database


@pytest.fixture(scope="session")
def own_mariadb(
    mariadb_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[mariadb.MariaDb]:
    """Return a MariaDB to be ill-treated, by one test after the other; each leaves it running."""
    with mariadb.started(mariadb_template, tmp_path_factory.mktemp("own")) as database:
        yield database
