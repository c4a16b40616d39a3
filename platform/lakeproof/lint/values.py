"""What is known of a value without running anything: what it is, and whether its rows are in an order of their own."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeproof.lint.finding import Found

Kind = Literal["frame", "group", "expr", "namespace", "relation", "connection", "path", "unknown"]

KINDS: dict[str, Kind] = {
    "polars.LazyFrame": "frame",
    "polars.DataFrame": "frame",
    "polars.Series": "frame",
    "polars.Expr": "expr",
    "duckdb.DuckDBPyRelation": "relation",
    "duckdb.DuckDBPyConnection": "connection",
    "pathlib.Path": "path",
}
"""What an annotation says that a value is."""

PLACES = frozenset({"first", "last", "head", "limit", "tail", "slice", "with_row_index", "with_row_count"})
"""Methods of Polars whose result depends on which rows come first."""

ORDERS = frozenset({"sort", "sort_by", "top_k", "bottom_k", "merge_sorted", "group_by_dynamic", "rolling", "order"})
"""Methods after which rows are in an order of their own."""

MIXES = frozenset({"join", "join_where", "unique", "agg", "pivot", "aggregate", "distinct", "union", "except_"})
"""Methods after which they are not, unless they are told to keep it."""

LEAVES = frozenset({"item", "rows", "row", "iter_rows", "to_dict", "to_dicts", "to_list", "to_numpy", "to_pandas"})
"""Methods that give something else than a frame."""

NAMESPACES = frozenset({"str", "dt", "list", "arr", "struct", "cat", "bin", "name", "meta"})
"""Attributes of an expression whose methods look within a value, not across rows."""

EXPRESSIONS = frozenset({"first", "last", "head", "tail"})
"""Functions of Polars that, given a column, take some of its rows."""


@dataclass(frozen=True)
class Value:
    """A value, as far as the text tells.

    Args:
        kind: What it is.
        ordered: Whether its rows come in an order that was asked for. What is not known is not doubted.
        pending: What is wrong if this expression is used in a frame without order.
    """

    kind: Kind = "unknown"
    ordered: bool = True
    pending: tuple[Found, ...] = ()


UNKNOWN = Value()


def joined(values: Sequence[Value]) -> Value:
    """Return what a value is that is one of several, or is made of all of them."""
    known = [value for value in values if value.kind != "unknown"]
    pending = tuple(dict.fromkeys(one for value in values for one in value.pending))
    if not known:
        return Value(pending=pending)
    return Value(known[0].kind, all(value.ordered for value in known), pending)


def keyword(call: ast.Call, name: str) -> object:
    """Return the constant that a call gives by name; None when it gives none, `...` when it is no constant."""
    value = next((k.value for k in call.keywords if k.arg == name), None)
    if value is None:
        return None
    return value.value if isinstance(value, ast.Constant) else ...


def is_zero(call: ast.Call) -> bool:
    """Whether a call takes no row at all."""
    given = [*call.args, *(k.value for k in call.keywords)]
    return bool(given) and isinstance(given[-1], ast.Constant) and given[-1].value == 0
