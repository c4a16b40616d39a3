"""Rows: a multiset of rows from sources that are joined and filtered, whichever way that is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from typing import TYPE_CHECKING, Any

from lakeproof.meaning import poly, total
from lakeproof.meaning.kind import is_linear
from lakeproof.meaning.term import FALSE, NULL, TRUE, Term, column, step, truth
from lakeproof.meaning.tree import REBUILD, choose, gap, lift, rewrite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

FRESH = count()
LIKE_NUMBERS = {"max", "min", "quantile_cont"}


def fresh() -> str:
    """Return a name for a source that no other has."""
    return f"s{next(FRESH)}"


def relation(op: str, of: Any, columns: Iterable[tuple[str, str, bool]], keys: Iterable[Iterable[str]]) -> Term:
    """Return what a source reads.

    Args:
        op: `table`, or `derived` for a statement within.
        of: Its name, or its normal form.
        columns: Its columns: name, kind, and whether it may be null.
        keys: What identifies a row.
    """
    return Term(op, of, tuple(columns), tuple(sorted(tuple(sorted(key)) for key in keys)))


def columns_of(name: str, of: Term) -> dict[str, Term]:
    """Return the columns of a source by name."""
    return {each: column(name, each, kind, nullable=null) for each, kind, null in of.args[1]}


def columns_in(term: Term) -> Iterator[Term]:
    """Yield the columns that a term has."""
    return (each for each in term.within if each.op == "col")


def sources_in(term: Term) -> set[str]:
    """Return the sources that a term is told by."""
    return {each.args[0] for each in term.within if each.op in {"col", "absent"}}


@dataclass(frozen=True)
class Rows:
    """Rows of joined sources.

    Args:
        sources: What each source reads, by its name.
        where: The condition that a row keeps.
        optional: Of sources that are the right side of a LEFT JOIN, the condition on which they join. Where nothing
            joins, the source is `absent` and its columns are null.
    """

    sources: Mapping[str, Term]
    where: Term = TRUE
    optional: Mapping[str, Term] = field(default_factory=dict)

    def renamed(self, names: Mapping[str, str]) -> tuple[Rows, Callable[[Term], Term]]:
        """Return the same rows with other names of sources, and what renames them in a term."""

        def change(term: Term) -> Term | None:
            if term.op in {"col", "absent"} and term.args[0] in names:
                return Term(term.op, names[term.args[0]], *term.args[1:])
            return None

        def rename(term: Term) -> Term:
            return rewrite(term, change)

        return Rows(
            {names.get(name, name): of for name, of in self.sources.items()},
            rename(self.where),
            {names.get(name, name): rename(on) for name, on in self.optional.items()},
        ), rename

    def copied(self) -> tuple[Rows, Callable[[Term], Term]]:
        """Return the same rows under fresh names, and what renames them in a term."""
        return self.renamed({name: fresh() for name in self.sources})

    def without(self, name: str) -> Rows:
        """Return the rows without a source."""
        return Rows(
            {each: of for each, of in self.sources.items() if each != name},
            self.where,
            {each: on for each, on in self.optional.items() if each != name},
        )


def equal(left: Term, right: Term) -> Term:
    """Return the condition that two values are equal; neither is null."""
    if left in {TRUE, FALSE} or right in {TRUE, FALSE}:
        return truth(left == right)
    return ordered(left, right, (FALSE, TRUE, FALSE))


def ordered(left: Term, right: Term, arms: tuple[Term, Term, Term]) -> Term:
    """Return one of three arms, as a value is less than another, equal or greater; neither is null."""
    if not (_is_linear(left) and _is_linear(right)):
        return gap(left, right, arms)
    apart = total.plus(left, poly.scale(right, Fraction(-1)))
    return choose(apart, [(Fraction(0), 0), (Fraction(0), 1)], arms)


def _is_linear(term: Term) -> bool:
    if term.op in {"agg", "fn"}:
        return step(term) is not None or term.args[0] in LIKE_NUMBERS
    if term.op == "col":
        return is_linear(term.args[2])
    return term.op in {"num", "sum", "today", "total", "ratio", "distinct"}


def same(left: Term, right: Term) -> Term:
    """Return IS NOT DISTINCT FROM of trees."""
    return lift(lambda a, b: truth(a == b) if NULL in {a, b} else equal(a, b), left, right)


def _as_it_is(term: Term, *args: Any) -> Term:
    return Term(term.op, *args)


REBUILD.update(dict.fromkeys(("rows", "table", "derived", "block", "union", "win"), _as_it_is))
