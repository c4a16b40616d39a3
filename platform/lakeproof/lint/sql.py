"""What SQL shows, without running it, to make the same inputs give another content, or to read more than its inputs."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import duckdb
import sqlglot
from sqlglot import Tokenizer, exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import lineage

from lakeproof.engine.conditions import CLOCKS
from lakeproof.engine.function import GENERATORS
from lakeproof.lint.finding import Found
from lakeproof.lint.rules import USE_INPUT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from lakeproof.contract import Table

INEXACT = (exp.Sum, exp.Avg, exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Variance, exp.VariancePop, exp.Corr)
"""Aggregates of doubles that depend on the order in which they add up."""

CHOOSERS = (exp.First, exp.Last, exp.AnyValue, exp.ArgMin, exp.ArgMax)
"""Aggregates that keep one of several rows: whichever comes first, where nothing says which."""

LISTS = (exp.ArrayAgg, exp.GroupConcat)
"""Aggregates whose value has the order of the rows."""

PLACES = (
    *(exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile),
    *(exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue, exp.First, exp.Last, exp.AnyValue),
)
"""Window functions that ask for a row's place among others."""

ORDERED = "say in which order, by enough columns that no two rows are alike"


@lru_cache(maxsize=1)
def unstable_functions() -> frozenset[str]:
    """Return the names of DuckDB's functions that read a clock, a state or chance, as its catalog has them."""
    query = "SELECT function_name FROM duckdb_functions() WHERE function_type = 'scalar' AND stability <> 'CONSISTENT'"
    return frozenset(name for (name,) in duckdb.connect().execute(query).fetchall()).union(*CLOCKS.values())


class Statement:
    """A statement in DuckDB's dialect, as it is read for what can differ.

    Args:
        text: The statement.
        keys: By name, the columns that tell a row of an input from all others, where they are known.
        key: The columns that tell a row of its result from all others; none when they are not known.
        inputs: What it may read; None when whoever declared it saw to that.

    Raises:
        SqlglotError: It does not parse.
    """

    def __init__(
        self,
        text: str,
        *,
        keys: Mapping[str, Collection[str]] | None = None,
        key: Collection[str] = (),
        inputs: Collection[str] | None = None,
    ) -> None:
        self.text, self.keys, self.key, self.inputs = text, keys or {}, frozenset(key), inputs
        self.trees = [tree for tree in sqlglot.parse(text, dialect="duckdb") if tree is not None]

    @property
    def ordered(self) -> bool:
        """Whether the last of its statements says in which order its rows come."""
        return bool(self.trees) and self.trees[-1].args.get("order") is not None

    def found(self) -> Iterator[Found]:
        """Yield what can make its content differ from one run to the next, and what it reads besides its inputs."""
        for tree in self.trees:
            for node in tree.walk():
                yield from self._chance(node)
                yield from self._order(node, outermost=node is tree)
            if self.inputs is not None:
                yield from self._reads(tree, self.inputs)

    def _chance(self, node: exp.Expr) -> Iterator[Found]:
        if isinstance(node, exp.TableSample):
            yield Found(self._line(node), "takes a random sample", "choose rows by a hash of their key instead")
        elif isinstance(node, exp.Func):
            name = node.sql(dialect="duckdb").split("(")[0].lower()
            if name in unstable_functions():
                what = f"calls {name}, which gives something else each time"
                yield Found(self._line(node, name), what, "use the window or an input instead")

    def _order(self, node: exp.Expr, *, outermost: bool) -> Iterator[Found]:
        """Yield what takes some of several rows and leaves open which."""
        if isinstance(node, exp.Window) and isinstance(_innermost(node.this), PLACES):
            if not _ordered_window(node) and not _says_order(node.this):
                what = f"{node.this.sql(dialect='duckdb')} OVER a window without ORDER BY, so any row may come first"
                yield Found(self._line(node.this), what, ORDERED)
        elif isinstance(node, CHOOSERS) and not node.find(exp.Order) and not _in_window(node):
            what = f"{node.sql(dialect='duckdb')} takes any of several rows"
            yield Found(self._line(node), what, f"{ORDERED}, within the parentheses; or use min or max")
        elif isinstance(node, LISTS) and not _says_order(node) and not isinstance(node.parent, exp.Func):
            what = f"{node.sql(dialect='duckdb')} lists rows in any order"
            yield Found(self._line(node), what, f"{ORDERED}, within the parentheses")
        elif isinstance(node, exp.Select):
            yield from self._select(node, outermost=outermost)

    def _select(self, select: exp.Select, *, outermost: bool) -> Iterator[Found]:
        order, limit = select.args.get("order"), select.args.get("limit") or select.args.get("offset")
        by = _names(order.expressions) if isinstance(order, exp.Order) else frozenset()
        if limit is not None and _number(limit) != 0:
            key = self._key(select) or (self.key if outermost else frozenset())
            if order is None:
                yield Found(self._line(limit), "LIMIT without ORDER BY takes any rows", ORDERED)
            elif key and by is not None and "all" not in by and key - by:
                what = f"LIMIT after an ORDER BY that leaves rows alike: {', '.join(sorted(key - by))} is not in it"
                yield Found(self._line(limit), what, ORDERED)
        distinct = select.args.get("distinct")
        on = distinct.args.get("on") if isinstance(distinct, exp.Distinct) else None
        if on is not None and distinct is not None:
            told = _names(on.expressions if isinstance(on, exp.Tuple) else [on])
            if order is None or (by is not None and told is not None and "all" not in by and by <= told):
                what = "DISTINCT ON without an ORDER BY beyond its columns keeps any of several rows"
                yield Found(self._line(distinct), what, ORDERED)

    def _key(self, select: exp.Select) -> frozenset[str]:
        """Return the columns that tell the rows of a selection apart, where that can be seen."""
        if isinstance(group := select.args.get("group"), exp.Group):
            return _names(group.expressions) or frozenset()
        source = select.args["from_"].this if select.args.get("from_") else None
        if not isinstance(source, exp.Table) or select.args.get("joins"):
            return frozenset()
        return frozenset(self.keys.get(source.name, ()))

    def _reads(self, tree: exp.Expr, inputs: Collection[str]) -> Iterator[Found]:
        known = {*inputs, *self.made, *(cte.alias_or_name for cte in tree.find_all(exp.CTE))}
        if isinstance(tree, exp.Attach):
            yield Found(self._line(tree), "attaches another database", USE_INPUT)
            return
        for source in tree.find_all(exp.Table):
            function, written = source.find(exp.Func), source.sql(dialect="duckdb", normalize_functions=False)
            if function is None:
                reads = bool(source.name) and (bool(source.db) or source.name not in known)
            else:
                reads = not {function.name.lower(), function.sql_name().lower()} & GENERATORS
            if reads:
                yield Found(self._line(source), f"reads {written}, which is no input", USE_INPUT)

    @cached_property
    def made(self) -> set[str]:
        """The tables and views that its statements make."""
        made = (create.this.find(exp.Table) for tree in self.trees for create in tree.find_all(exp.Create))
        return {table.name for table in made if table is not None}

    def unrounded(self, table: Table) -> Iterator[Found]:
        """Yield the columns of a table that are sums of doubles, and not rounded."""
        for column in table.columns:
            if column.type not in {"double", "float"} or column.digits is not None:
                continue
            if (adds_up := _adds_up(column.name, self.trees[0])) is not None:
                what = f"{column.name} is a {column.type} that is added up, and its last places depend on the order"
                yield Found(self._line(adds_up), what, "declare digits= on the column, or make it a decimal")

    # Where a node is: sqlglot tells of names and of most functions, and not of keywords.

    @cached_property
    def _words(self) -> list[tuple[str, int]]:
        """Each word of the statement, with its line."""
        return [(token.text.lower(), token.line) for token in Tokenizer(dialect="duckdb").tokenize(self.text)]

    def _line(self, node: exp.Expr, word: str = "") -> int:
        """Return the line at which a node begins, as near as sqlglot tells."""
        lines = [line for one in node.walk() if (line := one.meta.get("line")) is not None]
        if lines:
            return int(node.meta.get("line") or min(lines))
        words = [line for text, line in self._words if text == word]
        return words[0] if words else self._line(node.parent) if node.parent is not None else 1


def _innermost(node: exp.Expr) -> exp.Expr:
    """Return a function without what its nulls are told."""
    while isinstance(node, exp.IgnoreNulls | exp.RespectNulls | exp.Filter):
        node = node.this
    return node


def _in_window(node: exp.Expr) -> bool:
    parent = node.parent
    while isinstance(parent, exp.IgnoreNulls | exp.RespectNulls | exp.Filter):
        parent = parent.parent
    return isinstance(parent, exp.Window)


def _ordered_window(window: exp.Window) -> bool:
    """Whether a window says its order, itself or by the name of another."""
    if window.args.get("order") is not None:
        return True
    select = window.find_ancestor(exp.Select)
    named = select.args.get("windows") or [] if select is not None else []
    return any(one.args.get("order") is not None for one in named if one.name == window.alias)


def _says_order(node: exp.Expr) -> bool:
    return node.find(exp.Order) is not None or isinstance(node.parent, exp.WithinGroup)


def _names(expressions: Sequence[exp.Expr]) -> frozenset[str] | None:
    """Return the columns that a list is of; None when it has anything else."""
    names = set()
    for one in expressions:
        column = one.this if isinstance(one, exp.Ordered) else one
        if not isinstance(column, exp.Column | exp.Identifier | exp.Var):
            return None
        names.add(column.name.lower())
    return frozenset(names)


def _number(limit: exp.Expr) -> int | None:
    value = limit.args.get("expression")
    return int(value.this) if isinstance(value, exp.Literal) and value.is_int else None


def _adds_up(column: str, tree: exp.Expr) -> exp.Expr | None:
    """Return the aggregate that a column comes out of and that depends on order, through subqueries and CTEs."""
    try:
        nodes = [node.expression for node in lineage(column, tree, schema={}, dialect="duckdb").walk()]
    except (SqlglotError, ValueError):  # such as a star, which only the inputs' columns would resolve
        nodes = [tree]
    return next((found for node in nodes if (found := node.find(*INEXACT)) is not None), None)
