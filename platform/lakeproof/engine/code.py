"""Which code made rows: a digest of a file and of what it imports from its own package."""

from __future__ import annotations

import ast
import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def code_digest(*files: Path) -> str:
    """Return the SHA-256 of files and, for Python ones, of every module of the same package that they import.

    A constant that another module of the package holds decides about rows as much as the function itself. Installed
    libraries are told by their versions, in the evidence.
    """
    found: dict[Path, bytes] = {}
    waiting = [file.resolve() for file in files]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found[file] = file.read_bytes()
            waiting += _imports(file, found[file]) if file.suffix == ".py" else []
    digest = hashlib.sha256()
    for file in sorted(found, key=lambda file: (file.name, found[file])):
        digest.update(f"{file.name}\n".encode() + hashlib.sha256(found[file]).digest())
    return digest.hexdigest()


def package_of(file: Path) -> Path:
    """Return the folder that a module's outermost package lies in; its own folder when it is in none."""
    folder = file.parent
    while (folder / "__init__.py").exists():
        folder = folder.parent
    return folder


def _imports(file: Path, source: bytes) -> list[Path]:
    """Return the files of the modules that a file imports from its own package."""
    package = package_of(file)
    names = _named(source, file.parent.relative_to(package).parts)
    paths = [package.joinpath(*name.split(".")).with_suffix(".py") for name in names]
    own = file.relative_to(package).parts[0]
    return [path for path in paths if path.is_file() and path.relative_to(package).parts[0] == own]


@lru_cache(maxsize=1000)
def _named(source: bytes, package: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a module of a package imports, by full names. Every run of a table asks it of the same files."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return tuple(name.strip(".") for name in names if name)
