"""Statements as they are parsed, read into blocks; and metrics, which are statements of one aggregate."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from sqlglot import exp

from lakeproof.meaning import nested
from lakeproof.meaning import value as v
from lakeproof.meaning.aggregates import Aggregate, aggregates_in, is_aggregate, ordering
from lakeproof.meaning.block import Block
from lakeproof.meaning.condition import both, holds, if_else, is_null
from lakeproof.meaning.definition import Reading, parsed
from lakeproof.meaning.expression import Expressions
from lakeproof.meaning.finish import finished, within
from lakeproof.meaning.frame import Columns, Frame, Joined, asked, flat, renamed, some, table_block
from lakeproof.meaning.joins import subquery
from lakeproof.meaning.placed import frame_of, windowed, with_named_windows
from lakeproof.meaning.rows import fresh
from lakeproof.meaning.term import FALSE, NULL, TRUE, Term, num
from lakeproof.meaning.tree import choose, missing
from lakeproof.meaning.union import set_operation
from lakeproof.meaning.value import NotUnderstood, Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeproof.meaning.definition import Promised

Item = tuple[str, "exp.Expr | Value"]


class Reader(Expressions):
    """Reads one SELECT, and what is within.

    Args:
        tables: What each table promises.
        inputs: What the names of tables stand for.
        ctes: The statements that WITH named before.
        outer: Who reads the statement that this one is within.
    """

    def __init__(
        self,
        tables: Mapping[str, Promised],
        inputs: Mapping[str, Reading],
        ctes: Mapping[str, tuple[exp.Expr, Mapping[str, object]]] | None = None,
        outer: Reader | None = None,
    ) -> None:
        self.tables, self.inputs, self.outer = tables, inputs, outer
        self.ctes = dict(ctes or {})
        self.frame = Frame()
        self.scope = ""
        self.keys: list[Term] = []
        self.aliases: dict[str, exp.Expr] = {}
        self.below: Block | None = None
        self.inside = False

    # Columns, and what is not of one row.

    def column(self, node: exp.Column) -> Value:
        """Return a column, or what has that name in the SELECT."""
        name, alias = node.name.lower(), node.table.lower()
        found = self.frame.find(name, alias)
        if found is None and not alias and name in self.aliases:
            expression = self.aliases.pop(name)
            try:
                return self.read(expression)
            finally:
                self.aliases[name] = expression
        if found is None and self.outer is not None:
            return self.outer.column(node)
        if found is None:
            msg = f"column {node.sql('duckdb')}, which is not there"
            raise NotUnderstood(msg)
        return found

    def special(self, node: exp.Expr) -> Value | None:
        """Return an aggregate, a window or a subquery."""
        if isinstance(node, exp.Window):
            return self._window(node)
        if is_aggregate(node):
            return self._aggregate(node)
        if isinstance(node, exp.Subquery | exp.Select):
            return self._scalar(node)
        if isinstance(node, exp.Exists):
            return Value(some(self._within(node.this)), "bool")
        if isinstance(node, exp.In) and node.args.get("query"):
            return self._in_query(node)
        return None

    def _aggregate(self, node: exp.Expr) -> Value:
        if self.inside or not self.scope:
            msg = f"an aggregate where there is none: {node.sql('duckdb')}"
            raise NotUnderstood(msg)
        self.inside = True
        try:
            if self.below is None:
                return Aggregate(node, self.read).value(self.scope)
            found = Aggregate(node, self.read).value(nested.OUTER)
            keys = [key for key in self.below.group if key not in self.keys]
            return Value(nested.lowered(found.tree, keys, self.scope), found.kind)
        finally:
            self.inside = False

    def _within(self, node: exp.Expr) -> Block:
        return Reader(self.tables, self.inputs, self.ctes, self).query(node)

    def _in_query(self, node: exp.In) -> Value:
        value, block = self.read(node.this), asked(self._within(node.args["query"]))
        (output,) = block.outputs.values()
        equal = v.compared(value, output, v.COMPARISONS[exp.EQ]).tree
        found, unknown = some(block.filtered(holds(equal))), some(block.filtered(is_null(equal)))
        return Value(if_else(found, TRUE, if_else(unknown, NULL, FALSE)), "bool")

    def _scalar(self, node: exp.Expr) -> Value:
        block = self._within(node)
        if block.scope != "all" or block.having != TRUE or block.limit:
            raise NotUnderstood(node.sql("duckdb"))
        (output,) = block.outputs.values()
        tree = subquery(block.rows).aggregated(output.tree, {"all"})
        if tree is None:
            raise NotUnderstood(node.sql("duckdb"))
        return Value(tree, output.kind)

    def _window(self, node: exp.Window) -> Value:
        if self.inside or node.args.get("alias"):
            raise NotUnderstood(node.sql("duckdb"))
        partition = tuple(self.read(each).tree for each in node.args.get("partition_by") or ())
        order = node.args["order"].expressions if node.args.get("order") else []
        found = windowed(node.this, self.read)
        by = ordering(order, self.read, turned=found.turned)
        frame = frame_of(node.args.get("spec"), ordered=bool(by))
        return Value(missing(Term("win", found.name, found.args, partition, by, frame)), found.kind)

    # FROM.

    def table(self, reading: Reading) -> Block:
        """Return the rows of a table on the days that are read.

        Raises:
            NotUnderstood: The table is not known.
        """
        if reading.table not in self.tables:
            msg = f"table {reading.table}, of which nothing is known"
            raise NotUnderstood(msg)
        return table_block(self.tables[reading.table], reading, self._view)

    def _view(self, promised: Promised) -> Block:
        names = {name.rpartition(".")[2]: Reading(name) for name in self.tables}
        names |= {alias: Reading(name) for alias, name in promised.inputs.items()}
        node = parsed(promised.sql or "")
        for table in node.find_all(exp.Table):
            table.set("db", None)
        return Reader(self.tables, names).query(node)

    def _item(self, node: exp.Expr) -> tuple[str, Block]:
        """Return what stands in FROM, with the name of its columns."""
        alias = node.alias_or_name.lower() or fresh()
        if isinstance(node, exp.Subquery):
            return alias, renamed(node, Reader(self.tables, self.inputs, self.ctes).query(node.this))
        if not isinstance(node, exp.Table) or node.args.get("joins") or node.args.get("sample"):
            raise NotUnderstood(node.sql("duckdb"))
        name = node.name.lower()
        if not node.db and name in self.ctes:
            cte, before = self.ctes[name]
            return alias, renamed(node, Reader(self.tables, self.inputs, before).query(cte))  # type: ignore[arg-type]
        if name not in self.inputs:
            msg = f"table {node.sql('duckdb')}, which is no input"
            raise NotUnderstood(msg)
        return alias, renamed(node, self.table(self.inputs[name]))

    def _from(self, node: exp.Select) -> None:
        first = node.args.get("from_")
        if first is None:
            raise NotUnderstood(node.sql("duckdb"))
        joins = list(node.args.get("joins") or [])
        alias, block = self._item(first.this)
        if not block.plain and not joins and self._over(node, alias, block):
            return
        if joins and joins[0].side.upper() == "RIGHT":
            turned = joins.pop(0)
            other, other_block = self._item(turned.this)
            self.frame.enter(other, flat(other_block))
            Joined(alias, block, turned, self._on).optional(self.frame)
            if turned.args.get("using") or joins:
                raise NotUnderstood(turned.sql("duckdb"))
        else:
            self.frame.enter(alias, flat(block))
        for join in joins:
            other, other_block = self._item(join.this)
            Joined(other, other_block, join, self._on).add(self.frame)

    def _on(self, node: exp.Expr, alias: str, columns: Columns) -> Term:
        """Return the condition of a join, with the columns of both sides in sight."""
        reader = Reader(self.tables, self.inputs, self.ctes, self)
        reader.frame.see(alias, dict(columns))
        for each, others in self.frame.of.items():
            reader.frame.see(each, others)
        reader.frame.merged = dict(self.frame.merged)
        return reader.read(node).tree

    def _over(self, node: exp.Select, alias: str, block: Block) -> bool:
        """Read what selects from one statement as that statement's own; whether that can be."""
        aggregates = bool(node.args.get("group") or node.args.get("distinct")) or any(
            map(aggregates_in, node.expressions)
        )
        placed = any(
            each.find(exp.Window) for each in (*node.expressions, node.args.get("qualify")) if each is not None
        )
        if block.limit or (placed and block.over_rows):
            return False
        if aggregates:
            return self._over_groups(alias, block)
        self._see(alias, block)
        return True

    def _over_groups(self, alias: str, block: Block) -> bool:
        """Read what aggregates the groups of a block as an aggregate of its rows; whether that can be."""
        block = finished(block)
        if block.having != TRUE or block.scope != "group" or block.over_rows or block.limit:
            return False
        self._see(alias, block)
        return True

    def _see(self, alias: str, block: Block) -> None:
        self.below, self.frame.rows = block, block.rows
        self.frame.see(alias, dict(block.outputs))

    # SELECT.

    def metric(self, node: exp.Expr, grain: Sequence[str]) -> Block:
        """Return a metric of the only input as the statement that it stands for.

        Raises:
            NotUnderstood: No rule tells what it means.
        """
        ((alias, reading),) = self.inputs.items()
        block = self.table(reading)
        if block.plain or not self._over_groups(alias, block):
            self.frame.enter(alias, flat(block))
        self.scope = "group"
        outputs = {name: self.column(exp.column(name)) for name in grain}
        self.keys = [value.tree for value in outputs.values()]
        return Block(self.frame.rows, {**outputs, "value": self.read(node)}, tuple(self.keys), "group")

    def query(self, node: exp.Expr) -> Block:
        """Return the block of a query.

        Raises:
            NotUnderstood: No rule tells what it means.
        """
        node = node.unnest()
        if isinstance(node, exp.Query):
            for cte in node.ctes:
                self.ctes[cte.alias.lower()] = (cte.this, dict(self.ctes))
        if isinstance(node, exp.SetOperation):
            return self._set(node)
        if not isinstance(node, exp.Select):
            raise NotUnderstood(node.sql("duckdb"))
        return self._select(with_named_windows(node))

    def _set(self, node: exp.SetOperation) -> Block:
        if node.args.get("limit") or node.args.get("offset") or node.args.get("by_name"):
            raise NotUnderstood(node.sql("duckdb"))
        distinct, sides = bool(node.args.get("distinct")), [node.left, node.right]
        while isinstance(node, exp.Union) and isinstance(sides[0], exp.Union) and not sides[0].ctes:
            if bool(sides[0].args.get("distinct")) != distinct:
                break
            sides[:1] = [sides[0].left, sides[0].right]
        blocks = [Reader(self.tables, self.inputs, self.ctes, self.outer).query(side) for side in sides]
        if len({len(block.outputs) for block in blocks}) > 1:
            raise NotUnderstood(node.sql("duckdb"))
        return set_operation(type(node).__name__.lower(), blocks, distinct=distinct)

    def _select(self, node: exp.Select) -> Block:
        self._from(node)
        condition = holds(self.read(node.args["where"].this).tree) if node.args.get("where") else TRUE
        for each in node.expressions:
            if isinstance(each, exp.Alias):
                self.aliases.setdefault(each.alias.lower(), each.this)
        items = self._items(node)
        group = node.args.get("group")
        aggregates = bool(group or node.args.get("having")) or any(
            aggregates_in(i) for _, i in items if isinstance(i, exp.Expr)
        )
        having = self._condition(condition, aggregates=aggregates or bool(node.args.get("distinct")))
        if group:
            self.keys = self._grouping(group, items)
        if aggregates:
            self.scope = "group" if group and (group.expressions or group.args.get("all")) else "all"
        outputs = {name: self._value(item) for name, item in items}
        for clause in ("having", "qualify"):
            if node.args.get(clause):
                having = both(having, holds(self.read(node.args[clause].this).tree))
        block = Block(self.frame.rows, outputs, tuple(self.keys), self.scope, having)
        return self._limited(node, self._distinct(node, block))

    def _condition(self, where: Term, *, aggregates: bool) -> Term:
        """Apply WHERE; return what is asked of groups, where what is selected from is grouped."""
        if self.below is None:
            self.frame.ask(where)
            return TRUE
        below = replace(self.below, having=both(self.below.having, where))
        if not aggregates:
            self.scope, self.keys = below.scope, list(below.group)
            return below.having
        below = finished(below)
        if below.having != TRUE:
            msg = "a condition on groups that are grouped again"
            raise NotUnderstood(msg)
        self.below, self.frame.rows = below, below.rows
        return TRUE

    def _value(self, item: exp.Expr | Value) -> Value:
        return item if isinstance(item, Value) else self.read(item)

    def _items(self, node: exp.Select) -> list[Item]:
        found: list[Item] = []
        for at, each in enumerate(node.expressions):
            star = each.this if isinstance(each, exp.Column) else each
            if isinstance(star, exp.Star):
                found += self._star(star, each.table.lower() if isinstance(each, exp.Column) else "")
            else:
                found.append((each.alias_or_name.lower() or f"column {at}", each))
        names = [name for name, _ in found]
        return [(name if names.count(name) == 1 else f"{name} {at}", item) for at, (name, item) in enumerate(found)]

    def _star(self, star: exp.Star, alias: str) -> list[Item]:
        if star.args.get("rename"):
            raise NotUnderstood(star.sql("duckdb"))
        left_out = {each.name.lower() for each in star.args.get("except_") or ()}
        replaced = {each.alias.lower(): each.this for each in star.args.get("replace") or ()}
        return [
            (name, replaced[name] if name in replaced else self.frame.of[source][name])
            for source, name in self.frame.order
            if alias in {"", source} and name not in left_out
        ]

    def _grouping(self, group: exp.Group, items: Sequence[Item]) -> list[Term]:
        if any(group.args.get(each) for each in ("cube", "rollup", "grouping_sets", "totals")):
            raise NotUnderstood(group.sql("duckdb"))
        if group.args.get("all"):
            plain = [item for _, item in items if isinstance(item, Value) or not aggregates_in(item)]
            return [self._value(item).tree for item in plain]
        keys = []
        for each in group.expressions:
            if isinstance(each, exp.Literal) and not each.is_string:
                if not 1 <= int(each.name) <= len(items):
                    raise NotUnderstood(group.sql("duckdb"))
                keys.append(self._value(items[int(each.name) - 1][1]).tree)
            else:
                keys.append(self.read(each).tree)
        return keys

    def _distinct(self, node: exp.Select, block: Block) -> Block:
        distinct = node.args.get("distinct")
        if distinct is None:
            return block
        if (on := distinct.args.get("on")) is not None:
            if block.scope or block.having != TRUE:
                raise NotUnderstood(node.sql("duckdb"))
            parts = [self.read(each).tree for each in (on.expressions if isinstance(on, exp.Tuple) else [on])]
            order = ordering(node.args["order"].expressions if node.args.get("order") else [], self.read)
            place = Term("win", "distinct_on", (), tuple(parts), order, frame_of(None, ordered=True))
            return replace(block, having=choose(place, [(Fraction(2), 0)], [TRUE, FALSE]))
        if not block.plain:
            block = within(block)
        return replace(block, group=tuple(value.tree for value in block.outputs.values()), scope="group")

    def _limited(self, node: exp.Select, block: Block) -> Block:
        limit, offset = node.args.get("limit"), node.args.get("offset")
        if limit is None and offset is None:
            return block
        if offset is not None or not isinstance(limit, exp.Limit) or not isinstance(limit.expression, exp.Literal):
            raise NotUnderstood(node.sql("duckdb"))

        def read(each: exp.Expr) -> Value:
            if isinstance(each, exp.Literal) and not each.is_string:
                return list(block.outputs.values())[int(each.name) - 1]
            named = isinstance(each, exp.Column) and not each.table and each.name.lower() in block.outputs
            return block.outputs[each.name.lower()] if named else self.read(each)

        order = ordering(node.args["order"].expressions if node.args.get("order") else [], read)
        if not order:
            raise NotUnderstood(node.sql("duckdb"))
        return replace(block, limit=(num(Fraction(limit.expression.name)), *order))
