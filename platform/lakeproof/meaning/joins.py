"""One join for all ways to write it, and subqueries: rows that an expression counts, asks for or adds up."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, permutations, product
from typing import TYPE_CHECKING, Any

from lakeproof.meaning import total
from lakeproof.meaning.condition import both, implies
from lakeproof.meaning.rows import Rows, columns_of
from lakeproof.meaning.settle import Settled, determined, settled
from lakeproof.meaning.term import FALSE, ONE, TRUE, ZERO, Term, column, num
from lakeproof.meaning.tree import REBUILD, choose, rewrite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MOST_ORDERS = 24
"""In how many orders sources are tried that read the same; beyond, two definitions may not be found to be the same."""

NOWHERE = Term("rows", (), (FALSE,), (), 0)
"""No rows."""


def joined(rows: Rows) -> Settled:
    """Return rows with all that is certain of them, joined in the one way in which all are."""
    found = settled(rows)
    while (again := _absence(found) or _existence(found) or _same_source(found)) is not None:
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
        if gone:
            scope = subquery(Rows({name: sources.pop(name)}, on))
            where = both(where, choose(scope.total(ONE), [(1, 0)], [TRUE, FALSE]))
        else:
            where = both(where, on)
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
    """

    term: Term
    told: Callable[[Term], Term]

    def total(self, of: Term) -> Term:
        """Return the total of a number that is never null."""
        return ZERO if self.term == NOWHERE else total.total(self.term, self.told(of))

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
                    return total.aggregate(kind, self.term, self.told(name(of)), *more)
                case Term(op="distinct", args=(scope, of)) if scope in scopes:
                    return total.distinct(self.term, self.told(name(of)))
            return None

        return rewrite(tree, change)


def subquery(rows: Rows) -> Scope:
    """Return rows in a form that does not depend on how they are written, nor on the names of their sources."""
    found = joined(rows)
    if found.rows.where == FALSE:
        return Scope(NOWHERE, found.told)
    whole = found.whole
    inner = (each for term in (whole.where, *whole.optional.values()) for each in term.within if each.op == "rows")
    height = 1 + max((each.args[3] for each in inner), default=0)
    best: Scope | None = None
    for names in orders(whole.sources, height):
        scope = _named(found, whole, names, height)
        if best is None or scope.term < best.term:
            best = scope
    assert best is not None  # noqa: S101 - there is at least one order
    return best


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


def rescoped(scope: Any, *told: Any) -> tuple[Any, ...]:
    """Return a scope whose terms were replaced, in normal form, with what is told over it."""
    if not isinstance(scope, Term) or scope == NOWHERE:
        return (scope, *told)
    again = subquery(opened(scope))
    return (again.term, *(again.told(each) for each in told))


def _total(_: Term, scope: Any, of: Term) -> Term:
    scope, of = rescoped(scope, of)
    return ZERO if scope == NOWHERE else total.total(scope, of)


def _aggregate(_: Term, name: str, scope: Any, of: Term, more: tuple[Term, ...]) -> Term:
    scope, of, *told = rescoped(scope, of, *more)
    return total.aggregate(name, scope, of, *told)


def _distinct(_: Term, scope: Any, of: Term) -> Term:
    return total.distinct(*rescoped(scope, of))


REBUILD.update({"total": _total, "agg": _aggregate, "distinct": _distinct})
