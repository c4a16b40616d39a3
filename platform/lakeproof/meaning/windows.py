"""Window functions: what a row is told of other rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lakeproof.meaning import nested, total
from lakeproof.meaning.block import closed, over_rows, unique
from lakeproof.meaning.condition import assume, both, either, hull, variables
from lakeproof.meaning.joins import beyond, subquery
from lakeproof.meaning.rows import same, sources_in
from lakeproof.meaning.term import FALSE, NULL, ONE, TRUE, Term, leaves, text
from lakeproof.meaning.tree import choose, rewrite
from lakeproof.meaning.value import NotUnderstood

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeproof.meaning.block import Block
    from lakeproof.meaning.joins import Scope
    from lakeproof.meaning.settle import Settled

PLACES = {"row_number", "rank", "dense_rank", "distinct_on"}
SO_FAR = "range unbounded preceding current row"
"""The frame of a window with an order that says none; by rows it is the same where no two rows are in one place."""


def windows(block: Block, found: Settled) -> Block:
    """Return a block whose window functions have the order they need and no more, or are aggregates."""
    if not any(map(over_rows, block.terms)):
        return block
    block = block.changed(lambda tree: rewrite(tree, lambda term: _one(term, block, found)))
    block = _first_only(block, found)
    if not block.scope and block.having != TRUE and not any(map(over_rows, block.terms)):
        where = both(block.rows.where, block.having)
        return replace(block, rows=replace(block.rows, where=where), having=TRUE)
    return block


def placed(block: Block, found: Settled) -> Block:
    """Tell a LIMIT as a place, where no two rows are in one."""
    if not block.limit or block.scope == "all" or any(map(over_rows, block.terms)):
        return block
    most, *order = block.limit
    if not _places_all(block, found, [by.args[0] for by in order]):
        return block
    place = Term("win", "rank", (), (), tuple(order), SO_FAR)
    among = choose(place, [(most.args[0] + 1, 0)], [TRUE, FALSE])
    return replace(block, having=both(block.having, among), limit=())


def _one(term: Term, block: Block, found: Settled) -> Term | None:
    if term.op != "win":
        return None
    name, args, partition, order, frame = term.args
    parts = sorted({part for part in partition if sources_in(part)})
    for part in list(parts):
        if closed(found, [other for other in parts if other != part], part):
            parts.remove(part)
    kept: list[Term] = []
    for by in order:
        before = [*parts, *(each.args[0] for each in kept)]
        if _places_all(block, found, before):
            break
        if not closed(found, before, by.args[0]):
            kept.append(by)
    if _places_all(block, found, [*parts, *(each.args[0] for each in kept)]):
        name = "rank" if name in PLACES else name
        frame = SO_FAR if frame == SO_FAR.replace("range", "rows") else frame
    if not order and name.startswith("of ") and frame == "all":
        everywhere = _everywhere(name.removeprefix("of "), args[0], parts, block, found)
        if everywhere is not None:
            return everywhere
    return Term("win", name, args, tuple(parts), tuple(kept), frame)


def _places_all(block: Block, found: Settled, terms: Sequence[Term]) -> bool:
    """Whether no two rows, or groups, that are put out have the same terms."""
    return set(block.group) <= set(terms) if block.scope == "group" else unique(found, terms)


def _partition(found: Settled, parts: Sequence[Term]) -> tuple[Scope, object]:
    """Return all rows that have the same terms as a row, and what renames a term to one over them."""
    rows, rename = found.whole.copied()
    return subquery(replace(rows, where=both(rows.where, *(same(rename(part), part) for part in parts)))), rename


def _everywhere(name: str, of: Term, parts: Sequence[Term], block: Block, found: Settled) -> Term | None:
    """Return an aggregate over all rows of a partition as a subquery."""
    if block.scope == "all" or (block.scope == "group" and block.having != TRUE):
        return None
    if block.scope == "group":
        try:
            keys = [key for key in block.group if key not in parts]
            over = nested.lowered(total.aggregate(name, nested.OUTER, of), keys, "group")
        except NotUnderstood:
            return None
    else:
        over = total.aggregate(name, "group", of)
    scope, rename = _partition(found, parts)
    return scope.aggregated(over, {"group"}, rename)  # type: ignore[arg-type]


def _first_only(block: Block, found: Settled) -> Block:
    """Tell the rows of the first place as those before which there is no other."""
    if block.scope:
        return block
    for var in variables(block.having):
        match var:
            case Term(op="win", args=("rank", _, partition, order, _)) if hull(block.having, var) == (
                None,
                (2, 0),
            ) and not any(NULL in leaves(by.args[0]) for by in order):
                none = _no_better(found, partition, order)
                return replace(block, having=both(assume(block.having, var, None, (2, 0)), none))
    return block


def _no_better(found: Settled, partition: Sequence[Term], order: Sequence[Term]) -> Term:
    rows, rename = found.whole.copied()
    equal = both(*(same(rename(part), part) for part in partition))
    better = FALSE
    for by in reversed(order):
        tree, way, _ = by.args
        before = beyond(rename(tree), tree, greater=way == text("desc"))
        better = either(before, both(same(rename(tree), tree), better))
    scope = subquery(replace(rows, where=both(rows.where, equal, better)))
    return choose(scope.total(ONE), [(1, 0)], [TRUE, FALSE])
