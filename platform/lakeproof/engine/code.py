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

    A constant that another module of the package holds, or the package itself in its `__init__.py`, decides about rows
    as much as the function. Installed libraries are told by their versions, in the evidence.
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
    """Return the files of the modules, and of the packages themselves, that a file imports from its own package."""
    package = package_of(file)
    own = package / file.relative_to(package).parts[0]
    found = []
    for level, name in _named(source):
        if level > len(file.parents):
            continue  # above every folder, where Python finds nothing either
        path = (file.parents[level - 1] if level else package).joinpath(*name)
        places = [path / "__init__.py", *([path.with_name(f"{name[-1]}.py")] if name else [])]
        # What is named relatively is of the same package, also where a folder of it has no __init__.py.
        found += [each for each in places if each.is_file() and (level or own in {each, *each.parents})]
    return found


@lru_cache(maxsize=1000)
def _named(source: bytes) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Return what a module imports: how many levels up, and the name from there. Many tables import the same."""
    found: list[tuple[int, tuple[str, ...]]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(0, tuple(alias.name.split("."))) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            found += [(node.level, module), *((node.level, (*module, alias.name)) for alias in node.names)]
    return tuple(found)
