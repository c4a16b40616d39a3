"""Groups that are one row each, or one row with what matches it: put out as rows."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from lakeproof.meaning import total
from lakeproof.meaning.block import over_group, over_rows, plain_columns
from lakeproof.meaning.condition import both, if_else
from lakeproof.meaning.joins import subquery
from lakeproof.meaning.rows import Rows, sources_in
from lakeproof.meaning.settle import determined
from lakeproof.meaning.term import FALSE, ONE, TRUE, Term, num
from lakeproof.meaning.tree import choose, rewrite

if TYPE_CHECKING:
    from lakeproof.meaning.block import Block
    from lakeproof.meaning.settle import Settled

OF_ONE_ROW = {"any_value", "max", "min", "quantile_cont", "quantile_disc", "mode"}
"""Aggregates whose value is that of the row, where there is one."""


def by_row(block: Block) -> Block:
    """Put out rows, for every group is one."""
    return _as_rows(block, block.changed(lambda tree: rewrite(tree, _of_one)))


def _of_one(term: Term) -> Term | None:
    """Return an aggregate of one row."""
    match term:
        case Term(op="total", args=("group", Term() as of)):
            return of
        case Term(op="agg", args=(name, "group", Term() as of, _)) if name.split(maxsplit=1)[0] in OF_ONE_ROW:
            return of
        case Term(op="first", args=("first", "group", Term(op="true"), Term() as of, _, _)):
            return of
        case Term(op="distinct", args=("group", of)):
            return total.there(of)
    return None


def _as_rows(block: Block, new: Block) -> Block:
    """Return a block without groups, if nothing of it aggregates any more; else the block as it was."""
    if any(map(over_group, new.terms)):
        return block
    new = replace(new, group=(), scope="")
    if any(map(over_rows, new.terms)):
        return new
    return replace(new, rows=replace(new.rows, where=both(new.rows.where, new.having)), having=TRUE)


def by_match(block: Block, found: Settled) -> Block | None:
    """Put out rows of which each group is one, with all that an optional source has to match it."""
    sure = determined(found, plain_columns(block.group))
    rest = set(found.rows.sources) - sure
    if len(rest) != 1 or not rest <= set(found.rows.optional):
        return None
    (name,) = rest
    absent = Term("absent", name)
    others = [on for other, on in found.rows.optional.items() if other != name]
    if any(name in sources_in(term) for term in (found.whole.where, *others)):
        return None
    matches = subquery(Rows({name: found.rows.sources[name]}, found.rows.optional[name]))
    none = choose(matches.total(ONE), [(Fraction(1), 0)], [TRUE, FALSE])

    def change(term: Term) -> Term | None:
        if not (over_group(term) and term.op in {"total", "agg", "distinct"}):
            return None
        there = rewrite(term, {absent: num(0)}.get)
        matched = matches.aggregated(there, {"group"})
        alone = rewrite(rewrite(term, {absent: num(1)}.get), _of_one)
        return None if matched is None else if_else(none, alone, matched)

    new = block.changed(lambda tree: rewrite(tree, change))
    new = replace(new, rows=block.rows.without(name))
    if any(name in sources_in(tree) for tree in new.terms):
        return None
    made = _as_rows(block, new)
    return None if made is block else made


def by_place(block: Block) -> Block | None:
    """Put out the first rows of groups, where nothing but those is asked for."""
    aggregates = {term for tree in block.terms for term in tree.within if over_group(term) and term.op != "split"}
    firsts = {term for term in aggregates if term.op == "first"}
    orders = {term.args[4] for term in firsts}
    if len(orders) != 1 or block.having != TRUE or block.limit or any(map(over_rows, block.terms)):
        return None
    if any(term.args[0] != "first" or term.args[2] != TRUE or term.args[5] for term in firsts):
        return None
    (order,) = orders
    place = Term("win", "rank", (), tuple(sorted(block.group)), order, "range unbounded preceding current row")
    first = choose(place, [(Fraction(2), 0)], [TRUE, FALSE])
    new = block.changed(lambda tree: rewrite(tree, lambda term: term.args[3] if term in firsts else None))
    if any(map(over_group, new.terms)):
        return None
    return replace(new, group=(), scope="", having=first)
