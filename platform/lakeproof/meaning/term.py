"""Terms: what an expression is made of once its spelling is gone. Equal terms have equal values on every row."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_SPELLING = 200

DAY = 86_400_000_000
"""A day in microseconds, the unit of everything that is about time."""


class Term:
    """An operator and what it is applied to; immutable, equal and ordered by its spelling.

    Args:
        op: The operator. `num`, `text`, `true`, `false` and `null` are constants; `sum` is a polynomial; `split` a
            decision (`lakeproof.meaning.tree`); `total` adds up rows (`lakeproof.meaning.total`); `rows` is a multiset
            of rows (`lakeproof.meaning.rows`); all others are atoms, which are never null.
        args: Terms, plain values, and tuples of them.
    """

    def __init__(self, op: str, *args: Any) -> None:
        self.op, self.args = op, args
        text = f"{op}({','.join(map(_spelt, args))})"
        self.key = (
            text if len(text) <= LONGEST_SPELLING else f"{op}#{blake2b(text.encode(), digest_size=16).hexdigest()}"
        )
        self._hash = hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Term) and self.key == other.key

    def __hash__(self) -> int:
        return self._hash

    def __lt__(self, other: Term) -> bool:
        return self.key < other.key

    def __repr__(self) -> str:
        return f"{self.op}({', '.join(map(repr, self.args))})"

    @property
    def terms(self) -> Iterator[Term]:
        """The terms it is directly made of."""
        return _terms(self.args)

    @cached_property
    def within(self) -> frozenset[Term]:
        """All terms it is made of, itself included."""
        return frozenset({self}).union(*(term.within for term in self.terms))


def _spelt(arg: Any) -> str:
    match arg:
        case Term():
            return arg.key
        case tuple():
            return f"({','.join(map(_spelt, arg))})"
        case _:
            return repr(arg)


def _terms(args: tuple[Any, ...]) -> Iterator[Term]:
    for arg in args:
        if isinstance(arg, Term):
            yield arg
        elif isinstance(arg, tuple):
            yield from _terms(arg)


TRUE, FALSE, NULL = Term("true"), Term("false"), Term("null")
CONSTANTS = {"num", "text", "true", "false", "null"}


def num(value: Fraction | float | str) -> Term:
    """Return a number, exactly."""
    return Term("num", Fraction(value))


def text(value: str) -> Term:
    """Return a text."""
    return Term("text", value)


def truth(value: bool) -> Term:  # noqa: FBT001 - the value is what it is about
    """Return a truth value."""
    return TRUE if value else FALSE


ZERO, ONE = num(0), num(1)
TODAY = Term("today")
"""The logical day that is made, whichever it is."""

WHOLE = {"bool", "int", "date", "time", "zoned", "interval"}
PARTS = {
    "isodow": (1, 7),
    "hour": (0, 23),
    "minute": (0, 59),
    "second": (0, 59),
    "month": (1, 12),
    "day": (1, 31),
    "quarter": (1, 4),
    "doy": (1, 366),
    "week": (1, 53),
    "year": (None, None),
    "length": (0, None),
}
"""The functions whose values are whole numbers, and between which."""


NULLABLE = {"stddev_samp", "var_samp", "skewness", "corr", "covar_samp"}
"""Aggregates that may be null though a value is there."""


COUNTING = {"row_number", "rank", "dense_rank", "distinct_on", "count"}
"""Window functions whose values are whole numbers and never null."""


def column(source: str, name: str, kind: str, *, nullable: bool = False) -> Term:
    """Return a column of a source where it is not null; `nullable` says that it may be null elsewhere."""
    return Term("col", source, name, kind, nullable)


def nullable(term: Term) -> bool:
    """Whether an atom may be null, so that it stands only where `missing` was asked."""
    match term.op:
        case "col":
            return bool(term.args[3])
        case "agg":
            return term.args[0] in NULLABLE or term.args[0].startswith("other ")
        case "win":
            return term.args[0] not in COUNTING
        case "first":
            return not (term.args[0] == "first" and term.args[2] == TRUE)
        case "call":
            return True
    return False


@lru_cache(maxsize=50_000)
def step(term: Term) -> Fraction | None:  # noqa: C901, PLR0911 - one for each sort of term
    """Return the number of which all values of a term are multiples; None where there is none, as for a double."""
    match term.op:
        case "col":
            kind = term.args[2]
            if kind.startswith("decimal"):
                return Fraction(1, 10 ** int(kind.partition(":")[2]))
            return Fraction(DAY if kind == "date" else 1) if kind in WHOLE else None
        case "today":
            return Fraction(DAY)
        case "total" | "split":
            return _common([step(leaf) for leaf in leaves(term.args[1] if term.op == "total" else term)])
        case "agg" if term.args[0] in {"max", "min"}:
            return _common([step(leaf) for leaf in leaves(term.args[2]) if leaf != NULL])
        case "num":
            return Fraction(abs(term.args[0]))
        case "sum":
            return _common([_monomial_step(monomial, factor) for monomial, factor in term.args[0]])
        case "fn":
            name = term.args[0]
            return Fraction(DAY) if name == "trunc day" else Fraction(1) if _whole(name) else None
        case "distinct" | "missing" | "absent" | "truth":
            return Fraction(1)
        case "win":
            return Fraction(1) if term.args[0] in COUNTING else None
    return None


def _whole(name: str) -> bool:
    return name in PARTS or name.startswith(("trunc ", "round 0 ", "floor 0 ", "ceil 0 ", "zone "))


def _monomial_step(monomial: tuple[tuple[Term, int], ...], factor: Fraction) -> Fraction | None:
    found = abs(factor)
    for atom, power in monomial:
        if (single := step(atom)) is None:
            return None
        found *= single**power
    return found


def _common(steps: list[Fraction | None]) -> Fraction | None:
    """Return the greatest number of which all are multiples."""
    found = Fraction(0)
    for each in steps:
        if each is None:
            return None
        while each:
            found, each = each, found % each  # noqa: PLW2901 - Euclid's algorithm
    return found or Fraction(1)


def leaves(term: Term) -> Iterator[Term]:
    """Yield the values that a decision can come to."""
    if term.op != "split":
        yield term
        return
    for arm in term.args[2]:
        yield from leaves(arm)
