"""A hash of the code that a result depends on: a module and all that it imports of this package."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "face_occlusion"
ROOT = Path(__file__).resolve().parents[2]  # holds the package's folder


def code_sha256(*module_names: str) -> str:
    """Return a sha256 over the sources of modules and of every project module they import.

    Imports inside functions and for type checking count too, and so do the `__init__` modules of
    the packages on the way. Other packages' code is not read: add their versions where they matter.

    Args:
        module_names: Such as `face_occlusion.training.loop`.

    Raises:
        ValueError: If a name is not a module of this package.
    """
    digest = hashlib.sha256()
    for name, path in import_closure(*module_names).items():
        digest.update(f"{name}\n".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def import_closure(*module_names: str) -> dict[str, Path]:
    """Return the files of modules and of every project module they import, sorted by name.

    Raises:
        ValueError: If a name is not a module of this package.
    """
    found: dict[str, Path] = {}
    waiting = list(module_names)
    for name in module_names:
        if _file_of(name) is None:
            raise ValueError(f"{name} is not a module of {PACKAGE}")
    while waiting:
        name = waiting.pop()
        path = _file_of(name)
        if path is None or name in found:
            continue
        found[name] = path
        waiting += _imported_names(path)
        if "." in name:
            waiting.append(name.rpartition(".")[0])  # importing a module runs its package's code
    return dict(sorted(found.items()))


def _file_of(name: str) -> Path | None:
    """Return the file of a module of this package, None for any other name."""
    if name.partition(".")[0] != PACKAGE:
        return None
    base = ROOT.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _imported_names(path: Path) -> Iterator[str]:
    """Yield every name that a file imports; for `from a import b` both `a` and `a.b`."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
