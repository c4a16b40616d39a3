"""Unions, intersections and differences of blocks."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from typing import TYPE_CHECKING

from lakeproof.meaning.block import Block, derived, source_block
from lakeproof.meaning.condition import both, either, holds, negated
from lakeproof.meaning.finish import OUTPUTS, frozen, within
from lakeproof.meaning.joins import subquery
from lakeproof.meaning.term import FALSE, NULL, ONE, TRUE, Term, leaves
from lakeproof.meaning.tree import choose
from lakeproof.meaning.value import common_kind, same_value

if TYPE_CHECKING:
    from collections.abc import Sequence


def set_operation(name: str, blocks: Sequence[Block], *, distinct: bool) -> Block:
    """Return the block of several blocks, column by column.

    Args:
        name: `union`, `intersect` or `except`; of the others than unions, there are two.
        blocks: The blocks, with as many columns each.
        distinct: Whether each row is put out once.
    """
    names = list(blocks[0].outputs)
    blocks = [replace(b, outputs=dict(zip(names, b.outputs.values(), strict=True))) for b in blocks]
    if name == "union":
        block = _united(blocks, names, distinct=distinct)
        keys = tuple(value.tree for value in block.outputs.values())
        return _grouped(block, keys) if distinct else block
    if distinct and blocks[1].plain:
        return _compared(name, *blocks)
    sides = [frozen(side, tuple(names))[0] for side in blocks]
    return _source(Term("union", f"{name}{'' if distinct else ' all'}", *sides), names, blocks)


def _compared(name: str, left: Block, right: Block) -> Block:
    """Return the rows of one block that another has, or has not, each once."""
    left = left if left.plain else within(left)
    sides = zip(left.outputs.values(), right.outputs.values(), strict=True)
    alike = right.filtered(both(*(same_value(one, other) for one, other in sides)))
    there = choose(subquery(alike.rows).total(ONE), [(Fraction(1), 0)], [FALSE, TRUE])
    found = left.filtered(there if name == "intersect" else negated(there))
    return _grouped(found, tuple(value.tree for value in found.outputs.values()))


def _grouped(block: Block, keys: tuple[Term, ...]) -> Block:
    return replace(block, group=keys, scope="group")


def _united(blocks: Sequence[Block], names: list[str], *, distinct: bool) -> Block:
    """Return a UNION ALL; parts of one table that have no row in common are one part."""
    parts: list[Block] = []
    for block in blocks:
        for at, part in enumerate(parts):
            if (one := _together(part, block, distinct=distinct)) is not None:
                parts[at] = one
                break
        else:
            parts.append(block)
    if len(parts) == 1 and parts[0].plain:
        return parts[0]
    forms = [frozen(part) for part in parts]
    columns = [dict(zip(order, term.args[OUTPUTS], strict=True)) for term, order in forms]
    order = sorted(names, key=lambda name: (sorted(of[name][0].key for of in columns), name))
    made = [
        Term("block", *term.args[:OUTPUTS], tuple(of[name] for name in order), *term.args[OUTPUTS + 1 :])
        for (term, _), of in zip(forms, columns, strict=True)
    ]
    read = _source(Term("union", "all", tuple(sorted(set(made) if distinct else made))), order, parts)
    return replace(read, outputs={name: read.outputs[name] for name in names})


def _source(term: Term, names: list[str], blocks: Sequence[Block]) -> Block:
    columns = []
    for name in names:
        values = [block.outputs[name] for block in blocks]
        columns.append((common_kind(values), any(NULL in leaves(value.tree) for value in values)))
    return source_block(derived(term, columns, []), names)


def _together(left: Block, right: Block, *, distinct: bool) -> Block | None:
    """Return two parts of the same rows as one, if no row is in both, or if that does not count."""
    if not (left.plain and right.plain) or left.rows.optional or right.rows.optional:
        return None
    if len(left.rows.sources) != len(right.rows.sources):
        return None
    for order in permutations(left.rows.sources):
        names = dict(zip(right.rows.sources, order, strict=True))
        if any(right.rows.sources[old] != left.rows.sources[new] for old, new in names.items()):
            continue
        rows, rename = right.rows.renamed(names)
        same = all(rename(right.outputs[name].tree) == value.tree for name, value in left.outputs.items())
        if same and (distinct or both(left.rows.where, rows.where) == FALSE):
            where = either(holds(left.rows.where), holds(rows.where))
            return replace(left, rows=replace(left.rows, where=where))
    return None
