"""Arithmetic on terms without decisions: polynomials with exact factors, in one normal form."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

from lakeproof.meaning.term import NULL, ZERO, Term, num

Monomial = tuple[tuple[Term, int], ...]
Poly = dict[Monomial, Fraction]

CONSTANT: Monomial = ()


def poly(term: Term) -> Poly:
    """Return a term as a polynomial: factors by monomial."""
    if term.op == "num":
        return {CONSTANT: term.args[0]} if term.args[0] else {}
    if term.op == "sum":
        return dict(term.args[0])
    return {((term, 1),): Fraction(1)}


def made(factors: Poly) -> Term:
    """Return the term of a polynomial."""
    kept = {monomial: factor for monomial, factor in factors.items() if factor}
    if not kept:
        return ZERO
    if kept.keys() == {CONSTANT}:
        return num(kept[CONSTANT])
    if len(kept) == 1:
        ((monomial, factor),) = kept.items()
        if factor == 1 and len(monomial) == 1 and monomial[0][1] == 1:
            return monomial[0][0]
    return Term("sum", tuple(sorted(kept.items(), key=lambda item: _spelt(item[0]))))


def _spelt(monomial: Monomial) -> str:
    return "*".join(f"{atom.key}^{power}" for atom, power in monomial)


def add(*terms: Term) -> Term:
    """Return the sum of terms, null where one of them is."""
    if NULL in terms:
        return NULL
    factors: Poly = defaultdict(Fraction)
    for term in terms:
        for monomial, factor in poly(term).items():
            factors[monomial] += factor
    return made(factors)


def scale(term: Term, by: Fraction) -> Term:
    """Return a term times a number."""
    return NULL if term == NULL else made({monomial: factor * by for monomial, factor in poly(term).items()})


def multiply(left: Term, right: Term) -> Term:
    """Return a product, null where a factor is."""
    if NULL in {left, right}:
        return NULL
    factors: Poly = defaultdict(Fraction)
    for monomial, factor in poly(left).items():
        for other, by in poly(right).items():
            factors[_times(monomial, other)] += factor * by
    return made(factors)


def _times(left: Monomial, right: Monomial) -> Monomial:
    powers: dict[Term, int] = defaultdict(int)
    for atom, power in (*left, *right):
        powers[atom] += power
    return tuple(sorted(powers.items()))


def divide(left: Term, right: Term) -> Term:
    """Return a fraction, null where a part is.

    By zero it is infinite or no number, as in DuckDB, so nothing is cancelled or split up unless it cannot be zero.
    """
    if NULL in {left, right}:
        return NULL
    if right.op == "num" and right.args[0]:
        return scale(left, 1 / right.args[0])
    if right.op == "num":
        return Term("ratio", left, right)
    by = abs(leading(right))  # not its sign, which zero would not have
    divisor = scale(right, 1 / by)
    if left == ZERO:
        return Term("ratio", left, divisor)
    times = leading(left)
    return scale(Term("ratio", scale(left, 1 / times), divisor), times / by)


def leading(term: Term) -> Fraction:
    """Return the factor that stands first, which is never zero; of zero, 1."""
    factors = poly(term)
    if not factors:
        return Fraction(1)
    return factors[min((m for m in factors if m != CONSTANT), key=_spelt, default=CONSTANT)]


def parted(term: Term) -> tuple[Term, Fraction, Fraction]:
    """Return `x`, `a` and `b` such that a term is `a * x + b`, `x` has no constant and leads with factor 1."""
    factors = poly(term)
    constant = factors.pop(CONSTANT, Fraction(0))
    if not factors:
        return ZERO, Fraction(1), constant
    rest = made(factors)
    by = leading(rest)
    return scale(rest, 1 / by), by, constant
