"""Groups: by no more than is needed, and nothing aggregated that is the same for all rows of a group."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lakeproof.meaning import total
from lakeproof.meaning.block import Block, closed, over_group, over_rows, plain_columns, unique
from lakeproof.meaning.condition import assume, between, both, hull, if_else, variables
from lakeproof.meaning.rows import sources_in
from lakeproof.meaning.settle import determined
from lakeproof.meaning.term import NULL, ONE, TRUE, ZERO, Term, leaves, truth
from lakeproof.meaning.tree import choose, lift, range_of, rewrite
from lakeproof.meaning.ungroup import by_match, by_place, by_row

if TYPE_CHECKING:
    from lakeproof.meaning.settle import Settled

OF_ONE = {"any_value", "max", "min"}
"""Aggregates whose value is that of each row, where it is the same for all."""


def asked_of_rows(block: Block) -> Block:
    """Ask of the rows what is asked of a group but is the same for all its rows."""
    if block.scope != "group" or block.having == TRUE:
        return block
    where, having = block.rows.where, block.having
    for var in variables(having):
        low, high = hull(having, var)
        if (low, high) != (None, None) and not over_group(var) and not over_rows(var):
            where, having = both(where, between(var, low, high)), assume(having, var, low, high)
    if not over_group(having) and not over_rows(having):
        where, having = both(where, having), TRUE
    return replace(block, rows=replace(block.rows, where=where), having=having)


def grouped(block: Block, found: Settled) -> Block:
    """Return a block that is grouped by no more than is needed; not at all, if each group is one row."""
    if block.scope != "group":
        return block
    group = sorted({key for key in block.group if sources_in(key)})
    for key in list(group):
        others = [other for other in group if other != key]
        if closed(found, others, key):
            group = others
    block = replace(block, group=tuple(group))
    if found.rows.sources and unique(found, group):
        return by_row(block)
    block = block.changed(lambda tree: _taken_out(tree, found, group))
    return by_match(block, found) or by_place(block) or _seen(block)


def _seen(block: Block) -> Block:
    """Leave out rows that nothing is aggregated of, where there must be others in a group."""
    for var in variables(block.having):
        match var:
            case Term(op="total", args=("group", of)) if hull(block.having, var) == ((1, 0), None) and of != ONE:
                kept = lift(lambda leaf: truth(leaf != ZERO), of)
                if all(leaf in {ZERO, ONE} for leaf in leaves(of)) and all(
                    _told_by(tree, kept) for tree in block.terms
                ):
                    where = both(block.rows.where, kept)
                    having = assume(block.having, var, (1, 0), None)
                    return replace(block, rows=replace(block.rows, where=where), having=having)
    return block


def _told_by(tree: Term, kept: Term) -> bool:
    """Whether a term aggregates nothing of rows that a condition leaves out."""
    for term in tree.within:
        match term:
            case Term(op="total", args=("group", of)) if lift(lambda k, o: o if k == TRUE else ZERO, kept, of) != of:
                return False
            case Term(op="agg", args=(_, "group", of, _)) | Term(op="distinct", args=("group", of)) if (
                if_else(kept, of, NULL) != of
            ):
                return False
            case Term(op="first"):
                return False
    return True


def _taken_out(tree: Term, found: Settled, group: list[Term]) -> Term:
    """Return what a term over a group is, with whatever is the same for all its rows taken out."""

    def same(term: Term) -> bool:
        return not over_group(term) and closed(found, group, term)

    def change(term: Term) -> Term | None:
        match term:
            case Term(op="total", args=("group", of)):
                return next((_split(of, var, change) for var in variables(of) if same(var)), None)
            case Term(op="agg", args=(name, "group", Term() as of, _)) if name in OF_ONE and same(of):
                return of
            case Term(op="first", args=("first", "group", kept, of, order, ties)) if ties:
                return _placed(found, group, kept, of, order)
            case Term(op="distinct", args=("group", of)) if _each_once(found, group, of):
                return total.count("group", of)
        return None

    return rewrite(tree, change)


def _placed(found: Settled, group: list[Term], kept: Term, of: Term, order: tuple[Term, ...]) -> Term | None:
    """Return a first value without what decides between two that are first, if there are never two."""
    for length in range(len(order) + 1):
        by = order[:length]
        if unique(found, [*group, *(each.args[0] for each in by)]):
            return Term("first", "first", "group", kept, of, by, "")
    return None


def _split(of: Term, var: Term, change: object) -> Term:
    """Return a total, decided by a variable that is the same for all rows."""
    cuts = sorted({cut for each in of.within if each.op == "split" and each.args[0] == var for cut in each.args[1]})
    ends = [*range_of(cuts), None]
    arms = [total.total("group", assume(of, var, *ends[at : at + 2])) for at in range(len(cuts) + 1)]
    return choose(var, cuts, [rewrite(arm, change) for arm in arms])  # type: ignore[arg-type]


def _each_once(found: Settled, group: list[Term], of: Term) -> bool:
    """Whether no two rows of a group have the same value, where there is one."""
    values = {leaf for leaf in leaves(of) if leaf != NULL}
    if len(values) != 1:
        return False
    (leaf,) = values
    parts = [leaf] if leaf.op == "col" else list(leaf.args[0]) if leaf.op == "tuple" else []
    given = {part.args[:2] for part in parts if part.op == "col"} | plain_columns(group)
    return bool(parts) and determined(found, given) >= set(found.rows.sources)
