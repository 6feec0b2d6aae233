"""How the packages are built: what imports what, `python -m tests.structure` counts it.

An import counts that is for types only, too: whoever reads a module has to know what it names.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Set

    Graph = Mapping[str, Set[str]]

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = (
    "sharedstate_core",
    "adapters/sharedstate_anyio",
    "backends/sharedstate_backends",
    "js-client/src",
)

_SCRIPT_IMPORT: Final = re.compile(r"""(?:from|import\(|import)\s*["'](\.[^"']+)["']""")


def graph(package: str) -> Graph:
    """Return what each module imports of its own package, by file below it."""
    folder = ROOT / package
    files = {file for kind in ("*.py", "*.js") for file in folder.rglob(kind)}
    names = {file: str(file.relative_to(folder)) for file in files}
    return {
        names[file]: {names[each] for each in imported(file, folder) if each in files}
        - {names[file]}
        for file in sorted(files)
    }


def imported(file: Path, folder: Path) -> Iterator[Path]:
    """Yield the files that one imports, and some that are not there."""
    text = file.read_text("utf-8")
    if file.suffix == ".js":
        for name in _SCRIPT_IMPORT.findall(text):
            yield (file.parent / name).resolve()
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules = [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = file.parents[node.level - 1] if node.level else folder.parent
            yield from _targets(base.joinpath(*(node.module or "").split(".")), node)
            continue
        else:
            continue
        for module, _ in modules:
            yield folder.parent.joinpath(*module.split(".")).with_suffix(".py")


def _targets(module: Path, node: ast.ImportFrom) -> Iterator[Path]:
    """Yield the modules among the names that are imported from one, and else that one."""
    for alias in node.names:
        inner = module / f"{alias.name}.py"
        if inner.exists():
            yield inner
        elif (package := module / alias.name / "__init__.py").exists():
            yield package
        else:
            yield (
                module.with_suffix(".py")
                if module.with_suffix(".py").exists()
                else module / "__init__.py"
            )


def circles(imports: Graph) -> list[list[str]]:
    """Return the groups of modules that import one another, directly or not (Tarjan's algorithm)."""
    numbers: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        numbers[module] = lowest[module] = len(numbers)
        path.append(module)
        for other in sorted(imports[module]):
            if other not in numbers:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in path:
                lowest[module] = min(lowest[module], numbers[other])
        if lowest[module] == numbers[module]:
            group = path[path.index(module) :]
            del path[path.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in imports:
        if module not in numbers:
            visit(module)
    return found


def longest_function(package: str) -> tuple[int, str]:
    """Return the length in lines of the longest function in Python, and where it is."""
    lengths = [(0, "")]
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                lengths.append((lines, f"{file.name}, {node.name}"))
    return max(lengths)


def longest_module(package: str) -> tuple[int, str]:
    """Return the length in lines of the longest module, and its name."""
    return max(
        (len((ROOT / package / name).read_text("utf-8").splitlines()), name)
        for name in graph(package)
    )


def main() -> None:
    """Print what is counted of each package."""
    for package in PACKAGES:
        imports = graph(package)
        folders: dict[str, int] = {}
        for name in imports:
            folder = str(Path(name).parent)
            folders[folder] = folders.get(folder, 0) + 1
        print(package)
        print(f"  {len(imports)} modules, {sum(map(len, imports.values()))} imports")
        print(
            "  in folders:", ", ".join(f"{name} {count}" for name, count in sorted(folders.items()))
        )
        print("  circles:", circles(imports) or "none")
        print("  longest module: {} lines, {}".format(*longest_module(package)))
        print("  longest function: {} lines, {}".format(*longest_function(package)))


if __name__ == "__main__":
    main()
