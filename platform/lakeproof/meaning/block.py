"""One SELECT as a block: rows, groups, what is put out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from lakeproof.meaning.condition import both, holds, variables
from lakeproof.meaning.kind import OTHER, TIMES, is_number
from lakeproof.meaning.rows import Rows, columns_of, fresh, relation
from lakeproof.meaning.settle import Settled, determined
from lakeproof.meaning.term import FALSE, NULL, TRUE, Term, leaves
from lakeproof.meaning.tree import choose, missing
from lakeproof.meaning.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

WITH_SCOPE = {"total": 0, "distinct": 0, "agg": 1, "first": 1}
"""Where aggregates say over which rows they are."""


@dataclass(frozen=True)
class Block:
    """A SELECT.

    Args:
        rows: What it reads.
        outputs: Its columns by name.
        group: What it is grouped by.
        scope: `group`; `all` where it aggregates without GROUP BY; "" where every row is put out.
        having: The condition on groups; of rows, the one that is asked after windows.
        limit: How many rows it puts out, in which order; none where it puts out all.
    """

    rows: Rows
    outputs: dict[str, Value] = field(default_factory=dict)
    group: tuple[Term, ...] = ()
    scope: str = ""
    having: Term = TRUE
    limit: tuple[Term, ...] = ()

    @property
    def over_rows(self) -> bool:
        """Whether it puts out a row's place among others."""
        return any(over_rows(value.tree) for value in self.outputs.values())

    @property
    def plain(self) -> bool:
        """Whether every row that it reads is put out, once."""
        return not (self.scope or self.limit or self.having != TRUE or self.over_rows)

    @property
    def terms(self) -> list[Term]:
        """All terms but those of its rows."""
        return [*(value.tree for value in self.outputs.values()), *self.group, self.having, *self.limit]

    def changed(self, change: Callable[[Term], Term], rows: Rows | None = None) -> Block:
        """Return the same block with each term changed, and other rows if they are given."""
        return replace(
            self,
            rows=rows or self.rows,
            outputs={name: Value(change(value.tree), value.kind) for name, value in self.outputs.items()},
            group=tuple(map(change, self.group)),
            having=holds(change(self.having)),
            limit=tuple(map(change, self.limit)),
        )

    def filtered(self, condition: Term) -> Block:
        """Return the block with one condition more on its rows."""
        return replace(self, rows=replace(self.rows, where=both(self.rows.where, holds(condition))))


def over_rows(tree: Term) -> bool:
    """Whether a term looks at a row's place among others."""
    return any(term.op == "win" for term in tree.within)


def over_group(tree: Term) -> bool:
    """Whether a term aggregates the rows of a group."""
    return any(term.op in WITH_SCOPE and term.args[WITH_SCOPE[term.op]] in {"group", "all"} for term in tree.within)


def source_block(of: Term, names: Sequence[str]) -> Block:
    """Return a block that reads a source, whose columns are named so in their order."""
    source = fresh()
    columns = columns_of(source, of)
    return Block(Rows({source: of}), {n: _read(c) for n, c in zip(names, columns.values(), strict=True)})


def _read(col: Term) -> Value:
    tree = missing(col)
    if col.args[2] == "bool":
        tree = choose(tree, [(Fraction(1), 0)], [FALSE, TRUE])
    return Value(tree, col.args[2])


def derived(of: Term, outputs: Sequence[tuple[str, bool]], keys: Iterable[Iterable[str]]) -> Term:
    """Return what a source reads that is a statement within: its columns by place, with kind and whether null."""
    return relation("derived", of, [(f"c{at}", kind, null) for at, (kind, null) in enumerate(outputs)], keys)


def family(kind: str) -> str:
    """Return what values of a kind are compared as: 3 equals 3.0, and a day its midnight."""
    return "number" if is_number(kind) else "moment" if kind in TIMES else "" if kind == OTHER else kind


# What is the same for several rows.


def plain_columns(trees: Iterable[Term]) -> set[tuple[str, str]]:
    """Return the columns that trees simply are, each by source and name."""
    found = set()
    for tree in trees:
        values = {leaf for leaf in leaves(tree) if leaf != NULL}
        asked = [var for var in variables(tree) if var.op != "missing"]
        if len(values) == 1 and not asked:
            found |= {leaf.args[:2] for leaf in values if leaf.op == "col"}
        elif values == {TRUE, FALSE} and len(asked) == 1 and asked[0].op == "col":
            found.add(asked[0].args[:2])
    return found


def closed(found: Settled, trees: Iterable[Term], tree: Term) -> bool:
    """Whether a term is the same on all rows on which others are."""
    given = plain_columns(trees)
    sure = determined(found, given)
    own = (each for each in tree.within if each.op in {"col", "absent"} and each.args[0] in found.rows.sources)
    return all(each.args[0] in sure or each.args[:2] in given for each in own)


def unique(found: Settled, trees: Iterable[Term]) -> bool:
    """Whether there are no two rows on which terms are the same."""
    return determined(found, plain_columns(trees)) >= set(found.rows.sources)
