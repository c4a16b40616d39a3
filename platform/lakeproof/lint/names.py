"""What a name in a module refers to, through imports and aliases, as far as the text of its own package tells."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from lakeproof.engine.code import package_of
from lakeproof.lint.finding import python_marks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lakeproof.lint.finding import Mark

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
MOST_HOPS = 20
"""How often a name may be imported on before it is given up: modules may import each other in circles."""


@dataclass(frozen=True, eq=False)
class Module:
    """A module, as its text has it; the same file, unchanged, is the same object.

    Args:
        file: The file.
        root: The folder that its package is imported from.
        text: What is in it.
    """

    file: Path
    root: Path
    text: str

    @classmethod
    def read(cls, file: Path) -> Module:
        """Read a module; a file that did not change is parsed once.

        Raises:
            OSError: There is no such file.
            SyntaxError: It is no Python.
        """
        file = file.resolve()
        return _read(file, file.stat().st_mtime_ns)

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text)

    @cached_property
    def marks(self) -> list[Mark]:
        """The marks in it."""
        return python_marks(self.text)

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Its dotted name, split."""
        parts = self.file.relative_to(self.root).with_suffix("").parts
        return parts[:-1] if parts[-1] == "__init__" else parts

    @cached_property
    def imports(self) -> Mapping[str, str]:
        """What it imports at its top level, by the name it has here."""
        return self.imports_in(self.tree)

    @cached_property
    def definitions(self) -> Mapping[str, Definition]:
        """The functions, classes and values that it defines at its top level."""
        found: dict[str, Definition] = {}
        for node in _top_level(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found[node.name] = node
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    found.update((name.id, node) for name in ast.walk(target) if isinstance(name, ast.Name))
        return found

    def imports_in(self, node: ast.AST) -> dict[str, str]:
        """Return what is imported in a part of it, by the name it has there."""
        found = {}
        for one in _top_level(node) if isinstance(node, ast.Module) else ast.walk(node):
            if isinstance(one, ast.Import):
                for alias in one.names:
                    name = alias.name if alias.asname else alias.name.split(".")[0]
                    found[alias.asname or name] = name
            elif isinstance(one, ast.ImportFrom):
                base = self._base(one)
                found |= {alias.asname or alias.name: ".".join([*base, alias.name]) for alias in one.names}
        return found

    def _base(self, node: ast.ImportFrom) -> list[str]:
        """Return the dotted name that a `from … import` takes from, split."""
        named = node.module.split(".") if node.module else []
        if not node.level:
            return named
        package = self.file.parent.relative_to(self.root).parts
        return [*package[: len(package) - node.level + 1], *named]

    def module(self, parts: list[str]) -> Module | None:
        """Return a module of the same package by its dotted name."""
        if not parts or parts[0] != self.parts[0]:
            return None
        if (name := ".".join(parts)) not in self._others:
            folder = self.root.joinpath(*parts)
            files = (folder.with_suffix(".py"), folder / "__init__.py")
            self._others[name] = next((Module.read(file) for file in files if file.is_file()), None)
        return self._others[name]

    @cached_property
    def _others(self) -> dict[str, Module | None]:
        """The modules of its package that were asked for."""
        return {}


@dataclass(frozen=True)
class Place:
    """A definition at the top level of a module.

    Args:
        module: The module.
        node: What defines it.
    """

    module: Module
    node: Definition


class Scope:
    """Resolves names in one definition of a module.

    Args:
        module: The module.
        node: The definition. A name that it assigns anywhere is its own, and refers to nothing outside.
    """

    def __init__(self, module: Module, node: ast.AST) -> None:
        self.module = module
        self.imports = {**module.imports, **module.imports_in(node)}
        inner = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else node
        self.locals = set(_own_names(inner)) if inner is not None else set()

    def dotted(self, node: ast.AST) -> str | None:
        """Return what a name, or a chain of attributes of one, refers to, dotted; None for what is its own.

        A name of the package is followed to where it comes from: another module may have imported it.
        """
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id in self.locals:
            return None
        if node.id in self.imports:
            return _canonical(self.module, [*self.imports[node.id].split("."), *attributes])
        if node.id in self.module.definitions:
            return ".".join([*self.module.parts, node.id, *attributes])
        return ".".join([node.id, *attributes]) if hasattr(builtins, node.id) else None

    def place(self, dotted: str) -> Place | None:
        """Return the definition of the package that a dotted name refers to, or whose attribute it is."""
        module, rest = _module_of(self.module, dotted.split("."))
        node = module.definitions.get(rest[0]) if module is not None and rest else None
        return None if module is None or node is None else Place(module, node)


@cache
def scope_of(place: Place) -> Scope:
    """Return the names of a definition, which do not change while its module does not."""
    return Scope(place.module, place.node)


@cache
def _read(file: Path, changed: int) -> Module:
    del changed
    return Module(file, package_of(file), file.read_text())


def _top_level(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements that run when a module is imported, those under conditions too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        if isinstance(child, ast.If | ast.Try | ast.With | ast.ExceptHandler):
            yield from _top_level(child)


def _own_names(node: ast.AST) -> Iterator[str]:
    """Yield the names that a definition assigns, its parameters and those of what is in it included."""
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load):
            yield one.id
        elif isinstance(one, ast.arg):
            yield one.arg
        elif isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and one is not node:
            yield one.name


def _module_of(within: Module, parts: list[str]) -> tuple[Module | None, list[str]]:
    """Return the module that a dotted name begins with, and the rest of the name."""
    for cut in range(len(parts), 0, -1):
        if (module := within.module(parts[:cut])) is not None:
            return module, parts[cut:]
    return None, parts


def _canonical(within: Module, parts: list[str]) -> str:
    """Follow a dotted name through the modules of the package that only import it."""
    for _ in range(MOST_HOPS):
        module, rest = _module_of(within, parts)
        if module is None or not rest or rest[0] in module.definitions or rest[0] not in module.imports:
            break
        parts = [*module.imports[rest[0]].split("."), *rest[1:]]
    return ".".join(parts)
