"""What sets two normal forms apart that differ in one place, as far as the forms themselves show it."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Literal

from lakeproof.meaning import total
from lakeproof.meaning.condition import between, coalesce, hull, variables
from lakeproof.meaning.finish import OUTPUTS
from lakeproof.meaning.term import NULL, TRUE, ZERO, Term, leaves, truth
from lakeproof.meaning.tree import lift, rewrite

if TYPE_CHECKING:
    from fractions import Fraction

Change = Literal["filter", "window", "grain", "scale", "nulls", "rounding", "column"]
Shown = tuple[Change, str]

MOST_TOTALS = 3


def beside(left: Term, right: Term) -> Shown | None:
    """Return what sets two blocks apart that differ in one column or one condition, and how to say it."""
    if left.op != "block" or right.op != "block":
        return None
    if left.args[:OUTPUTS] != right.args[:OUTPUTS]:
        return _asks_more(left, right, "right") or _asks_more(right, left, "left")
    ours, theirs = list(left.args[OUTPUTS]), list(right.args[OUTPUTS])
    for output in list(ours):
        if output in theirs:
            ours.remove(output)
            theirs.remove(output)
    if len(ours) != 1 or len(theirs) != 1:
        return None
    ((one, _),), ((other, _),) = ours, theirs
    return (
        _scaled(one, other)
        or _filled(one, other, "The right one", "the left one")
        or _filled(other, one, "The left one", "the right one")
        or _fewer(one, other, "right")
        or _fewer(other, one, "left")
    )


def _asks_more(one: Term, other: Term, side: str) -> Shown | None:
    """Say that the other asks one thing more of the same rows."""
    if one.args[0] != other.args[0] or one.args[2:] != other.args[2:]:
        return None
    if not set(one.args[1]) < set(other.args[1]) or len(other.args[1]) != len(one.args[1]) + 1:
        return None
    return "filter", f"The {side} one asks one thing more of the same rows."


def _scaled(one: Term, other: Term) -> Shown | None:
    if any(leaf.op in {"text", "true", "false"} for tree in (one, other) for leaf in leaves(tree)):
        return None
    by = total.first_factor(other) / total.first_factor(one)
    return ("scale", f"The right one is the left one times {_written(by)}.") if total.scaled(one, by) == other else None


def _written(number: Fraction) -> str:
    return str(number) if 1 in {number.denominator, abs(number.numerator)} else f"{float(number):g}"


def _filled(one: Term, other: Term, this: str, that: str) -> Shown | None:
    """Say that the other has a constant where one has nothing."""
    if NULL not in leaves(one):
        return None
    for constant in {ZERO, *(leaf for leaf in leaves(other) if leaf.op in {"num", "text", "true", "false"})}:
        if coalesce(one, constant) == other:
            said = constant.args[0] if constant.args else constant.op
            return "nulls", f"{this} has {said} where {that} has nothing."
    return None


def _fewer(one: Term, other: Term, side: str) -> Shown | None:
    """Say that the other adds up fewer of the same rows."""
    ours, theirs = _totals(one) - _totals(other), _totals(other) - _totals(one)
    if not ours or len(ours) != len(theirs) or len(ours) > MOST_TOTALS:
        return None
    for order in permutations(sorted(theirs)):
        pairs = dict(zip(sorted(ours), order, strict=True))
        if all(_is_part(part, whole) for whole, part in pairs.items()) and rewrite(one, pairs.get) == other:
            return "filter", f"The {side} one leaves out rows that the other one adds up."
    return None


def _totals(tree: Term) -> set[Term]:
    return {term for term in tree.within if term.op == "total"}


def _is_part(part: Term, whole: Term) -> bool:
    """Whether one total adds up the rows of another that keep one more condition on one variable."""
    (scope, added), (other_scope, all_added) = part.args, whole.args
    kept = lift(lambda leaf: truth(leaf != ZERO), added)
    for var in variables(added) if scope == other_scope else ():
        ends = hull(kept, var)
        only = lift(lambda k, leaf: leaf if k == TRUE else ZERO, between(var, *ends), all_added)
        if ends != (None, None) and only == added:
            return True
    return False
