"""One join for all ways to write it, and subqueries: rows that an expression counts, asks for or adds up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice, permutations, product
from typing import TYPE_CHECKING, Any

from lakeproof.meaning import poly, total
from lakeproof.meaning.condition import both, holds, if_else, implies, negated
from lakeproof.meaning.rows import Rows, columns_of, ordered, same, sources_in
from lakeproof.meaning.settle import Settled, determined, settled
from lakeproof.meaning.term import FALSE, NULL, ONE, TRUE, ZERO, Term, column, num
from lakeproof.meaning.tree import REBUILD, choose, lift, rewrite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

MOST_ORDERS = 24
"""In how many orders sources are tried that read the same; beyond, two definitions may not be found to be the same."""

NOWHERE = Term("rows", (), (FALSE,), (), 0)
"""No rows."""


def joined(rows: Rows) -> Settled:
    """Return rows with all that is certain of them, joined in the one way in which all are."""
    found = settled(rows)
    while (again := _absence(found) or _existence(found) or _extreme(found) or _same_source(found)) is not None:
        found = again
    return found


def _again(found: Settled, rows: Rows, told: Mapping[Term, Term]) -> Settled:
    """Return rows settled anew, that also tell what the columns of former sources were."""
    carried = {each: rewrite(other, told.get) for each, other in found.carried.items()}
    return settled(rows, {**carried, **told})


def _absence(found: Settled) -> Settled | None:
    """Read an optional source that must be there as an inner one; ask of one that must not whether it exists."""
    for var, (low, _) in found.facts.items():
        if var.op != "absent":
            continue
        name, gone = var.args[0], low is not None
        whole = found.whole
        told = {var: num(gone)}
        where = rewrite(whole.where, told.get)
        others = {n: rewrite(on, told.get) for n, on in whole.optional.items() if n != name}
        on, sources = whole.optional[name], dict(whole.sources)
        where = both(where, _none(Rows({name: sources.pop(name)}, on)) if gone else on)
        return _again(found, Rows(sources, where, others), told)
    return None


def _existence(found: Settled) -> Settled | None:
    """Join what must exist and is there once; do not ask for what is there, for a row is it itself."""
    for var, ends in found.facts.items():
        if var.op != "total" or not isinstance(var.args[0], Term) or var.args[1] != ONE or ends != ((1, 0), None):
            continue
        scope = var.args[0]
        inner = _at_most_one(scope)
        if inner is None and not contains(scope, found):
            continue
        del found.facts[var]
        whole = found.whole
        if inner is None:
            return _again(found, whole, {})
        rows = Rows(
            {**whole.sources, **inner.sources}, both(whole.where, inner.where), {**whole.optional, **inner.optional}
        )
        return _again(found, rows, {})
    return None


def _extreme(found: Settled) -> Settled | None:
    """Ask for no greater one, and one that is equal, where a column is to be the greatest of some rows."""
    for col, other in found.known.items():
        ((monomial, sign),) = poly.poly(other).items() if len(poly.poly(other)) == 1 else (((), Fraction(0)),)
        match monomial:
            case ((Term(op="agg", args=(name, Term() as scope, of, ())), 1),) if abs(sign) == 1 and scope != NOWHERE:
                if name.split(maxsplit=1)[0] not in {"max", "min"}:
                    continue
            case _:
                continue
        del found.known[col]
        rows, rename = opened(scope).copied()
        told = poly.scale(col, sign) if sign < 0 else col
        equal_ones = replace(rows, where=both(rows.where, same(rename(of), told)))
        better = replace(rows, where=both(rows.where, beyond(rename(of), told, greater=name.startswith("max"))))
        where = both(found.whole.where, _none(better), negated(_none(equal_ones)))
        return _again(found, replace(found.whole, where=where), {})
    return None


def _none(rows: Rows) -> Term:
    return choose(subquery(rows).total(ONE), [(1, 0)], [TRUE, FALSE])


def beyond(left: Term, right: Term, *, greater: bool) -> Term:
    """Return whether one value is greater, or less, than another; not where one is null."""
    arms = (FALSE, FALSE, TRUE) if greater else (TRUE, FALSE, FALSE)
    return holds(lift(lambda a, b: NULL if NULL in {a, b} else ordered(a, b, arms), left, right))


def _same_source(found: Settled) -> Settled | None:
    """Read a source once that is joined with itself by its key."""
    rows = found.rows
    inner = [name for name in sorted(rows.sources) if name not in rows.optional]
    for first, second in product(inner, inner):
        of = rows.sources[first]
        if first < second and rows.sources[second] == of and any(_met(found, first, second, key) for key in of.args[2]):
            merged, _ = found.whole.renamed({second: first})
            here = columns_of(first, of)
            told: dict[Term, Term] = {}
            for name, old in columns_of(second, of).items():
                told[old] = here[name]
                told[column(*old.args[:3])] = column(*here[name].args[:3])
                told[Term("missing", old)] = Term("missing", here[name]) if old.args[3] else ZERO
            return _again(found, merged, told)
    return None


def _met(found: Settled, first: str, second: str, key: tuple[str, ...]) -> bool:
    here, there = (columns_of(name, found.rows.sources[name]) for name in (first, second))
    sides = [(column(*here[name].args[:3]), column(*there[name].args[:3])) for name in key]
    return bool(key) and all(found.known.get(a, a) == found.known.get(b, b) for a, b in sides)


@dataclass(frozen=True)
class Scope:
    """The rows of a subquery, and what reads terms over them.

    Args:
        term: The rows, in normal form.
        told: Makes a term over the rows as they were given one over the normal form.
        given: What must hold outside for there to be any.
    """

    term: Term
    told: Callable[[Term], Term]
    given: Term = TRUE

    def total(self, of: Term) -> Term:
        """Return the total of a number that is never null."""
        return if_else(self.given, total.total(self.term, self.told(of)), ZERO)

    def aggregate(self, name: str, of: Term, more: Sequence[Term]) -> Term:
        """Return an aggregate that passes over nulls."""
        if name == "distinct":
            return if_else(self.given, total.distinct(self.term, self.told(of)), ZERO)
        return if_else(self.given, total.aggregate(name, self.term, self.told(of), *map(self.told, more)), NULL)

    def aggregated(self, tree: Term, scopes: set[str], name: Callable[[Term], Term] = lambda term: term) -> Term | None:
        """Return a term that aggregates rows of some scopes as one over these rows.

        Args:
            tree: The term.
            scopes: Which scopes.
            name: Renames the rows to those that the subquery was given.

        Returns:
            The term; None where it asks for a first row.
        """
        if any(term.op == "first" for term in tree.within):
            return None

        def change(term: Term) -> Term | None:
            match term:
                case Term(op="total", args=(scope, of)) if scope in scopes:
                    return self.total(name(of))
                case Term(op="agg", args=(kind, scope, of, more)) if scope in scopes:
                    return self.aggregate(kind, name(of), more)
                case Term(op="distinct", args=(scope, of)) if scope in scopes:
                    return self.aggregate("distinct", name(of), ())
            return None

        return rewrite(tree, change)


def subquery(rows: Rows) -> Scope:
    """Return rows in a form that does not depend on how they are written, nor on the names of their sources."""
    found = joined(rows)
    if found.rows.where == FALSE:
        return Scope(NOWHERE, found.told, FALSE)
    own = set(found.rows.sources)
    inside = [each for each in found.conditions if sources_in(each) & own]
    outside = [each for each in found.conditions if not sources_in(each) & own]
    whole = replace(found.rows, where=both(*inside))
    nested = (each for term in (whole.where, *whole.optional.values()) for each in term.within if each.op == "rows")
    height = 1 + max((each.args[3] for each in nested), default=0)
    given = both(*outside)
    scopes = (_named(found, whole, names, height) for names in orders(whole.sources, height))
    return replace(min(scopes, key=lambda scope: scope.term), given=given)


def _named(found: Settled, whole: Rows, names: Mapping[str, str], height: int) -> Scope:
    named, rename = whole.renamed(names)
    again = joined(named)
    term = Term(
        "rows",
        tuple(sorted(again.rows.sources.items())),
        tuple(sorted(again.conditions)),
        tuple(sorted(again.rows.optional.items())),
        height,
    )
    return Scope(term, lambda of: again.told(rename(found.told(of))))


def orders(sources: Mapping[str, Term], height: int) -> Iterator[dict[str, str]]:
    """Yield names for sources: by what they read, and where that does not tell, in every order."""
    groups: dict[Term, list[str]] = {}
    for name in sorted(sources):
        groups.setdefault(sources[name], []).append(name)
    each = product(*(permutations(groups[of]) for of in sorted(groups)))
    for order in islice(each, MOST_ORDERS):
        ordered = [name for group in order for name in group]
        yield {name: f"{height}.{place:02}" for place, name in enumerate(ordered)}


def opened(scope: Term) -> Rows:
    """Return the rows of a subquery, as they are in normal form."""
    sources, conditions, optional, _ = scope.args
    return Rows(dict(sources), both(*conditions), dict(optional))


def _at_most_one(scope: Term) -> Rows | None:
    """Return the rows of a subquery under fresh names, if there is never more than one."""
    rows = opened(scope)
    if not rows.sources or determined(settled(rows), set()) != set(rows.sources):
        return None
    return rows.copied()[0]


def contains(scope: Term, outer: Settled) -> bool:
    """Whether a row of the outer rows is itself among the rows of a subquery, so that there is at least one."""
    inner = opened(scope)
    if inner.optional or outer.rows.optional or len(inner.sources) > len(outer.rows.sources) or not inner.sources:
        return False
    given = both(*outer.conditions)
    for order in permutations(sorted(outer.rows.sources), len(inner.sources)):
        names = dict(zip(sorted(inner.sources), order, strict=True))
        if all(outer.rows.sources[new] == inner.sources[old] for old, new in names.items()):
            asked = outer.told(inner.renamed(names)[0].where)
            if asked == TRUE or implies(given, asked):
                return True
    return False


def _total(_: Term, scope: Any, of: Term) -> Term:
    return subquery(opened(scope)).total(of) if isinstance(scope, Term) else total.total(scope, of)


def _aggregate(_: Term, name: str, scope: Any, of: Term, more: tuple[Term, ...]) -> Term:
    if isinstance(scope, Term):
        return subquery(opened(scope)).aggregate(name, of, more)
    return total.aggregate(name, scope, of, *more)


def _distinct(_: Term, scope: Any, of: Term) -> Term:
    return (
        subquery(opened(scope)).aggregate("distinct", of, ()) if isinstance(scope, Term) else total.distinct(scope, of)
    )


REBUILD.update({"total": _total, "agg": _aggregate, "distinct": _distinct})
