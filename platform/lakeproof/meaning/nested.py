"""Aggregates of aggregates: over the groups of a subquery, told as aggregates over its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeproof.meaning import poly, total
from lakeproof.meaning.aggregates import row_of
from lakeproof.meaning.block import over_group
from lakeproof.meaning.condition import variables
from lakeproof.meaning.term import NULL, ONE, ZERO, Term, leaves
from lakeproof.meaning.tree import choose, lift, rewrite
from lakeproof.meaning.value import NotUnderstood

if TYPE_CHECKING:
    from collections.abc import Sequence

OUTER = "outer"
"""The scope of an aggregate over groups, until it is told as one over rows."""


def lowered(tree: Term, keys: Sequence[Term], scope: str = "group") -> Term:
    """Return a term that aggregates groups, over their rows.

    Args:
        tree: The term; its aggregates over groups have the scope `OUTER`.
        keys: What the groups are grouped by, as far as it is not the same in all that are aggregated.
        scope: The scope of the result.

    Raises:
        NotUnderstood: The aggregate of the aggregates is none over the rows, such as a mean of means.
    """

    def change(term: Term) -> Term | None:
        match term:
            case Term(op="split", args=(Term(op="total", args=("outer", of)), cuts, arms)) if (
                len(cuts) == 1 and cuts[0] == (1, 0) and (some := _some(of)) is not None
            ):
                return choose(_scoped(some, scope), cuts, [rewrite(arm, change) for arm in arms])
            case Term(op="total", args=("outer", of)):
                return _total(of, keys, scope)
            case Term(op="agg", args=(name, "outer", of, ())):
                return _extreme(name, of, scope)
            case Term(op="agg" | "distinct" | "first") if OUTER in term.args:
                return _no(term)
        return None

    return rewrite(tree, change)


def _no(term: Term) -> Term:
    msg = f"an aggregate of aggregates: {term}"
    raise NotUnderstood(msg)


def _scoped(term: Term, scope: str) -> Term:
    return Term("total", scope, term.args[1]) if term.op == "total" else term


def _some(of: Term) -> Term | None:
    """Return what is above zero if and only if some group has a value."""
    if of.op == "split" and over_group(of.args[0]) and of.args[1:] == (((1, 0),), (ZERO, ONE)):
        var: Term = of.args[0]
        return var if var.op == "total" and var.args[0] == "group" else None
    told = any(over_group(var) for var in variables(of))
    return None if told or any(leaf not in {ZERO, ONE} for leaf in leaves(of)) else Term("total", "group", of)


def _total(of: Term, keys: Sequence[Term], scope: str) -> Term:
    if any(over_group(var) for var in variables(of)):
        return _no(of)
    if all(leaf.op == "num" for leaf in leaves(of)):
        found = ZERO
        for factor in set(leaves(of)) - {ZERO}:
            counted = lift(
                lambda leaf, row, f=factor: row if leaf == f else NULL,
                of,
                row_of(keys) if len(keys) != 1 else _one(keys[0]),
            )
            found = total.plus(found, poly.multiply(factor, total.distinct(scope, counted)))
        return found

    def rows(leaf: Term) -> Term:
        found = ZERO
        for monomial, factor in poly.poly(leaf).items():
            match monomial:
                case ((Term(op="total", args=("group", each)), 1),):
                    found = total.plus(found, total.scaled(each, factor))
                case _:
                    _no(leaf)
        return found

    return total.total(scope, lift(rows, of))


def _one(key: Term) -> Term:
    """Return what a group is known by: its only key, where that is never null."""
    return row_of([key]) if NULL in set(leaves(key)) else key


def _extreme(name: str, of: Term, scope: str) -> Term:
    found = {leaf for leaf in leaves(of) if leaf != NULL}
    if len(found) == 1:
        (leaf,) = found
        if (
            leaf.op == "agg"
            and leaf.args[0] == name
            and leaf.args[1] == "group"
            and name.split(maxsplit=1)[0] in {"max", "min"}
        ):
            inner = leaf.args[2]
            if of in {leaf, total.if_any("group", inner, leaf)}:
                return Term("agg", name, scope, inner, ())
        if not over_group(of) and name.split(maxsplit=1)[0] in {"max", "min", "any_value"}:
            return Term("agg", name, scope, of, ())
    return _no(of)
