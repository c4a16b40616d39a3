"""Conditions: truth values, of which unknown is null, and what is left of a term where one is known to be true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeproof.meaning.term import FALSE, NULL, TRUE, ZERO, Term, step, truth
from lakeproof.meaning.tree import bounds, branch, lift, points, range_of, rank

if TYPE_CHECKING:
    from lakeproof.meaning.tree import Cut


def decided(tree: Term) -> Term:
    """Return a truth value as a decision, also where an atom has it."""

    def asked(leaf: Term) -> Term:
        if leaf in {TRUE, FALSE, NULL}:
            return leaf
        if leaf.op == "num":
            return truth(leaf != ZERO)
        return branch(Term("truth", leaf), [(1, 0)], [FALSE, TRUE])

    return lift(asked, tree)


def negated(tree: Term) -> Term:
    """Return NOT."""
    return lift(lambda leaf: {TRUE: FALSE, FALSE: TRUE}.get(leaf, NULL), decided(tree))


def both(*trees: Term) -> Term:
    """Return AND."""
    found = TRUE
    for tree in trees:
        found = lift(lambda a, b: FALSE if FALSE in {a, b} else NULL if NULL in {a, b} else TRUE, found, decided(tree))
    return found


def either(*trees: Term) -> Term:
    """Return OR."""
    return negated(both(*map(negated, trees)))


def holds(tree: Term) -> Term:
    """Return whether a condition is true, which unknown is not."""
    return lift(lambda leaf: truth(leaf == TRUE), decided(tree))


def is_null(tree: Term) -> Term:
    """Return IS NULL."""
    return lift(lambda leaf: truth(leaf == NULL), tree)


def if_else(condition: Term, then: Term, other: Term) -> Term:
    """Return one or the other; the other too where the condition is unknown."""
    return lift(lambda c, a, b: a if c == TRUE else b, decided(condition), then, other)


def coalesce(*trees: Term) -> Term:
    """Return the first that is not null."""
    return lift(lambda *each: next((leaf for leaf in each if leaf != NULL), NULL), *trees)


def assume(tree: Term, var: Term, low: Cut | None, high: Cut | None) -> Term:
    """Return what is left of a tree where a variable lies between two cuts."""
    seen: dict[Term, Term] = {}

    def left(tree: Term) -> Term:
        if tree.op != "split" or rank(tree.args[0]) > rank(var):
            return tree
        if tree not in seen:
            at, cuts, arms = tree.args
            if at == var:
                first = sum(1 for cut in cuts if low is not None and cut <= low)
                last = sum(1 for cut in cuts if high is None or cut < high)
                seen[tree] = branch(var, cuts[first:last], arms[first : last + 1])
            else:
                seen[tree] = branch(at, cuts, [left(arm) for arm in arms])
        return seen[tree]

    return left(tree)


def variables(tree: Term) -> list[Term]:
    """Return the variables that a tree asks, in order."""
    found: set[Term] = set()
    todo, seen = [tree], set()
    while todo:
        each = todo.pop()
        if each.op == "split" and each not in seen:
            seen.add(each)
            found.add(each.args[0])
            todo.extend(each.args[2])
    return sorted(found, key=rank)


def hull(tree: Term, var: Term) -> tuple[Cut | None, Cut | None]:
    """Return between which cuts a variable lies wherever a condition is not false."""
    cuts = sorted({cut for each in _splits(tree) if each.args[0] == var for cut in each.args[1]})
    ends = [*range_of(cuts), None]
    alive = [
        place for place in range(len(cuts) + 1) if assume(tree, var, ends[place], ends[place + 1]) not in {FALSE, NULL}
    ]
    return (ends[alive[0]], ends[alive[-1] + 1]) if alive else (None, None)


def _splits(tree: Term) -> set[Term]:
    found: set[Term] = set()
    todo = [tree]
    while todo:
        each = todo.pop()
        if each.op == "split" and each not in found:
            found.add(each)
            todo.extend(each.args[2])
    return found


def between(var: Term, low: Cut | None, high: Cut | None) -> Term:
    """Return the condition that a variable lies between two cuts."""
    arms = [FALSE] * (low is not None) + [TRUE] + [FALSE] * (high is not None)
    return branch(var, [cut for cut in (low, high) if cut is not None], arms)


def single(var: Term, low: Cut | None, high: Cut | None) -> Any:
    """Return the only value between two cuts of a variable; None where there are more."""
    return points([cut for cut in (low, high) if cut is not None], step(var), bounds(var))[low is not None]


def implies(given: Term, then: Term) -> bool:
    """Whether a condition is true wherever another is, as far as their variables tell."""
    return both(holds(given), negated(holds(then))) == FALSE
