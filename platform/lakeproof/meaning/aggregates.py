"""Aggregates and window functions as they are parsed."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from lakeproof.meaning import total
from lakeproof.meaning.condition import both, decided, holds, if_else, is_null, negated
from lakeproof.meaning.kind import is_linear, is_number
from lakeproof.meaning.term import NULL, ONE, TRUE, Term, leaves, text
from lakeproof.meaning.tree import REBUILD, lift, missing
from lakeproof.meaning.value import NotUnderstood, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lakeproof.meaning.total import Scope

NAMED: dict[type[exp.Expr], str] = {
    exp.Sum: "sum",
    exp.Avg: "avg",
    exp.Min: "min",
    exp.Max: "max",
    exp.LogicalOr: "bool_or",
    exp.LogicalAnd: "bool_and",
    exp.AnyValue: "any_value",
    exp.Mode: "mode",
    exp.Stddev: "stddev_samp",
    exp.StddevSamp: "stddev_samp",
    exp.StddevPop: "stddev_pop",
    exp.Variance: "var_samp",
    exp.VariancePop: "var_pop",
}
QUANTILES: dict[type[exp.Expr], str] = {
    exp.PercentileCont: "quantile_cont",
    exp.PercentileDisc: "quantile_disc",
    exp.Quantile: "quantile_disc",
}
LIKE_NUMBERS = {"sum", "avg", "stddev_samp", "stddev_pop", "var_samp", "var_pop", "quantile_cont"}
ANONYMOUS = {"mean": "avg", "any_value": "any_value", "arbitrary": "first", "first": "first", "last": "last"}
ANONYMOUS |= {"quantile": "quantile_disc"}


def is_aggregate(node: exp.Expr) -> bool:
    """Whether an expression is an aggregate, with or without a filter."""
    named = isinstance(node, exp.Anonymous) and node.name.lower() in ANONYMOUS
    wrapped = isinstance(node, exp.IgnoreNulls | exp.RespectNulls) and is_aggregate(node.this)
    return named or wrapped or isinstance(node, exp.AggFunc | exp.Filter | exp.WithinGroup)


def aggregates_in(node: exp.Expr) -> bool:
    """Whether an expression aggregates, other than within a window or a statement."""
    if isinstance(node, exp.Query | exp.Exists):
        return False
    if isinstance(node, exp.Window):
        around = [each for each in node.iter_expressions() if each is not node.this]
        return any(map(aggregates_in, [*node.this.iter_expressions(), *around]))
    return is_aggregate(node) or any(map(aggregates_in, node.iter_expressions()))


class Aggregate:
    """An aggregate as it is written.

    Args:
        node: The expression.
        read: Reads what it is of, row by row.
    """

    def __init__(self, node: exp.Expr, read: Callable[[exp.Expr], Value]) -> None:
        self.read = read
        self.kept: Term = TRUE
        self.order: list[exp.Expr] = []
        self.ordered_values = False
        while isinstance(node, exp.Filter | exp.WithinGroup | exp.IgnoreNulls):
            if isinstance(node, exp.Filter):
                asked = node.expression
                self.kept = both(self.kept, holds(read(asked.this if isinstance(asked, exp.Where) else asked).tree))
            elif isinstance(node, exp.WithinGroup):
                self.order = node.expression.expressions
                self.ordered_values = True
            node = node.this
        self.node = node

    def value(self, scope: Scope) -> Value:  # noqa: PLR0911 - one for each way to write one
        """Return what it comes to over rows.

        Raises:
            NotUnderstood: No rule tells.
        """
        node, of = self.node, self.node.this
        if isinstance(node, exp.Count):
            return Value(self._count(scope, of), "int")
        if isinstance(node, exp.CountIf):
            return Value(total.aggregate("sum", scope, self._kept(decided(self.read(of).tree))), "int")
        if isinstance(node, exp.Median):
            return self._of("quantile_cont", scope, of, Term("num", Fraction(1, 2)))
        if type(node) in QUANTILES:
            return self._quantile(scope)
        if isinstance(node, exp.First | exp.Last):
            return self._first(scope, of, last=isinstance(node, exp.Last))
        if isinstance(node, exp.ArgMax | exp.ArgMin) and not node.args.get("count"):
            return self._extreme(scope, smallest=isinstance(node, exp.ArgMin))
        if isinstance(node, exp.Anonymous) and node.name.lower() in ANONYMOUS and len(node.expressions) == 1:
            name = ANONYMOUS[node.name.lower()]
            of = node.expressions[0]
            return (
                self._first(scope, of, last=name == "last") if name in {"first", "last"} else self._of(name, scope, of)
            )
        if (named := NAMED.get(type(node))) is not None:
            return self._of(named, scope, of)
        return self._unknown(scope)

    def _number(self, condition: Term) -> Term:
        return lift(total.number, condition)

    def _kept(self, tree: Term) -> Term:
        return if_else(self.kept, tree, NULL)

    def _count(self, scope: Scope, of: exp.Expr) -> Term:
        if isinstance(of, exp.Star) or of is None:
            return total.total(scope, self._number(self.kept))
        if isinstance(of, exp.Distinct):
            if len(of.expressions) != 1:
                raise NotUnderstood(self.node.sql("duckdb"))
            return total.distinct(scope, self._kept(self._single(of.expressions[0])))
        return total.count(scope, self._kept(self.read(of).tree))

    def _single(self, node: exp.Expr) -> Term:
        """Return what is counted once: a value, or several in brackets, of which missing ones count as well."""
        if not isinstance(node, exp.Tuple):
            return self.read(node).tree
        return row_of([self.read(each).tree for each in node.expressions])

    def _of(self, name: str, scope: Scope, of: exp.Expr, *more: Term) -> Value:
        if isinstance(of, exp.Distinct):
            if name in {"min", "max", "any_value", "bool_or", "bool_and"} and len(of.expressions) == 1:
                return self._of(name, scope, of.expressions[0], *more)
            read = self.read(of.expressions[0])
            return Value(total.aggregate(f"other {name} distinct", scope, self._kept(read.tree), *more), read.kind)
        if isinstance(of, exp.Order):
            raise NotUnderstood(self.node.sql("duckdb"))
        read = self.read(of)
        if name in LIKE_NUMBERS and not (is_number(read.kind) or read.kind == "bool"):
            name = f"other {name}"
        kind = read.kind
        if name == "quantile_cont" and kind.startswith("decimal"):
            name = f"quantile_cont of {kind}"  # which DuckDB rounds to as many places
        elif name in {"avg", "quantile_cont", "stddev_samp", "stddev_pop", "var_samp", "var_pop"}:
            kind = "double"
        elif name in {"min", "max"} and not is_linear(kind):
            name = f"{name} {kind}"
        elif name == "sum" and kind == "bool":
            kind = "int"
        return Value(total.aggregate(name, scope, self._kept(read.tree), *more), kind)

    def _quantile(self, scope: Scope) -> Value:
        node = self.node
        name = QUANTILES[type(node)]
        if not self.ordered_values:
            at = self.read(node.args.get("expression") or node.args["quantile"])
            return self._of(name, scope, node.this, *self._at(at))
        ordered = self.order[0]
        (share,) = self._at(self.read(node.this))
        if ordered.args.get("desc"):
            if name != "quantile_cont":
                raise NotUnderstood(node.sql("duckdb"))
            share = Term("num", 1 - share.args[0])
        return self._of(name, scope, ordered.this, share)

    def _at(self, share: Value) -> tuple[Term, ...]:
        if share.tree.op != "num":
            raise NotUnderstood(self.node.sql("duckdb"))
        return (share.tree,)

    def _first(self, scope: Scope, of: exp.Expr, *, last: bool) -> Value:
        order = of.expressions if isinstance(of, exp.Order) else []
        read = self.read(of.this if isinstance(of, exp.Order) else of)
        if not order:
            msg = f"{self.node.sql('duckdb')}, which has no order"
            raise NotUnderstood(msg)
        by = ordering(order, self.read, turned=last)
        return Value(first(scope, self.kept, read.tree, by, self.node.sql("duckdb")), read.kind)

    def _extreme(self, scope: Scope, *, smallest: bool) -> Value:
        value, by = self.read(self.node.this), self.read(self.node.expression)
        kept = both(self.kept, negated(is_null(value.tree)), negated(is_null(by.tree)))
        order = (Term("by", if_else(kept, by.tree, NULL), text("asc" if smallest else "desc"), text("last")),)
        return Value(first(scope, kept, value.tree, order, self.node.sql("duckdb")), value.kind)

    def _unknown(self, scope: Scope) -> Value:
        """Return an aggregate of which nothing is known, with all that is written of it."""
        if not isinstance(self.node, exp.AggFunc) or isinstance(self.node.this, exp.Order | exp.Distinct):
            raise NotUnderstood(self.node.sql("duckdb"))
        given = [a for v in self.node.args.values() if v for a in (v if isinstance(v, list) else [v])]
        nodes = [a for a in given if isinstance(a, exp.Expr)]
        told = [str(a) for a in given if not isinstance(a, exp.Expr)]
        trees = [self.read(node) for node in nodes]
        kept = self._number(self.kept)
        name = " ".join([self.node.sql_name().lower(), *told, *(tree.kind for tree in trees)])
        atom = Term("first", f"other {name}", scope, kept, tuple(tree.tree for tree in trees), (), "")
        return Value(missing(atom), "other")


def row_of(trees: Sequence[Term]) -> Term:
    """Return several values as one, which is never null."""
    return lift(lambda *each: Term("tuple", each), *sorted(set(trees)))


def first(scope: Scope, kept: Term, of: Term, order: tuple[Term, ...], ties: str = "") -> Term:
    """Return the value of the row that comes first.

    Args:
        scope: Of which rows.
        kept: Which of them count.
        of: The value.
        order: By what they are ordered.
        ties: How it is written, as long as two rows might be first: which of them it is, nothing says then.
    """
    if NULL not in leaves(lift(lambda k, o: o if k in {TRUE, ONE} else ONE, kept, of)):
        of = if_else(kept, of, NULL)
        return total.if_any(scope, of, Term("first", "first", scope, TRUE, of, order, ties))
    return missing(Term("first", "first", scope, kept, of, order, ties))


def ordering(order: Sequence[exp.Expr], read: Callable[[exp.Expr], Value], *, turned: bool = False) -> tuple[Term, ...]:
    """Return what rows are ordered by; turned, from the last to the first."""
    found: list[Term] = []
    for each in order:
        node = each.this if isinstance(each, exp.Ordered) else each
        down = bool(each.args.get("desc")) != turned
        nulls_first = bool(each.args.get("nulls_first")) != turned
        tree = read(node).tree
        if tree.op in {"num", "text"}:
            continue
        if NULL not in leaves(tree):
            nulls_first = False
        by = Term("by", tree, text("desc" if down else "asc"), text("first" if nulls_first else "last"))
        if not any(b.args[0] == tree for b in found):
            found.append(by)
    return tuple(found)


def _by(_: Term, tree: Term, way: Term, nulls: Term) -> Term:
    return Term("by", tree, way, nulls if NULL in leaves(tree) else text("last"))


def _first(_: Term, name: str, scope: Scope, kept: Term, of: Any, order: tuple[Term, ...], ties: str) -> Term:
    if name != "first":
        return missing(Term("first", name, scope, kept, of, (), ties))
    return first(scope, kept, of, order, ties)


REBUILD.update({"by": _by, "first": _first, "tuple": lambda _, parts: lift(lambda *each: Term("tuple", each), *parts)})
