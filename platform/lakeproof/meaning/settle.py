"""What is certain of rows: which columns are never null, what equals what, between which bounds a variable lies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from lakeproof.meaning import poly
from lakeproof.meaning.condition import assume, between, both, holds, hull, single, variables
from lakeproof.meaning.rows import Rows, columns_in, equal
from lakeproof.meaning.term import FALSE, TRUE, ZERO, Term, column, num, text
from lakeproof.meaning.tree import choose, rewrite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass
class Settled:
    """Rows of which all that is certain is known.

    Args:
        rows: The rows; their condition is what is not certain.
        carried: What columns of sources that are not read any more are told by.
        known: What a column equals.
        given: Columns that are never null, as they would be if they could be.
        facts: Between which cuts variables lie.
    """

    rows: Rows
    carried: Mapping[Term, Term] = field(default_factory=dict)
    known: dict[Term, Term] = field(default_factory=dict)
    given: set[Term] = field(default_factory=set)
    facts: dict[Term, tuple[Any, Any]] = field(default_factory=dict)

    def told(self, term: Term) -> Term:
        """Return what a term is on these rows."""
        if self.carried:
            term = rewrite(term, self.carried.get)
        changes = dict(self.known)
        changes |= {Term("missing", each): ZERO for each in self.given}
        for each in self.given:
            sure = column(*each.args[:3])
            changes[each] = self.known.get(sure, sure)
        term = rewrite(term, changes.get) if changes else term
        for var, (low, high) in self.facts.items():
            term = assumed(term, var, low, high)
        return term

    @property
    def conditions(self) -> Iterator[Term]:
        """All conditions, each by itself."""
        for each in self.given:
            yield between(Term("missing", each), None, (1, 0))
        for each, other in self.known.items():
            yield equal(each, other)
        for var, (low, high) in self.facts.items():
            yield between(var, low, high)
        if self.rows.where != TRUE:
            yield self.rows.where

    @property
    def whole(self) -> Rows:
        """The rows, with everything that is certain said by their condition."""
        return replace(self.rows, where=both(*self.conditions))


def assumed(term: Term, var: Term, low: Any, high: Any) -> Term:
    """Return a term where a variable lies between two cuts, also within what is added up over the rows."""
    if var not in term.within:
        return term

    def change(each: Term) -> Term | None:
        if each.op == "split":
            left = assume(each, var, low, high)
            return rewrite(left, change) if left != each else None
        return None

    return rewrite(term, change)


def settled(rows: Rows, carried: Mapping[Term, Term] | None = None) -> Settled:
    """Return rows with all that is certain of them, in a form that does not depend on how they are written."""
    found = Settled(replace(rows, where=holds(rows.where)), carried or {})
    while _fact(found):
        pass
    return found


def _fact(found: Settled) -> bool:
    """Learn one fact from the condition; whether there was one."""
    where = found.rows.where
    for var in variables(where):
        low, high = hull(where, var)
        if (low, high) != (None, None):
            found.rows = replace(found.rows, where=assume(where, var, low, high))
            _learn(found, var, low, high)
            return True
    return False


def _learn(found: Settled, var: Term, low: Any, high: Any) -> None:
    value = single(var, low, high)
    if var.op == "missing" and value == 0 and var.args[0].op == "col":
        found.given.add(var.args[0])
    elif value is not None and (solved := _solved(found.rows, var, value)) is not None:
        col, by = solved
        found.known = {
            each: rewrite(other, lambda term: by if term == col else None) for each, other in found.known.items()
        }
        found.known[col] = by
    else:
        before = found.facts.get(var, (None, None))
        lows = [cut for cut in (before[0], low) if cut is not None]
        highs = [cut for cut in (before[1], high) if cut is not None]
        found.facts[var] = max(lows, default=None), min(highs, default=None)
    _retell(found)


def _retell(found: Settled) -> None:
    """Let what was learned tell on everything else."""
    rows, tell = found.rows, found.told
    where = holds(tell(rows.where))
    certain = Settled(rows, {}, found.known, found.given)
    kept: dict[Term, tuple[Any, Any]] = {}
    for var, (low, high) in found.facts.items():
        if (now := certain.told(var)) == var:
            kept[var] = low, high
        else:
            arms = [FALSE] * (low is not None) + [TRUE] + [FALSE] * (high is not None)
            where = both(where, choose(now, [cut for cut in (low, high) if cut is not None], arms))
    optional = {name: holds(tell(on)) for name, on in rows.optional.items()}
    found.facts, found.rows = kept, Rows(rows.sources, where, optional)


def _solved(rows: Rows, var: Term, value: Any) -> tuple[Term, Term] | None:
    """Return the column of these rows that a variable with one value gives, and what it equals."""
    if var.op == "gap":
        left, right = var.args
        sides = [(a, b) for a, b in ((left, right), (right, left)) if _own(rows, a) and a not in b.within]
        return max(sides, key=lambda side: _last(rows, side[0]), default=None)
    if var.op == "col":
        return (var, text(value) if isinstance(value, str) else num(value)) if _own(rows, var) else None
    if var.op != "sum":
        return None
    factors = poly.poly(var)
    own = [m for m in factors if len(m) == 1 and m[0][1] == 1 and _own(rows, m[0][0])]
    for monomial in sorted(own, key=lambda m: _last(rows, m[0][0]), reverse=True):
        atom, by = monomial[0][0], factors[monomial]
        rest = poly.add(poly.scale(var, -1 / by), atom, num(Fraction(value) / by))
        if atom not in rest.within and (abs(by) == 1 or atom.args[2] == "double"):
            return atom, rest
    return None


def _own(rows: Rows, term: Term) -> bool:
    return term.op == "col" and term.args[0] in rows.sources and term.args[0] not in rows.optional


def _last(rows: Rows, col: Term) -> tuple[bool, str]:
    """Put columns of statements within last, so that they are told by those of tables."""
    return rows.sources[col.args[0]].op == "derived", col.key


# What identifies a row.


def alone(rows: Rows, name: str) -> Settled:
    """Return an optional source with all that is certain where it joins."""
    return settled(Rows({name: rows.sources[name]}, rows.optional[name]))


def one_each(rows: Rows, name: str) -> bool:
    """Whether an optional source has at most one row for each row of the others."""
    return determined(alone(rows, name), set()) == {name}


def determined(found: Settled, given: set[tuple[str, str]]) -> set[str]:
    """Return the sources of which there is at most one row for given columns, each by source and name."""
    rows, reached, sure = found.rows, set(given), set[str]()
    while True:
        before = len(reached), len(sure)
        reached |= _told(rows, found.known, reached)
        for col, other in found.known.items():
            if other.op == "col" and col.args[:2] in reached:
                reached.add(other.args[:2])
        for name, of in rows.sources.items():
            here = reached
            if name in rows.optional:
                here = reached | _told(rows, alone(rows, name).known, reached)
            if any(all((name, each) in here for each in key) for key in of.args[2]):
                sure.add(name)
                reached |= {(name, each) for each, _, _ in of.args[1]}
        if (len(reached), len(sure)) == before:
            return sure


def _told(rows: Rows, known: Mapping[Term, Term], reached: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the columns that equal what is told by others."""
    return {
        col.args[:2]
        for col, other in known.items()
        if all(each.args[:2] in reached or each.args[0] not in rows.sources for each in columns_in(other))
    }
