"""SQL in the strings of Python code, at its own lines."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from sqlglot.errors import SqlglotError

from lakeproof.lint.finding import Found, sql_marks
from lakeproof.lint.sql import Statement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lakeproof.lint.finding import Mark
    from lakeproof.lint.names import Module, Place

BLANK = "_blank"
"""Stands for what is filled into a statement."""


class Strings:
    """Looks at SQL in strings.

    Args:
        places: The definitions whose names a statement may read: DuckDB finds a table by the name of a variable.
    """

    def __init__(self, places: Iterable[Place]) -> None:
        self.marks: dict[Module, list[Mark]] = {}
        self._names: set[str] = {BLANK}
        self._assigned: dict[tuple[Module, str], ast.expr] = {}
        for place in places:
            for node in ast.walk(place.node):
                if isinstance(node, ast.Name | ast.arg):
                    self._names.add(node.id if isinstance(node, ast.Name) else node.arg)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
                    self._names.add(node.value)
                elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    self._assigned[place.module, node.targets[0].id] = node.value

    def assigned(self, module: Module, name: str) -> ast.expr | None:
        """Return what a name stands for, where it is assigned a string."""
        return self._assigned.get((module, name))

    def look(self, module: Module, node: ast.expr, known: str, within: str) -> tuple[list[Found], bool]:
        """Return what is found in a string, and whether the rows of its last statement come in an order.

        Args:
            module: Where the string is.
            node: The string; whatever is filled into it is left alone.
            known: A further name that it may read.
            within: The statement that it is a part of, with `{}` in its place.
        """
        text = _text(node)
        if text is None:
            return [], True
        own_lines = node.end_lineno is not None and node.end_lineno - node.lineno == text.count("\n")
        try:
            statement = Statement(within.format(text) if within != "{}" else text, inputs={*self._names, known})
            found = list(statement.found())
            self._names |= statement.made
        except SqlglotError:  # something else than DuckDB's SQL, or in need of what is filled in
            return [], True
        if own_lines:
            marks = self.marks.setdefault(module, [])
            marks += [mark for mark in sql_marks(text, node.lineno) if mark not in marks]
        shift = node.lineno - 1
        shown = [
            Found(one.line + shift if own_lines else node.lineno, one.what.replace(BLANK, "…"), one.remedy)
            for one in found
        ]
        return shown, statement.ordered


def _text(node: ast.expr) -> str | None:
    """Return a string, with a name in each place that is filled in; None for what is no string."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join((_text(one) or "") if isinstance(one, ast.Constant) else BLANK for one in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text(node.left), _text(node.right)
        return None if left is None and right is None else f"{left or BLANK}{right or BLANK}"
    return None
