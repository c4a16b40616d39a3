"""The columns in sight of a SELECT, and what stands in its FROM."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from sqlglot import exp

from lakeproof.meaning import value as v
from lakeproof.meaning.block import Block, over_group, source_block
from lakeproof.meaning.condition import both, holds, negated
from lakeproof.meaning.finish import finished, within
from lakeproof.meaning.joins import subquery
from lakeproof.meaning.kind import kind_of
from lakeproof.meaning.rows import Rows, relation
from lakeproof.meaning.term import DAY, FALSE, NULL, ONE, TODAY, TRUE, Term, num
from lakeproof.meaning.total import plus
from lakeproof.meaning.tree import choose
from lakeproof.meaning.union import set_operation
from lakeproof.meaning.value import NotUnderstood, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lakeproof.meaning.definition import Promised, Reading

Columns = dict[str, Value]


@dataclass
class Frame:
    """The columns in sight.

    Args:
        of: By the name of what they come from, and their own.
        merged: Those that USING made one of.
        order: All but those that USING left out, as `*` has them.
        rows: What they are columns of.
    """

    of: dict[str, Columns] = field(default_factory=dict)
    merged: Columns = field(default_factory=dict)
    order: list[tuple[str, str]] = field(default_factory=list)
    rows: Rows = field(default_factory=lambda: Rows({}))

    def find(self, name: str, alias: str = "") -> Value | None:
        """Return a column.

        Raises:
            NotUnderstood: There are several of the name.
        """
        if alias:
            return self.of.get(alias, {}).get(name)
        if name in self.merged:
            return self.merged[name]
        found = [columns[name] for columns in self.of.values() if name in columns]
        if len(found) > 1:
            msg = f"column {name}, of which there are {len(found)}"
            raise NotUnderstood(msg)
        return found[0] if found else None

    def see(self, alias: str, columns: Columns, hidden: Sequence[str] = ()) -> None:
        """Let columns be in sight."""
        self.of[alias] = columns
        self.order += [(alias, name) for name in columns if name not in hidden]

    def enter(self, alias: str, block: Block, on: Term = TRUE, hidden: Sequence[str] = ()) -> None:
        """Read the rows of a block too, on a condition."""
        self.see(alias, dict(block.outputs), hidden)
        self.rows = Rows(
            {**self.rows.sources, **block.rows.sources},
            both(self.rows.where, block.rows.where, on),
            {**self.rows.optional, **block.rows.optional},
        )

    def ask(self, condition: Term) -> None:
        """Keep only rows for which a condition is true."""
        self.rows = replace(self.rows, where=both(self.rows.where, condition))


def flat(block: Block) -> Block:
    """Return a block whose rows can be joined."""
    if not block.plain:
        block = finished(block)
    return block if block.plain else within(block)


def renamed(node: exp.Expr, block: Block) -> Block:
    """Let columns have the names that an alias gives them."""
    alias = node.args.get("alias")
    names = [column.name.lower() for column in alias.args.get("columns") or ()] if alias else []
    renamed = {names[at] if at < len(names) else name: value for at, (name, value) in enumerate(block.outputs.items())}
    return replace(block, outputs=renamed)


def asked(block: Block) -> Block:
    """Return a block of which it is only asked whether it has some rows: how often each comes does not count."""
    grouped = block.scope == "group" and block.having == TRUE and not block.limit and not block.over_rows
    if grouped and not any(over_group(value.tree) for value in block.outputs.values()):
        block = replace(block, group=(), scope="")
    return flat(block)


def some(block: Block) -> Term:
    """Return whether a block has rows."""
    return choose(subquery(asked(block).rows).total(ONE), [(Fraction(1), 0)], [FALSE, TRUE])


def table_block(promised: Promised, reading: Reading, view: Callable[[Promised], Block]) -> Block:
    """Return the rows of a table on the days that are read.

    Args:
        promised: What the table promises.
        reading: How it is read.
        view: Reads the statement of a view.
    """
    if promised.sql is not None:
        block = view(promised)
        if block.scope != "group" or block.limit or block.over_rows:
            block = flat(block)
    else:
        key = {*promised.key, *([promised.partition] if promised.partition else [])}
        columns = [(name, kind_of(each.type), each.nullable) for name, each in promised.columns.items()]
        of = relation("table", reading.table, columns, [key] if promised.key else [])
        block = source_block(of, list(promised.columns))
    if promised.partition is None or reading.days is None:
        return block
    day = block.outputs[promised.partition]
    since = Value(plus(TODAY, num(Fraction(-(reading.days - 1) * DAY))), "date")
    until = Value(TODAY, "date")
    read = both(
        v.compared(day, since, v.COMPARISONS[exp.GTE]).tree, v.compared(day, until, v.COMPARISONS[exp.LTE]).tree
    )
    return block.filtered(read) if block.plain else replace(block, having=both(block.having, holds(read)))


@dataclass(frozen=True)
class Joined:
    """One item of a FROM behind the first.

    Args:
        alias: Its name.
        block: Its rows.
        join: How it is joined.
        read: Reads the condition of the join, with the item's columns in sight.
    """

    alias: str
    block: Block
    join: exp.Join
    read: Callable[[exp.Expr, str, Columns], Term]

    def add(self, frame: Frame) -> None:
        """Join it to what is in sight.

        Raises:
            NotUnderstood: It is joined in a way that no rule knows.
        """
        join = self.join
        side, kind = join.side.upper(), join.kind.upper()
        if (
            join.args.get("method")
            or side not in {"", "LEFT", "FULL"}
            or kind not in {"", "INNER", "OUTER", "CROSS", "SEMI", "ANTI"}
        ):
            raise NotUnderstood(join.sql("duckdb"))
        if kind in {"SEMI", "ANTI"}:
            self._ask(frame, anti=kind == "ANTI")
        elif side == "LEFT":
            self.optional(frame)
        elif side == "FULL":
            self._full(frame)
        else:
            block = flat(self.block)
            on, hidden = self._on(frame, block)
            frame.enter(self.alias, block, on, hidden)

    def _on(self, frame: Frame, block: Block) -> tuple[Term, list[str]]:
        """Return the condition of the join, and the columns that USING leaves out of the right side."""
        names = [each.name.lower() for each in self.join.args.get("using") or ()]
        conditions = [self.read(self.join.args["on"], self.alias, block.outputs)] if self.join.args.get("on") else []
        for name in names:
            left = frame.find(name)
            if left is None or name not in block.outputs:
                msg = f"column {name} of {self.alias}, which is not there"
                raise NotUnderstood(msg)
            frame.merged[name] = left
            conditions.append(v.compared(left, block.outputs[name], v.COMPARISONS[exp.EQ]).tree)
        return both(*conditions), names

    def _full(self, frame: Frame) -> None:
        """Join it both ways: the rows that match, and of either side those that match none."""
        right = flat(self.block)
        on, hidden = self._on(frame, right)
        if hidden:
            raise NotUnderstood(self.join.sql("duckdb"))
        seen = {f"{alias} {name}": each for alias, of in frame.of.items() for name, each in of.items()}
        left = Block(frame.rows, seen)
        theirs = {f"{self.alias} {name}": each for name, each in right.outputs.items()}
        matched = Frame(rows=frame.rows)
        matched.enter(self.alias, right, on)
        branches = [Block(matched.rows, {**left.outputs, **theirs})]
        for one, other in ((left, right), (right, left)):
            alone = one.filtered(negated(some(other.filtered(on))))
            empty = {name: Value(NULL, each.kind) for name, each in branches[0].outputs.items()}
            branches.append(replace(alone, outputs={**empty, **(left.outputs if one is left else theirs)}))
        block = set_operation("union", branches, distinct=False)
        frame.rows = block.rows
        for alias, name in [(a, n) for a, of in frame.of.items() for n in of]:
            frame.of[alias][name] = block.outputs[f"{alias} {name}"]
        frame.see(self.alias, {name: block.outputs[f"{self.alias} {name}"] for name in right.outputs})

    def _ask(self, frame: Frame, *, anti: bool) -> None:
        block = asked(self.block)
        on, _ = self._on(frame, block)
        there = some(block.filtered(on))
        frame.ask(negated(there) if anti else there)

    def optional(self, frame: Frame) -> None:
        """Join it where it joins; its columns are null where it does not."""
        block = self.block
        if not block.plain or len(block.rows.sources) != 1 or block.rows.optional:
            block = within(block)
        on, hidden = self._on(frame, block)
        ((name, of),) = block.rows.sources.items()
        absent = Term("absent", name)
        columns = {
            each: Value(choose(absent, [(Fraction(1), 0)], [value.tree, NULL]), value.kind)
            for each, value in block.outputs.items()
        }
        frame.see(self.alias, columns, hidden)
        rows = frame.rows
        joins = {**rows.optional, name: holds(both(block.rows.where, on))}
        frame.rows = Rows({**rows.sources, name: of}, rows.where, joins)
