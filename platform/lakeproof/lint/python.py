"""What a function shows, without running it: clocks, chance, and reads that nothing declares, also in what it calls."""

from __future__ import annotations

import ast
import inspect
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeproof.lint import rules
from lakeproof.lint.finding import Found
from lakeproof.lint.names import FUNCTIONS, Module, Place, scope_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

OWN = "lakeproof"
"""What a call of this package makes is looked at where it is declared."""


def place_of(function: Callable[..., Any]) -> Place | None:
    """Return where a function is defined; None when it has no text, such as one that was typed in."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    try:
        module = Module.read(Path(inspect.getfile(function)))
        tree = module.tree
    except (OSError, TypeError, SyntaxError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS) and node.name == getattr(code, "co_name", None):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == getattr(code, "co_firstlineno", None):
                return Place(module, node)
    return None


def reached(root: Place) -> list[Place]:
    """Return a definition and those of its package that it uses, followed by name."""
    found, waiting = dict.fromkeys([root]), [root]
    while waiting:
        for used in _uses(waiting.pop()):
            if used not in found:
                found[used] = None
                waiting.append(used)
    return list(found)


@cache
def _uses(place: Place) -> tuple[Place, ...]:
    """Return the definitions of its package that one names."""
    scope = scope_of(place)
    names = {dotted for node in loads(place.node) if (dotted := scope.dotted(node)) is not None}
    used = (scope.place(dotted) for dotted in sorted(names))
    return tuple(dict.fromkeys(one for one in used if one is not None and not _declared(one)))


def _declared(place: Place) -> bool:
    """Whether a definition is a table, a source or another thing that Lakeproof makes of what it is told."""
    scope, node = scope_of(place), place.node
    makers = [node.value] if isinstance(node, ast.Assign | ast.AnnAssign) else node.decorator_list
    return any((scope.dotted(maker.func) or "").split(".")[0] == OWN for maker in makers if isinstance(maker, ast.Call))


def loads(node: ast.AST) -> Iterator[ast.Name | ast.Attribute]:
    """Yield the names that a definition uses as it runs, with their attributes; annotations and decorators do not."""
    if isinstance(node, ast.Attribute) and _is_chain(node):
        yield node
        return
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load):
            yield node
        return
    for child in children(node):
        yield from loads(child)


def children(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a node that run."""
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list", "type_params"}:
            continue
        yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, ast.AST))


def _is_chain(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


@cache
def names_found(place: Place) -> frozenset[Found]:
    """Return the clocks, the chance and the reads that a definition names."""
    return frozenset(_Names(place).found())


class _Names:
    """What one definition uses, by name.

    Args:
        place: The definition.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._scope = scope_of(place)

    @cached_property
    def _parents(self) -> Mapping[ast.AST, ast.AST]:
        return {child: node for node in ast.walk(self._place.node) for child in ast.iter_child_nodes(node)}

    def found(self) -> Iterator[Found]:
        """Yield clocks, chance, and what reads more than the inputs."""
        for node in loads(self._place.node):
            if ast.unparse(node).startswith("context.resources.lakehouse"):
                yield Found(node.lineno, "context.resources.lakehouse reads what is no input", rules.USE_INPUT)
            elif (dotted := self._scope.dotted(node)) is not None:
                parent = self._parents.get(node)
                call = parent if isinstance(parent, ast.Call) and parent.func is node else None
                yield from self._judge(node, dotted, call)

    def _judge(self, node: ast.Name | ast.Attribute, dotted: str, call: ast.Call | None) -> Iterator[Found]:
        line, shown = node.end_lineno or node.lineno, ast.unparse(node)
        if dotted in rules.CLOCKS or (call is not None and _names_now(dotted, call)):
            if not self._only_told(node, set()):
                yield Found(line, f"{shown} tells the time of the run", rules.USE_WINDOW)
        elif dotted.startswith(rules.CHANCE):
            if not (dotted in rules.SEEDED and (call is None or call.args or call.keywords)):
                yield Found(line, f"{shown} is chance", rules.USE_SEED)
        elif call is not None and self._reads(dotted, call):
            yield Found(line, f"{shown} reads what is no input", rules.USE_INPUT)

    def _reads(self, dotted: str, call: ast.Call) -> bool:
        first = call.args[0] if call.args else None
        if isinstance(first, ast.Call) and self._scope.dotted(first.func) in rules.IN_MEMORY:
            return False
        if dotted in rules.OPENERS:
            return not writes(call, 1)
        if dotted in {"duckdb.connect", "sqlite3.connect"}:
            database = next((k.value for k in call.keywords if k.arg == "database"), first)
            return database is not None and not (isinstance(database, ast.Constant) and database.value == ":memory:")
        return dotted.startswith(rules.READERS)

    def _only_told(self, node: ast.AST, seen: set[str]) -> bool:
        """Whether a value goes nowhere but into what a person is told, by itself or under a name."""
        while not isinstance(node, ast.stmt):
            if node not in self._parents:
                return False
            node = self._parents[node]
        if isinstance(node, ast.Expr):
            return self._tells(node.value)
        if not isinstance(node, ast.Assign) or len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name):
            return False
        name = node.targets[0].id
        if name in seen or self._place.node is node:
            return name in seen
        uses = (n for n in loads(self._place.node) if _base(n) == name)
        return all(self._only_told(use, {*seen, name}) for use in uses)

    def _tells(self, node: ast.expr) -> bool:
        """Whether a statement only tells a person something."""
        if not isinstance(node, ast.Call):
            return False
        dotted = self._scope.dotted(node.func) or ""
        if isinstance(node.func, ast.Attribute) and (node.func.attr in rules.LOGGED or _base(node.func) == "context"):
            return True
        return dotted in {"print", "warnings.warn"}


def writes(call: ast.Call, place: int) -> bool:
    """Whether a call of `open` says that it writes.

    Args:
        call: The call.
        place: The position of its mode.
    """
    mode = next((k.value for k in call.keywords if k.arg == "mode"), None)
    mode = call.args[place] if mode is None and len(call.args) > place else mode
    return isinstance(mode, ast.Constant) and isinstance(mode.value, str) and bool(set(mode.value) & set("wax"))


def _base(node: ast.expr) -> str | None:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _names_now(dotted: str, call: ast.Call) -> bool:
    words = rules.CLOCKS_BY_ARGUMENT.get(dotted, set())
    return any(isinstance(one, ast.Constant) and one.value in words for one in call.args)
