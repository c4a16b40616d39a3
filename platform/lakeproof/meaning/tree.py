"""Decisions: one tree for all spellings of CASE, COALESCE, AND, OR, NOT, IN, BETWEEN and missing values.

A tree asks variables in one fixed order where their value lies, and comes to a term. A column that may be null is asked
first whether it is (`missing`), so that every other question is about a value. Trees are reduced: equal values on all
rows that differ in nothing but what the variables tell have equal trees.
"""

from __future__ import annotations

from contextvars import ContextVar
from itertools import pairwise
from math import floor
from typing import TYPE_CHECKING, Any

from lakeproof.meaning.poly import parted
from lakeproof.meaning.term import (
    COUNTING,
    FALSE,
    NULL,
    ONE,
    PARTS,
    TRUE,
    ZERO,
    Term,
    leaves,
    nullable,
    num,
    step,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from fractions import Fraction

Cut = tuple[Any, int]
"""A place between values: before (0) or after (1) one."""

MOST_STEPS = 60_000
STEPS: ContextVar[int] = ContextVar("steps")
"""How many nodes were built; a definition that needs more is not understood, which is said."""

RANKS = {"absent": 0, "missing": 1}


class TooManyCases(Exception):  # noqa: N818 - it is a limit that was met
    """A decision has more cases than are looked at."""


def rank(var: Term) -> tuple[int, str]:
    """Return a variable's place: whether a row and a value are there is asked before what the value is."""
    return RANKS.get(var.op, 2), var.key


def bounds(var: Term) -> tuple[Any, Any]:  # noqa: PLR0911 - one for each sort of variable
    """Return the least and greatest value that a variable can have; None where there is no bound."""
    match var.op:
        case "absent" | "missing" | "truth":
            return 0, 1
        case "col" if var.args[2] == "bool":
            return 0, 1
        case "fn":
            return PARTS.get(var.args[0], (None, None))
        case "total":
            scope, of = var.args
            if of == ONE and scope == "group":
                return 1, None
            return (0, None) if all(leaf.op == "num" and leaf.args[0] >= 0 for leaf in leaves(of)) else (None, None)
        case "distinct":
            return 0, None
        case "win" if var.args[0] in COUNTING - {"count"}:
            return 1, None
    return None, None


def lift(apply: Callable[..., Term], *trees: Term) -> Term:
    """Return what `apply` makes of the leaves of trees, decided as they are."""
    seen: dict[tuple[Term, ...], Term] = {}

    def lifted(trees: tuple[Term, ...]) -> Term:
        if trees not in seen:
            roots = [tree.args[0] for tree in trees if tree.op == "split"]
            if not roots:
                seen[trees] = apply(*trees)
            else:
                var = min(roots, key=rank)
                cuts = _cuts(var, trees)
                arms = [lifted(tuple(_in_cell(t, var, cell) for t in trees)) for cell in range_of(cuts)]
                seen[trees] = branch(var, cuts, arms)
        return seen[trees]

    return lifted(trees)


def range_of(cuts: Sequence[Cut]) -> list[Cut | None]:
    """Return the lower end of each cell between cuts; None is below all."""
    return [None, *cuts]


def _cuts(var: Term, trees: Sequence[Term]) -> list[Cut]:
    return sorted({cut for tree in trees if tree.op == "split" and tree.args[0] == var for cut in tree.args[1]})


def _in_cell(tree: Term, var: Term, low: Cut | None) -> Term:
    """Return what is left of a tree where the variable lies in the cell that begins at `low`."""
    if tree.op != "split" or tree.args[0] != var:
        return tree
    _, cuts, arms = tree.args
    found: Term = arms[sum(1 for cut in cuts if low is not None and cut <= low)]
    return found


def branch(var: Term, cuts: Sequence[Cut], arms: Sequence[Term]) -> Term:
    """Return the tree that comes to an arm for each cell between cuts of a variable, reduced and in order."""
    STEPS.set(STEPS.get(0) + 1)
    if STEPS.get() > MOST_STEPS:
        raise TooManyCases
    if all(arm == arms[0] for arm in arms):
        return arms[0]
    low, high = bounds(var)
    kept_cuts, kept = _clipped(list(cuts), list(arms), step(var), low, high)
    roots = [arm.args[0] for arm in kept if arm.op == "split"]
    first = min(roots, key=rank, default=None)
    if first is not None and rank(first) <= rank(var):
        if first == var:
            within = sorted({*kept_cuts, *_cuts(var, kept)})
            places = [
                sum(1 for cut in kept_cuts if low_end is not None and cut <= low_end) for low_end in range_of(within)
            ]
            inner = [_in_cell(kept[at], var, low_end) for at, low_end in zip(places, range_of(within), strict=True)]
            return branch(var, within, inner)
        outer = _cuts(first, kept)
        return branch(
            first,
            outer,
            [branch(var, kept_cuts, [_in_cell(arm, first, cell) for arm in kept]) for cell in range_of(outer)],
        )
    return _reduced(var, kept_cuts, kept, (low, high))


def _clipped(
    cuts: list[Cut], arms: list[Term], by: Fraction | None, low: Any, high: Any
) -> tuple[list[Cut], list[Term]]:
    """Leave out cells in which no value lies, and put cuts on the values there are."""
    if by is not None:
        cuts = [(floor(value / by) * by + by * (side or value % by != 0), 0) for value, side in cuts]
    kept_cuts: list[Cut] = []
    kept = arms[:1]
    for cut, arm in zip(cuts, arms[1:], strict=True):
        if (low is not None and cut <= (low, 0)) or (kept_cuts and kept_cuts[-1] == cut):
            kept[-1] = arm
        elif high is None or cut <= (high, 0):
            kept_cuts.append(cut)
            kept.append(arm)
    return kept_cuts, kept


def _reduced(var: Term, cuts: list[Cut], arms: list[Term], ends: tuple[Any, Any]) -> Term:
    """Return a node whose neighbours differ, also where a value is told in words of the variable."""
    told = any(_mentions(arm, var) for arm in arms)
    if told:
        cuts, arms = _withpoints(var, cuts, arms, ends)
    values = points(cuts, step(var), ends)
    if told:
        pinned = [arm if point is None else pin(arm, var, point) for arm, point in zip(arms, values, strict=True)]
        if any(arm.op == "split" and rank(arm.args[0]) <= rank(var) for arm in pinned):
            return branch(var, cuts, pinned)
        arms = pinned
    while (merged := _merged(var, cuts, arms, values, told=told)) != (cuts, arms, values):
        cuts, arms, values = merged
    return arms[0] if len(arms) == 1 else Term("split", var, tuple(cuts), tuple(arms))


def _merged(
    var: Term, cuts: list[Cut], arms: list[Term], values: list[Any], *, told: bool
) -> tuple[list[Cut], list[Term], list[Any]]:
    """Make neighbours one that have one value, be it told in words of the variable."""
    new_cuts: list[Cut] = []
    new, new_points = [arms[0]], [values[0]]
    for cut, arm, point in zip(cuts, arms[1:], values[1:], strict=True):
        if arm == new[-1] or (told and point is not None and pin(new[-1], var, point) == arm):
            new_points[-1] = None
        elif told and new_points[-1] is not None and pin(arm, var, new_points[-1]) == new[-1]:
            new[-1], new_points[-1] = arm, None
        else:
            new_cuts.append(cut)
            new.append(arm)
            new_points.append(point)
    return new_cuts, new, new_points


def _withpoints(var: Term, cuts: list[Cut], arms: list[Term], ends: tuple[Any, Any]) -> tuple[list[Cut], list[Term]]:
    """Let each value at which there is a cut, and with steps the one before it, be a cell of its own."""
    by, (low, high) = step(var), ends
    wanted = set(cuts)
    for value, _ in cuts:
        wanted |= {(value, 0), (value, 1)} if by is None else {(value - by, 0), (value, 0), (value + by, 0)}
    new = sorted(c for c in wanted if (low is None or c > (low, 0)) and (high is None or c <= (high, 0)))
    places = [sum(1 for cut in cuts if end is not None and cut <= end) for end in range_of(new)]
    return new, [arms[at] for at in places]


def points(cuts: list[Cut], by: Fraction | None, ends: tuple[Any, Any]) -> list[Any]:
    """Return for each cell its value, where it has just one."""
    low, high = ends
    first = [(low, 0)] if low is not None else [None]
    last = [(high + (by or 1), 0)] if high is not None else [None]
    found: list[Any] = []
    for start, end in pairwise([*first, *cuts, *last]):
        alone = None
        if start is not None and end is not None:
            alone = end == (start[0] + by, 0) if by is not None else (start[0], 1) == end and start[1] == 0
        found.append(start[0] if alone and start is not None else None)
    return found


def _mentions(arm: Term, var: Term) -> bool:
    if var.op == "total":
        return (
            any(term.op in {"total", "agg"} and term.args[0] == var.args[0] for term in arm.within) or var in arm.within
        )
    return var in arm.within


def pin(arm: Term, var: Term, value: Any) -> Term:
    """Return what a term is where a variable has one value.

    Of a column, only what the term comes to is told by it: in what is asked on the way there, a value of one column
    would make cuts of another, and those of the first again.
    """
    if not _mentions(arm, var):
        return arm
    constant = text(value) if isinstance(value, str) else num(value)
    if var.op == "total" and value == 0 and bounds(var)[0] == 0:
        _, of = var.args

        def without(term: Term) -> Term | None:
            """Leave out the rows that the total of zero counts: there is none."""
            if term.op == "total" and term.args[0] == var.args[0]:
                return REBUILD["total"](
                    term, term.args[0], lift(lambda a, b: b if a == ZERO else ZERO, of, term.args[1])
                )
            return None

        return rewrite(arm, without)
    return lift(lambda leaf: rewrite(leaf, lambda term: constant if term == var else None), arm)


REBUILD: dict[str, Callable[..., Term]] = {}
"""How a term is made again from the term it was and other arguments; each module enters its own."""


def rewrite(term: Term, change: Callable[[Term], Term | None]) -> Term:
    """Return a term with parts replaced, and all that is made of them normalised again."""
    seen: dict[Term, Term] = {}

    def rewritten(term: Term) -> Term:
        if term not in seen:
            new = change(term)
            if new is None:
                new = _again(term, rewritten)
            seen[term] = new
        return seen[term]

    return rewritten(term)


def _again(term: Term, rewritten: Callable[[Term], Term]) -> Term:
    if not any(True for _ in term.terms):
        return term
    args = _mapped(term.args, rewritten)
    if args == term.args:
        return term
    if term.op == "split":
        var, cuts, arms = args
        if term.args[0].op == "gap" and var.op != "num":
            of = _mapped(term.args[0].args, rewritten)
            ends = [arms[0], arms[sum(1 for cut in cuts if cut == (0, 0))], arms[-1]]
            return lift(lambda a, b, *each: gap(a, b, each), *of, *ends)
        return choose(var, cuts, arms)
    if term.op in REBUILD:
        return REBUILD[term.op](term, *args)
    return apply(term.op, *args)


def _mapped(arg: Any, rewritten: Callable[[Term], Term]) -> Any:
    match arg:
        case Term():
            return rewritten(arg)
        case tuple():
            return tuple(_mapped(each, rewritten) for each in arg)
        case _:
            return arg


def apply(op: str, *args: Any) -> Term:
    """Return an atom of the leaves of its arguments, null where one of them is."""
    trees = [arg for arg in args if isinstance(arg, Term)]

    def atom(*made: Term) -> Term:
        if NULL in made:
            return NULL
        each = iter(made)
        return Term(op, *(next(each) if isinstance(arg, Term) else arg for arg in args))

    return lift(atom, *trees)


def choose(value: Term, cuts: Sequence[Cut], arms: Sequence[Term]) -> Term:
    """Return the arm in whose cell a value lies; null where it is null."""

    def chosen(leaf: Term, *arms: Term) -> Term:
        if leaf == NULL:
            return NULL
        if leaf.op == "text":
            return arms[sum(1 for cut in cuts if cut <= (leaf.args[0], 0))]
        if leaf in {TRUE, FALSE}:
            leaf = num(leaf == TRUE)
        if leaf.op not in {"num", "sum"}:
            return branch(leaf, cuts, arms)
        if cuts and isinstance(cuts[0][0], str):
            return branch(leaf, cuts, arms)
        var, by, constant = parted(leaf)
        if var == ZERO:
            return arms[sum(1 for cut in cuts if cut <= (constant, 0))]
        moved = [((at - constant) / by, side) for at, side in cuts]
        if by < 0:
            moved, arms = [(at, 1 - side) for at, side in reversed(moved)], tuple(reversed(arms))
        return branch(var, moved, arms)

    return lift(chosen, value, *arms)


def gap(left: Term, right: Term, arms: Sequence[Term]) -> Term:
    """Return one of three arms, as a value is before, equal to or after another of which there is no difference."""
    if NULL in {left, right}:
        return NULL
    if left == right:
        return arms[1]
    if right.op == "text" and _is_text(left):
        at = right.args[0]
        return choose(left, [(at, 0), (at, 1)], arms)
    if left.op == "text" or (right < left and right.op != "text"):
        return gap(right, left, arms[::-1])
    return branch(Term("gap", left, right), [(0, 0), (0, 1)], arms)


def _is_text(term: Term) -> bool:
    match term:
        case (
            Term(op="text")
            | Term(op="col", args=(_, _, "text", _))
            | Term(op="fn", args=("lower" | "upper" | "concat", *_))
        ):
            return True
        case Term(op="agg", args=(name, *_)):
            return bool(name.endswith(" text"))
    return False


def missing(term: Term) -> Term:
    """Return an atom that may be null as what it is: null or a value."""
    return branch(Term("missing", term), [(1, 0)], [term, NULL]) if nullable(term) else term


def _missing(_: Term, tree: Term) -> Term:
    return lift(lambda leaf: ONE if leaf == NULL else Term("missing", leaf) if nullable(leaf) else ZERO, tree)


REBUILD["missing"] = _missing
REBUILD["call"] = lambda _, *args: Term("call", *args)
