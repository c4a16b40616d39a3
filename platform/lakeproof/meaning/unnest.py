"""Statements within a statement: read as aggregates for each row, or not at all where they change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lakeproof.meaning.condition import both, if_else
from lakeproof.meaning.joins import contains, opened, subquery
from lakeproof.meaning.rows import Rows, columns_of, same, sources_in
from lakeproof.meaning.settle import alone, assumed, one_each, settled
from lakeproof.meaning.term import FALSE, NULL, ONE, TRUE, ZERO, Term, column
from lakeproof.meaning.tree import choose, lift, rewrite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeproof.meaning.block import Block
    from lakeproof.meaning.settle import Settled


def pruned(block: Block, found: Settled) -> Block:
    """Leave out optional sources that nothing is taken from and that have at most one row for each."""
    for name in sorted(found.rows.optional):
        others = [on for other, on in found.rows.optional.items() if other != name]
        used = set().union(*map(sources_in, [*block.terms, *found.conditions, *others]))
        if name not in used and one_each(found.rows, name):
            return replace(block, rows=block.rows.without(name))
    return block


def never_empty(block: Block, found: Settled) -> Block:
    """Leave out the case that a subquery is empty among whose rows a row itself is."""
    counts = {term for tree in block.terms for term in tree.within if term.op == "total" and term.args[1] == ONE}
    for var in sorted(counts):
        if isinstance(var.args[0], Term) and contains(var.args[0], found):
            block = block.changed(lambda tree, var=var: assumed(tree, var, (1, 0), None))  # type: ignore[misc]
    return block


def by_itself(block: Block, found: Settled) -> Block:
    """Tell what is aggregated of a row that must be the row itself."""

    def change(term: Term) -> Term | None:
        match term:
            case Term(op="total", args=(Term() as scope, of)) if (names := _itself(scope, found)) is not None:
                rows, rename = opened(scope).renamed(names)
                return if_else(rows.where, rename(of), ZERO)
        return None

    def changed(tree: Term) -> Term:
        return rewrite(tree, change)

    rows = replace(block.rows, where=changed(block.rows.where))
    return block.changed(changed, rows)


def _itself(scope: Term, found: Settled) -> dict[str, str] | None:
    """Return which row of its own the only row of a subquery is, by names of sources."""
    inner = opened(scope)
    if len(inner.sources) != 1 or inner.optional:
        return None
    ((name, of),) = inner.sources.items()
    known = settled(inner).known
    for own in sorted(set(found.rows.sources) - set(found.rows.optional)):
        here, there = columns_of(own, of), columns_of(name, of)
        if found.rows.sources[own] == of and any(
            key and all(known.get(column(*there[c].args[:3])) == found.told(column(*here[c].args[:3])) for c in key)
            for key in of.args[2]
        ):
            return {name: own}
    return None


def unnested(block: Block, found: Settled) -> Block:
    """Read a grouped statement that is joined by all it is grouped by as an aggregate for each row."""
    for name, of in sorted(found.rows.sources.items()):
        if not _is_grouped(of):
            continue
        optional = name in found.rows.optional
        known = found.known
        if optional:
            by_itself = alone(found.rows, name)
            if by_itself.rows.where != TRUE or by_itself.facts or any(each.args[0] != name for each in by_itself.known):
                continue
            known = by_itself.known
        told = _for_each_row(name, of, known)
        if told is None:
            continue
        present, columns = told
        columns[Term("absent", name)] = if_else(present, ZERO, ONE)
        return _replaced(block, name, columns, TRUE if optional else present)
    return block


def _replaced(block: Block, name: str, columns: Mapping[Term, Term], present: Term) -> Block:
    """Return a block without a source, whose columns are told by others."""
    rows = block.rows.without(name)
    where = both(rewrite(rows.where, columns.get), present)
    optional = {each: rewrite(on, columns.get) for each, on in rows.optional.items()}
    return block.changed(lambda tree: rewrite(tree, columns.get), Rows(rows.sources, where, optional))


def _is_grouped(of: Term) -> bool:
    inner = of.args[0]
    return of.op == "derived" and inner.op == "block" and inner.args[4] in {"group", "all"} and not inner.args[7]


def _for_each_row(name: str, of: Term, known: Mapping[Term, Term]) -> tuple[Term, dict[Term, Term]] | None:
    """Return whether a grouped statement has the group that a row asks for, and its columns, as aggregates."""
    sources, conditions, optional, group, grouping, having, outputs, _ = of.args[0].args
    columns = list(columns_of(name, of).values())
    asked: dict[Term, Term] = {}
    for key in group:
        told = [
            known[sure]
            for each, (tree, _) in zip(columns, outputs, strict=True)
            if tree == key and (sure := column(*each.args[:3])) in known and name not in sources_in(known[sure])
        ]
        if not told:
            return None
        asked[key] = told[0]
    rows, rename = Rows(dict(sources), both(*conditions), dict(optional)).copied()
    scope = subquery(replace(rows, where=both(rows.where, *(same(rename(key), to) for key, to in asked.items()))))

    def over(tree: Term) -> Term | None:
        found = scope.aggregated(tree, {"group", "all"}, rename)
        return None if found is None else rewrite(found, asked.get)

    made = [over(tree) for tree, _ in outputs]
    kept = over(having)
    if kept is None or None in made:
        return None
    changes: dict[Term, Term] = {}
    for each, tree in zip(columns, made, strict=True):
        if tree is not None:
            changes[each] = changes[column(*each.args[:3])] = tree
            changes[Term("missing", each)] = lift(lambda leaf: ONE if leaf == NULL else ZERO, tree)
    some = TRUE if grouping == "all" else choose(scope.total(ONE), [(1, 0)], [FALSE, TRUE])
    return both(some, kept), changes
