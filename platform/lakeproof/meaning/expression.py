"""Expressions as they are parsed, read into values: one method for each way to write one."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from sqlglot import exp

from lakeproof.meaning import value as v
from lakeproof.meaning.condition import both, coalesce, either, holds, if_else, is_null, negated
from lakeproof.meaning.kind import OTHER, TIMES
from lakeproof.meaning.term import NULL, num, truth
from lakeproof.meaning.total import scaled
from lakeproof.meaning.value import NotUnderstood, Value

if TYPE_CHECKING:
    from collections.abc import Callable

OF_TEXT: dict[type[exp.Expr], tuple[str, str]] = {
    exp.Lower: ("lower", "text"),
    exp.Upper: ("upper", "text"),
    exp.Length: ("length", "int"),
}
"""Functions of a text, with the kind of their values."""

PARTS: dict[type[exp.Expr], str] = {
    exp.Hour: "hour",
    exp.Minute: "minute",
    exp.Second: "second",
    exp.Day: "day",
    exp.Month: "month",
    exp.Quarter: "quarter",
    exp.Year: "year",
    exp.DayOfWeek: "dayofweek",
    exp.DayOfWeekIso: "isodow",
    exp.DayOfMonth: "day",
    exp.DayOfYear: "doy",
    exp.Week: "week",
    exp.WeekOfYear: "week",
}


class Expressions:
    """Reads expressions. What columns, aggregates, windows and subqueries are is for whoever reads the statement."""

    def column(self, node: exp.Column) -> Value:
        """Return a column."""
        raise NotImplementedError

    def special(self, node: exp.Expr) -> Value | None:
        """Return an aggregate, a window or a subquery; None for what is none of them."""
        raise NotImplementedError

    def read(self, node: exp.Expr) -> Value:
        """Return what an expression comes to.

        Raises:
            NotUnderstood: No rule tells.
        """
        if isinstance(node, exp.Column):
            return self.column(node)
        found = self.special(node)
        if found is not None:
            return found
        reader = READERS.get(type(node))
        return reader(self, node) if reader else _function(self, node)

    def trees(self, *nodes: exp.Expr) -> list[Value]:
        """Return what several expressions come to."""
        return [self.read(node) for node in nodes]


def _function(self: Expressions, node: exp.Expr) -> Value:
    """Return a function by its name, of which nothing else may be known."""
    if isinstance(node, exp.Anonymous):
        return _named(self, node.name.lower(), node.expressions)
    if not isinstance(node, exp.Func) or isinstance(node, exp.AggFunc):
        raise NotUnderstood(node.sql("duckdb"))
    args: list[exp.Expr] = []
    told = []
    for key, arg in node.args.items():
        for each in arg if isinstance(arg, list) else [arg]:
            if isinstance(each, exp.Expr) and not isinstance(each, exp.Var | exp.DataType):
                args.append(each)
            elif each not in {None, False}:
                told.append(f"{key}={each.sql('duckdb') if isinstance(each, exp.Expr) else each}")
    return v.called(node.sql_name().lower(), self.trees(*args), OTHER, told)


def _named(self: Expressions, name: str, args: list[exp.Expr]) -> Value:
    """Return a function that the parser does not know."""
    if name in {"date_part", "datepart"} and isinstance(args[0], exp.Literal):
        return v.part(args[0].name, self.read(args[1]))
    if name == "timezone" and isinstance(args[0], exp.Literal):
        return v.in_zone(args[0].name, self.read(args[1]))
    if name in {"dow", "weekday"}:
        return v.part("dayofweek", self.read(args[0]))
    return v.called(name, self.trees(*args), OTHER)


def _both(self: Expressions, node: exp.Expr, made: Callable[[Value, Value], Value]) -> Value:
    return made(self.read(node.this), self.read(node.expression))


def _case(self: Expressions, node: exp.Expr) -> Value:
    default = self.read(node.args["default"]) if node.args.get("default") else Value(NULL, OTHER)
    subject = self.read(node.this) if node.this else None
    found, kinds = default.tree, [default]
    for when in reversed(node.args["ifs"]):
        asked, then = self.read(when.this), self.read(when.args["true"])
        if subject is not None:
            asked = v.compared(subject, asked, v.COMPARISONS[exp.EQ])
        found, kinds = if_else(asked.tree, then.tree, found), [*kinds, then]
    return Value(found, v.common_kind(kinds))


def _if(self: Expressions, node: exp.Expr) -> Value:
    other = self.read(node.args["false"]) if node.args.get("false") else Value(NULL, OTHER)
    then = self.read(node.args["true"])
    tree = if_else(self.read(node.this).tree, then.tree, other.tree)
    return Value(tree, v.common_kind([then, other]))


def _in(self: Expressions, node: exp.Expr) -> Value:
    if not node.expressions:
        msg = node.sql("duckdb")
        raise NotUnderstood(msg)
    return v.one_of(self.read(node.this), self.trees(*node.expressions))


def _is(self: Expressions, node: exp.Expr) -> Value:
    value, what = self.read(node.this).tree, node.expression
    if isinstance(what, exp.Null):
        return Value(is_null(value), "bool")
    if isinstance(what, exp.Boolean):
        return Value(holds(value if what.this else negated(value)), "bool")
    msg = node.sql("duckdb")
    raise NotUnderstood(msg)


def _between(self: Expressions, node: exp.Expr) -> Value:
    value, low, high = self.trees(node.this, node.args["low"], node.args["high"])
    above = v.compared(value, low, v.COMPARISONS[exp.GTE]).tree
    return Value(both(above, v.compared(value, high, v.COMPARISONS[exp.LTE]).tree), "bool")


def _coalesce(self: Expressions, node: exp.Expr) -> Value:
    values = self.trees(node.this, *node.expressions)
    return Value(coalesce(*(each.tree for each in values)), v.common_kind(values))


def _nullif(self: Expressions, node: exp.Expr) -> Value:
    value, other = self.trees(node.this, node.expression)
    equal = v.compared(value, other, v.COMPARISONS[exp.EQ]).tree
    return Value(if_else(equal, NULL, value.tree), value.kind)


def _date_from_parts(self: Expressions, node: exp.Expr) -> Value:
    year, month, day = (node.args[name] for name in ("year", "month", "day"))
    same = isinstance(year, exp.Year) and isinstance(month, exp.Month) and year.this == month.this
    if same and isinstance(day, exp.Literal) and day.name == "1":
        return v.truncated("month", self.read(year.this))
    if same and isinstance(day, exp.Day | exp.DayOfMonth) and day.this == year.this:
        return v.truncated("day", self.read(year.this))
    return v.called("make_date", self.trees(year, month, day), "date")


def _bucket(self: Expressions, node: exp.Expr) -> Value:
    width, moment = self.trees(node.this, node.expression)
    units = [unit for unit, length in v.UNITS.items() if width.tree == num(length)]
    if len(node.args) == 2 and units and units[0] != "week":  # noqa: PLR2004 - no origin is given
        return v.truncated(units[0], moment)
    return v.called("time_bucket", [width, moment, *self.trees(*node.expressions)], moment.kind)


def _epoch(self: Expressions, node: exp.Expr) -> Value:
    value = self.read(node.this)
    if value.kind not in {*TIMES, "interval"}:
        return v.called("epoch", [value], "double")
    return Value(scaled(value.tree, Fraction(1, 1_000_000)), "double")


def _integer_division(self: Expressions, node: exp.Expr) -> Value:
    sides = self.trees(node.this, node.expression)
    return v.called(f"// {' '.join(side.kind for side in sides)}", sides, v.common_kind(sides))


def _remainder(self: Expressions, node: exp.Expr) -> Value:
    sides = self.trees(node.this, node.expression)
    if all(side.kind == "int" for side in sides):
        return v.strict("%", sides, "int")
    return v.called("%", sides, v.common_kind(sides))


def _text(self: Expressions, node: exp.Expr) -> Value:
    name, kind = OF_TEXT[type(node)]
    value = self.read(node.this)
    return v.strict(name, [value], kind) if value.kind == "text" else v.called(name, [value], kind)


def _concat(self: Expressions, node: exp.Expr) -> Value:
    return v.joined(self.trees(*node.expressions), skip=True)


def _extract(self: Expressions, node: exp.Expr) -> Value:
    return v.part(node.this.name, self.read(node.expression))


def _comparison(self: Expressions, node: exp.Expr) -> Value:
    left, right = self.read(node.this), self.read(node.expression)
    return v.compared(left, right, v.COMPARISONS[type(node)])


def _distinct_from(self: Expressions, node: exp.Expr) -> Value:
    same = v.same_value(self.read(node.this), self.read(node.expression))
    return Value(same if isinstance(node, exp.NullSafeEQ) else negated(same), "bool")


def _negative(self: Expressions, node: exp.Expr) -> Value:
    value = self.read(node.this)
    return Value(scaled(value.tree, Fraction(-1)), value.kind)


def _rounded(self: Expressions, node: exp.Expr) -> Value:
    digits = node.args.get("decimals")
    name = "floor" if isinstance(node, exp.Floor) else "ceil" if isinstance(node, exp.Ceil) else "round"
    return v.rounded(name, self.read(node.this), self.read(digits) if digits else None)


def _zone(self: Expressions, node: exp.Expr) -> Value:
    return v.in_zone(node.args["zone"].name, self.read(node.this))


READERS: dict[type[exp.Expr], Callable[[Expressions, exp.Expr], Value]] = {
    exp.Literal: lambda _, node: v.literal(node.name, is_text=node.is_string),
    exp.Boolean: lambda _, node: Value(truth(node.this), "bool"),
    exp.Null: lambda _, __: Value(NULL, OTHER),
    exp.Interval: lambda _, node: v.interval(node),
    exp.Paren: lambda self, node: self.read(node.this),
    exp.Alias: lambda self, node: self.read(node.this),
    exp.And: lambda self, node: v.condition(self.trees(node.this, node.expression), both),
    exp.Or: lambda self, node: v.condition(self.trees(node.this, node.expression), either),
    exp.Not: lambda self, node: Value(negated(self.read(node.this).tree), "bool"),
    **dict.fromkeys(v.COMPARISONS, _comparison),
    exp.NullSafeEQ: _distinct_from,
    exp.NullSafeNEQ: _distinct_from,
    exp.Neg: _negative,
    exp.Add: lambda self, node: _both(self, node, lambda a, b: v.added(a, b, 1)),
    exp.Sub: lambda self, node: _both(self, node, lambda a, b: v.added(a, b, -1)),
    exp.Mul: lambda self, node: _both(self, node, v.multiplied),
    exp.Div: lambda self, node: _both(self, node, v.divided),
    exp.IntDiv: _integer_division,
    exp.Mod: _remainder,
    exp.Case: _case,
    exp.If: _if,
    exp.In: _in,
    exp.Is: _is,
    exp.Between: _between,
    exp.Coalesce: _coalesce,
    exp.Nullif: _nullif,
    exp.Cast: lambda self, node: v.cast(self.read(node.this), node.args["to"].sql("duckdb")),
    exp.Like: lambda self, node: _both(self, node, v.like),
    exp.StartsWith: lambda self, node: v.like(self.read(node.this), self.read(_prefix(node))),
    exp.DPipe: lambda self, node: v.joined(self.trees(node.this, node.expression), skip=False),
    exp.Concat: _concat,
    exp.Greatest: lambda self, node: v.extreme(self.trees(node.this, *node.expressions), greatest=True),
    exp.Least: lambda self, node: v.extreme(self.trees(node.this, *node.expressions), greatest=False),
    exp.Abs: lambda self, node: v.absolute(self.read(node.this)),
    **dict.fromkeys((exp.Round, exp.Floor, exp.Ceil), _rounded),
    **dict.fromkeys(OF_TEXT, _text),
    **dict.fromkeys(PARTS, lambda self, node: v.part(PARTS[type(node)], self.read(node.this))),
    exp.Extract: _extract,
    **dict.fromkeys(
        (exp.TimestampTrunc, exp.DateTrunc),
        lambda self, node: v.truncated(node.args["unit"].name, self.read(node.this)),
    ),
    exp.DateBin: _bucket,
    exp.DateFromParts: _date_from_parts,
    exp.TimeToUnix: _epoch,
    exp.AtTimeZone: _zone,
    exp.Date: lambda self, node: v.cast(self.read(node.this), "date"),
}


def _prefix(node: exp.Expr) -> exp.Expr:
    """Return the pattern of what begins with a text, where no character of it means something else."""
    if isinstance(node.expression, exp.Literal) and not set(node.expression.name) & {"%", "_", "\\"}:
        return exp.Literal.string(f"{node.expression.name}%")
    raise NotUnderstood(node.sql("duckdb"))
