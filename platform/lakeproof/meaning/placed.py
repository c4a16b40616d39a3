"""Window functions as they are parsed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from lakeproof.meaning.kind import is_linear
from lakeproof.meaning.term import NULL, ONE, Term
from lakeproof.meaning.value import NotUnderstood

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeproof.meaning.value import Value

SIMPLE: dict[type[exp.Expr], str] = {exp.Sum: "sum", exp.Avg: "avg", exp.Min: "min", exp.Max: "max"}


@dataclass(frozen=True)
class Windowed:
    """A function over a window.

    Args:
        name: Its name; of an aggregate, behind `of`.
        args: What it is of.
        kind: The kind of its values.
        turned: Whether it is told with the order turned.
    """

    name: str
    args: tuple[Term, ...]
    kind: str
    turned: bool = False


def windowed(function: exp.Expr, read: Callable[[exp.Expr], Value]) -> Windowed:
    """Return the function of a window.

    Raises:
        NotUnderstood: No rule knows it.
    """
    if isinstance(function, exp.RowNumber | exp.Rank | exp.DenseRank):
        return Windowed(function.sql_name().lower(), (), "int")
    if isinstance(function, exp.Lag | exp.Lead):
        value = read(function.this)
        offset, default = (function.args.get(each) for each in ("offset", "default"))
        args = (value.tree, read(offset).tree if offset else ONE, read(default).tree if default else NULL)
        return Windowed("lead", args, value.kind, turned=isinstance(function, exp.Lag))
    of = function.this
    if isinstance(function, exp.Count) and not isinstance(of, exp.Distinct):
        return Windowed("of count", (ONE if isinstance(of, exp.Star) else read(of).tree,), "int")
    if (name := SIMPLE.get(type(function), "")) and not isinstance(of, exp.Distinct):
        value = read(of)
        kind = "double" if name == "avg" else value.kind
        if name in {"min", "max"} and not is_linear(kind):
            name = f"{name} {kind}"
        return Windowed(f"of {name}", (value.tree,), kind)
    if isinstance(function, exp.FirstValue | exp.LastValue):
        value = read(of)
        return Windowed(function.sql_name().lower(), (value.tree,), value.kind)
    raise NotUnderstood(function.sql("duckdb"))


def frame_of(spec: exp.Expr | None, *, ordered: bool) -> str:
    """Return a frame as it is in full."""
    if spec is None:
        return "range unbounded preceding current row" if ordered else "all"
    parts = [str(spec.args.get("kind") or "range")]
    for end in ("start", "end"):
        bound = spec.args.get(end) or "current row"
        parts.append(bound.sql("duckdb") if isinstance(bound, exp.Expr) else str(bound))
        parts.append(str(spec.args.get(f"{end}_side") or ""))
    if spec.args.get("exclude"):
        parts.append(f"exclude {spec.args['exclude']}")
    return " ".join(part for part in parts if part).lower()


def with_named_windows(node: exp.Select) -> exp.Select:
    """Return a SELECT in which each window says itself what WINDOW says."""
    named = {each.name.lower(): each for each in node.args.get("windows") or ()}
    if not named:
        return node
    node = node.copy()
    for window in list(node.find_all(exp.Window)):
        alias = window.args.get("alias")
        said = named.get(alias.name.lower()) if alias is not None and window.parent is not node else None
        if said is not None:
            window.set("alias", None)
            for part in ("partition_by", "order", "spec"):
                given = said.args.get(part)
                if given and not window.args.get(part):
                    window.set(part, [each.copy() for each in given] if isinstance(given, list) else given.copy())
    return node
