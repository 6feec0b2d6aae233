"""What the build asks for the version; see `adapters/sharedstate_anyio/version.py`."""

import runpy
from pathlib import Path

_HERE = Path(__file__).parent
_release = runpy.run_path(str(_HERE / "sharedstate_core" / "_version.py"))["__version__"]
_parts = runpy.run_path(str(_HERE / "adapters" / "sharedstate_anyio" / "version.py"))

version = _parts["with_commit"](_release, _HERE) if (_HERE / ".git").exists() else _release
