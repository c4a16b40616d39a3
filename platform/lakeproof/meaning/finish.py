"""The normal form of a block: everything that is certain is used, and no name is left."""

from __future__ import annotations

from lakeproof.meaning.block import Block, derived, family, source_block
from lakeproof.meaning.groups import asked_of_rows, grouped
from lakeproof.meaning.joins import joined, orders
from lakeproof.meaning.term import NULL, Term, leaves
from lakeproof.meaning.unnest import by_itself, never_empty, pruned, unnested
from lakeproof.meaning.windows import placed, windows

MOST_ROUNDS = 12
OUTPUTS = 6
"""Where a normal form has its columns."""

TOP = 1_000
"""The height of the outermost rows, above that of every subquery."""


def finished(block: Block) -> Block:
    """Return a block in which everything that is certain was used."""
    for _ in range(MOST_ROUNDS):
        found = joined(block.rows)
        new = block.changed(found.told, found.whole)
        new = by_itself(unnested(pruned(new, found), found), found)
        new = windows(placed(grouped(asked_of_rows(new), found), found), found)
        new = never_empty(new, found)
        if new == block:
            break
        block = new
    return block


def frozen(block: Block, order: tuple[str, ...] = ()) -> tuple[Term, tuple[str, ...]]:
    """Return a block's normal form, and the names of its columns in their order there.

    Args:
        block: The block.
        order: In which order its columns are; where it does not count, they are in that of their terms.
    """
    block = finished(block)
    best: tuple[Term, tuple[str, ...]] | None = None
    for names in orders(block.rows.sources, TOP):
        rows, rename = block.rows.renamed(names)
        new = finished(block.changed(rename, rows))
        found = joined(new.rows)
        put_out = {name: (value.tree, family(value.kind)) for name, value in new.outputs.items()}
        ordered = order or tuple(sorted(put_out, key=lambda name: (put_out[name][0].key, put_out[name][1], name)))
        term = Term(
            "block",
            tuple(sorted(found.rows.sources.items())),
            tuple(sorted(found.conditions)),
            tuple(sorted(found.rows.optional.items())),
            tuple(sorted(new.group)),
            new.scope,
            new.having,
            tuple(put_out[name] for name in ordered),
            new.limit,
        )
        if best is None or term < best[0]:
            best = term, ordered
    assert best is not None  # noqa: S101 - there is at least one order
    return best


def within(block: Block) -> Block:
    """Return a block that reads another as a source."""
    term, order = frozen(block)
    outputs = [tree for tree, _ in term.args[OUTPUTS]]
    columns = [(block.outputs[name].kind, NULL in leaves(tree)) for name, tree in zip(order, outputs, strict=True)]
    places = [[f"c{at}" for at, tree in enumerate(outputs) if tree == key][:1] for key in term.args[3]]
    keys = [[place for (place,) in places]] if term.args[4] == "group" and all(places) else []
    keys = [[]] if term.args[4] == "all" else keys
    return source_block(derived(term, columns, keys), order)
