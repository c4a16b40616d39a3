"""Aggregates: sums, counts, means and rates as totals over rows, and the others over what is not null.

`total(scope, f)` adds up `f`, which is never null, and is 0 where there is no row. The scope is `group`, the rows of
the group that a row of the result stands for, of which there is at least one; `all`, the rows of an aggregate without
GROUP BY, which may be none; or those of a subquery. Totals of one scope that are added become one total of the sum, so
`count(*) - count(*) filter (where a)` is the total of not `a`.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import Any

from lakeproof.meaning import poly
from lakeproof.meaning.term import FALSE, NULL, ONE, TRUE, ZERO, Term, leaves, num, truth
from lakeproof.meaning.tree import REBUILD, apply, choose, lift, missing

Scope = str | Term

REFLECTED = {"max", "quantile_cont"}


def plus(*trees: Term) -> Term:
    """Return a sum."""
    found = ZERO
    for tree in trees:
        found = lift(lambda *each: _gathered(poly.add(*each)), found, tree)
    return found


def times(left: Term, right: Term) -> Term:
    """Return a product."""
    return lift(lambda a, b: _gathered(poly.multiply(a, b)), left, right)


def over(left: Term, right: Term) -> Term:
    """Return a fraction."""
    return lift(lambda a, b: _gathered(poly.divide(a, b)), left, right)


def _gathered(term: Term) -> Term:
    """Add up the totals of a sum that are of one scope, and the fractions over one number of rows."""
    if term.op not in {"sum", "ratio"}:
        return term
    parts: dict[Any, list[tuple[Term, Fraction]]] = defaultdict(list)
    rest: dict[Any, Fraction] = {}
    for monomial, factor in poly.poly(term).items():
        match monomial:
            case ((Term(op="total", args=(scope, of)), 1),):
                parts[scope].append((of, factor))
            case _:
                rest[monomial] = factor
    term = poly.made(rest)
    for scope, totals in parts.items():
        made = totals[0][0] if len(totals) == 1 else None
        if made is not None:
            term = poly.add(term, poly.scale(Term("total", scope, made), totals[0][1]))
            continue
        summed = plus(*(scaled(of, factor) for of, factor in totals))
        term = poly.add(term, total(scope, summed))
    return _rates(term)


def _rates(term: Term) -> Term:
    """Write fractions over one number of rows as one, beside a constant.

    Where the number is zero, all of them are no number, and so is their sum: a fraction of rows that are not counted
    below is left as it is.
    """
    kept: poly.Poly = {}
    rates: dict[Term, list[Term]] = defaultdict(list)
    for monomial, factor in poly.poly(term).items():
        match monomial:
            case ((Term(op="ratio", args=(Term(op="total", args=above), Term(op="total", args=below) as by)), 1),) if (
                above[0] == below[0] and _counted(above[1], below[1])
            ):
                rates[by].append(scaled(above[1], factor))
            case _:
                kept[monomial] = factor
    term = poly.made(kept)
    for by, parts in sorted(rates.items()):
        scope, counted = by.args
        added = plus(*parts)
        first = next(
            leaf for leaf in leaves(lift(lambda a, b: b if a == ONE else NULL, counted, added)) if leaf != NULL
        )
        constant = poly.poly(first).get(poly.CONSTANT, Fraction(0))
        rest = plus(added, scaled(counted, -constant))
        if rest != ZERO or by == Term("total", "group", ONE):
            term, added = poly.add(term, num(constant)), rest
        if added != ZERO:
            term = poly.add(term, poly.divide(total(scope, added), by))
        elif by != Term("total", "group", ONE):
            term = poly.add(term, Term("ratio", ZERO, by))
    return term


def _counted(above: Term, below: Term) -> bool:
    """Whether only rows are added up above that are counted, once each, below."""
    if any(leaf not in {ZERO, ONE} for leaf in leaves(below)):
        return False
    return lift(lambda a, b: FALSE if b == ZERO and a != ZERO else TRUE, above, below) == TRUE


def scaled(tree: Term, by: Fraction) -> Term:
    """Return a tree times a number."""
    return lift(lambda leaf: poly.scale(leaf, by), tree)


def first_factor(tree: Term) -> Fraction:
    """Return the factor of the first leaf that is neither null nor zero."""
    return next((poly.leading(leaf) for leaf in leaves(tree) if leaf not in {NULL, ZERO}), Fraction(1))


def total(scope: Scope, of: Term) -> Term:
    """Return the total of a number that is never null."""
    if of == ZERO:
        return ZERO
    by = first_factor(of)
    return poly.scale(Term("total", scope, scaled(of, 1 / by)), by)


def there(tree: Term) -> Term:
    """Return 1 where a value is there, 0 where it is null."""
    return lift(lambda leaf: ZERO if leaf == NULL else ONE, tree)


def count(scope: Scope, of: Term) -> Term:
    """Return the number of rows in which a value is not null."""
    return total(scope, there(of))


def if_any(scope: Scope, of: Term, value: Term) -> Term:
    """Return a value where some row has one that is not null; null otherwise."""
    return choose(count(scope, of), [(1, 0)], [NULL, value])


def number(leaf: Term) -> Term:
    """Return a truth value as 1 or 0."""
    return {TRUE: ONE, FALSE: ZERO}.get(leaf, leaf)


def aggregate(name: str, scope: Scope, of: Term, *more: Term) -> Term:
    """Return an aggregate that passes over nulls.

    Args:
        name: `sum`, `count`, `avg`, `bool_or`, `bool_and`, or any other, of which no more is known than that.
        scope: Over which rows.
        of: Of what, null in the rows that a filter leaves out.
        more: What else it is told, such as which quantile.
    """
    match name:
        case "count":
            return count(scope, of)
        case "sum" | "avg":
            of = lift(number, of)
            added = total(scope, lift(lambda leaf: ZERO if leaf == NULL else leaf, of))
            return if_any(scope, of, added if name == "sum" else over(added, count(scope, of)))
        case "bool_or":
            true = total(scope, lift(lambda leaf: num(leaf == TRUE), of))
            return if_any(scope, of, choose(true, [(1, 0)], [FALSE, TRUE]))
        case "bool_and":
            false = total(scope, lift(lambda leaf: num(leaf == FALSE), of))
            return if_any(scope, of, choose(false, [(1, 0)], [TRUE, FALSE]))
    return _other(name, scope, of, *more)


def _other(name: str, scope: Scope, of: Term, *more: Term) -> Term:
    if name == "min" and _is_number(of):
        return scaled(_other("max", scope, scaled(of, Fraction(-1))), Fraction(-1))
    if name in REFLECTED | {"min", "quantile_disc"} and _constant(of):
        (value,) = {leaf for leaf in leaves(of) if leaf != NULL}
        return if_any(scope, of, value)
    if name == "max" and of != NULL and all(leaf.op in {"num", "null"} for leaf in leaves(of)):
        return _greatest(scope, of)
    if name in {"max", "quantile_cont", "quantile_disc", "mode", "any_value"} and _is_number(of):
        constant = _shift(of)
        if constant:
            return plus(_other(name, scope, plus(of, num(-constant)), *more), num(constant))
    by = Fraction(1)
    if name in {"max", "quantile_cont", "stddev_samp", "stddev_pop"} and _is_number(of):
        by = first_factor(of)
        if name == "quantile_cont" and by < 0:
            more = (num(1 - more[0].args[0]),)
        if name == "max" and by < 0:
            name = "min"
        of = scaled(of, 1 / by)
        by = abs(by) if name.startswith("stddev") else by
    atom = Term("agg", name, scope, of, more)
    value = missing(atom)
    return if_any(scope, of, scaled(value, by) if by != 1 else value)


def _greatest(scope: Scope, of: Term) -> Term:
    """Return the greatest of constants: the first that some row has."""
    least, *others = sorted({leaf.args[0] for leaf in leaves(of) if leaf != NULL})
    found = num(least)
    for value in others:
        counted = total(scope, lift(lambda leaf, v=value: num(leaf == num(v)), of))
        found = choose(counted, [(1, 0)], [found, num(value)])
    return if_any(scope, of, found)


def _shift(of: Term) -> Fraction:
    """Return the constant that all values have added to something else."""
    parts = [poly.parted(leaf) for leaf in leaves(of) if leaf != NULL]
    constants = {constant for _, _, constant in parts}
    if len(constants) != 1 or any(rest == ZERO for rest, _, _ in parts):
        return Fraction(0)
    return constants.pop()


def _is_number(of: Term) -> bool:
    """Whether a tree has only numbers: no text, no truth values, no function of which that is not known."""
    return all(leaf.op in {"num", "sum", "null", "ratio", "total"} or _is_number_column(leaf) for leaf in leaves(of))


def _is_number_column(leaf: Term) -> bool:
    kind = str(leaf.args[2]) if leaf.op == "col" else ""
    return kind in {"int", "double", "date", "time", "zoned", "interval"} or kind.startswith("decimal")


def _constant(of: Term) -> bool:
    values = {leaf for leaf in leaves(of) if leaf != NULL}
    return len(values) == 1 and all(leaf.op in {"num", "text"} for leaf in values)


def distinct(scope: Scope, of: Term) -> Term:
    """Return the number of different values that are not null."""
    if all(leaf == NULL or leaf.op in {"num", "text"} for leaf in leaves(of)):
        values = {leaf for leaf in leaves(of) if leaf != NULL}
        counted = [total(scope, lift(lambda leaf, v=value: num(leaf == v), of)) for value in values]
        return plus(*(choose(each, [(1, 0)], [ZERO, ONE]) for each in counted))
    by = first_factor(of) if _is_number(of) else Fraction(1)
    return Term("distinct", scope, scaled(of, 1 / by) if by != 1 else of)


REBUILD["sum"] = lambda _, factors: plus(*(_product(monomial, factor) for monomial, factor in factors))
REBUILD["ratio"] = lambda _, above, below: over(above, below)


def _product(monomial: Any, factor: Fraction) -> Term:
    found = num(factor)
    for atom, power in monomial:
        for _ in range(power):
            found = times(found, atom)
    return found


__all__ = ["aggregate", "apply", "count", "distinct", "over", "plus", "times", "total", "truth"]
