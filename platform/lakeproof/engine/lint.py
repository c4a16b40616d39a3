"""What a table's SQL shows, without running it, to make the same inputs give another content."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import lineage

from lakeproof.engine.conditions import CLOCKS
from lakeproof.engine.function import SqlMaker, render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeproof.contract import Table
    from lakeproof.engine.function import Maker

INEXACT = (exp.Sum, exp.Avg, exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance, exp.VariancePop, exp.Corr)
"""Aggregates of doubles that depend on the order in which they add up."""


@lru_cache(maxsize=1)
def unstable_functions() -> frozenset[str]:
    """Return the names of DuckDB's functions that read a clock, a state or chance, as its catalog has them."""
    query = "SELECT function_name FROM duckdb_functions() WHERE function_type = 'scalar' AND stability <> 'CONSISTENT'"
    return frozenset(name for (name,) in duckdb.connect().execute(query).fetchall()).union(*CLOCKS.values())


def lint(table: Table, maker: Maker) -> list[str]:
    """Return what in a table's SQL can make a rerun differ, a line each; nothing for a function: only a run tells.

    Args:
        table: The contract.
        maker: What makes its rows.
    """
    if not isinstance(maker, SqlMaker):
        return []
    tree = sqlglot.parse_one(
        render(maker.template, table.window(table.first_day) if table.partition else None), dialect="duckdb"
    )
    return [*_unstable(maker.path.name, tree), *_unrounded(table, maker.path.name, tree)]


def _unstable(file: str, tree: exp.Expr) -> Iterator[str]:
    called = {node.sql(dialect="duckdb").split("(")[0].lower() for node in tree.find_all(exp.Func)}
    for name in sorted(called & unstable_functions()):
        yield f"{file} calls {name}, which gives something else each time: use the window or an input instead"
    if tree.find(exp.TableSample):
        yield f"{file} takes a random sample: choose rows by a hash of their key instead"


def _unrounded(table: Table, file: str, tree: exp.Expr) -> Iterator[str]:
    for column in table.columns:
        if column.type in {"double", "float"} and column.digits is None and _adds_up(column.name, tree):
            yield (
                f"{column.name} is a {column.type} that {file} adds up, and its last places depend on the order: "
                "declare digits= on the column, or make it a decimal"
            )


def _adds_up(column: str, tree: exp.Expr) -> bool:
    """Whether a column comes out of an aggregate that depends on order, through subqueries and CTEs."""
    try:
        nodes = [node.expression for node in lineage(column, tree, schema={}, dialect="duckdb").walk()]
    except (SqlglotError, ValueError):  # such as a star, which only the inputs' columns would resolve
        nodes = [tree]
    return any(node.find(*INEXACT) is not None for node in nodes)
