"""What must and what must not type-check, by pyright; by mypy, `typed_use.py` is checked with everything else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PYRIGHT = HERE.parent / "runtimes" / "node_modules" / "pyright" / "index.js"
CONFIG = {
    "include": ["typed_use.py"],
    "enableTypeIgnoreComments": False,  # those are for mypy
    "reportUnnecessaryTypeIgnoreComment": "error",
}


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "pyrightconfig.json").write_text(json.dumps(CONFIG))
    assert PYRIGHT.is_file(), f"{PYRIGHT} is missing: make .stamps/runtimes"
    return subprocess.run(
        ["node", PYRIGHT, "--pythonpath", sys.executable],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_pyright(tmp_path: Path) -> None:
    shutil.copy(HERE / "typed_use.py", tmp_path)
    run = check(tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    text = (HERE / "typed_use.py").read_text()
    (tmp_path / "typed_use.py").write_text(text.replace("Dataset[Todo])", "Dataset[str])"))
    assert check(tmp_path).returncode == 1, "it looks"
