"""Scalar expressions of DuckDB's dialect as trees: arithmetic, comparisons, decisions and functions."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from lakeproof.meaning.condition import both, coalesce, either, holds, if_else, is_null
from lakeproof.meaning.kind import OTHER, TIMES, digits, exact, is_linear, is_number, kind_of, microseconds
from lakeproof.meaning.term import DAY, FALSE, NULL, TODAY, TRUE, ZERO, Term, num, text
from lakeproof.meaning.total import number, over, plus, scaled, times
from lakeproof.meaning.tree import REBUILD, apply, choose, gap, lift, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

UNITS = {"microsecond": 1, "millisecond": 1_000, "second": 1_000_000}
UNITS |= {"minute": 60_000_000, "hour": 3_600_000_000, "day": DAY, "week": 7 * DAY}
DS = "__ds__"
"""What stands for `{{ ds }}` while a statement is parsed."""

LAST_CHARACTER = "\U0010ffff"
CHANGING = {"random", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "now", "nextval", "setseed", "today"}
CHANGING |= {"current_date", "current_timestamp", "current_time", "get_current_timestamp", "currval", "txid_current"}
CHANGING |= {"rand", "current_user", "localtimestamp", "localtime", "transaction_timestamp", "get_current_time"}


class NotUnderstood(Exception):  # noqa: N818 - not a fault of the definition
    """A definition has what no rule tells the meaning of."""


@dataclass(frozen=True)
class Value:
    """What an expression comes to, and of which kind that is."""

    tree: Term
    kind: str


def compared(left: Value, right: Value, arms: tuple[Term, Term, Term]) -> Value:
    """Return one of three truth values: where left is less, equal, greater; null where a side is."""
    left, right = _alike(left, right)
    if left.kind == "text" or not (is_linear(left.kind) and is_linear(right.kind)):
        return Value(lift(lambda a, b: gap(a, b, arms), left.tree, right.tree), "bool")
    apart = plus(left.tree, scaled(right.tree, Fraction(-1)))
    return Value(choose(apart, [(Fraction(0), 0), (Fraction(0), 1)], arms), "bool")


def _alike(left: Value, right: Value) -> tuple[Value, Value]:
    """Read a text beside a time as a time, and truth values as numbers."""
    for one, other in ((left, right), (right, left)):
        if one.kind in TIMES and other.tree.op == "text":
            read = _moment(other.tree.args[0], one.kind)
            return (one, read) if one is left else (read, one)
    if "bool" in {left.kind, right.kind}:
        left, right = (Value(lift(number, v.tree), "int") if v.kind == "bool" else v for v in (left, right))
    if left.kind == OTHER and is_number(right.kind) and right.tree.op == "num":
        left = Value(left.tree, "double")
    if right.kind == OTHER and is_number(left.kind) and left.tree.op == "num":
        right = Value(right.tree, "double")
    return left, right


COMPARISONS: dict[type[exp.Expr], tuple[Term, Term, Term]] = {
    exp.EQ: (FALSE, TRUE, FALSE),
    exp.NEQ: (TRUE, FALSE, TRUE),
    exp.LT: (TRUE, FALSE, FALSE),
    exp.LTE: (TRUE, TRUE, FALSE),
    exp.GT: (FALSE, FALSE, TRUE),
    exp.GTE: (FALSE, TRUE, TRUE),
}


def same_value(left: Value, right: Value) -> Term:
    """Return IS NOT DISTINCT FROM: equal, or both null."""
    equal = compared(left, right, COMPARISONS[exp.EQ]).tree
    return either(holds(equal), both(is_null(left.tree), is_null(right.tree)))


def common_kind(values: Sequence[Value]) -> str:
    """Return the kind of one of several values, whichever it is."""
    kinds = {value.kind for value in values if value.tree != NULL}
    if len(kinds) <= 1:
        return kinds.pop() if kinds else OTHER
    if all(map(is_number, kinds)):
        places = [digits(kind) for kind in kinds]
        return "double" if None in places else exact(max(each or 0 for each in places))
    return "time" if kinds <= {"date", "time"} else OTHER


def literal(written: str, *, is_text: bool) -> Value:
    """Return a number or text that is written out."""
    if is_text:
        return Value(text(written), "text")
    kind = "double" if "e" in written.lower() else exact(len(written.partition(".")[2]))
    return Value(num(Fraction(Decimal(written.replace("_", "")))), kind)


def interval(node: exp.Expr) -> Value:
    """Return a length of time; of months, which have no length, nothing is understood."""
    unit = node.args["unit"].name.lower().removesuffix("s") if node.args.get("unit") else ""
    if unit not in UNITS or not isinstance(node.this, exp.Literal):
        msg = f"an interval such as {node.sql('duckdb')}"
        raise NotUnderstood(msg)
    return Value(num(Fraction(Decimal(node.this.this)) * UNITS[unit]), "interval")


def added(left: Value, right: Value, sign: int) -> Value:  # noqa: PLR0911 - one for each pair of kinds
    """Return a sum or difference, of numbers or times."""
    kinds = (left.kind, right.kind)
    if all(map(is_number, kinds)):
        places = [digits(kind) for kind in kinds]
        kind = "double" if None in places else exact(max(each or 0 for each in places))
        return Value(plus(left.tree, scaled(right.tree, Fraction(sign))), kind)
    if left.kind == "date" and right.kind == "int":
        return Value(plus(left.tree, scaled(right.tree, Fraction(sign * DAY))), "date")
    if kinds == ("date", "date") and sign < 0:
        return Value(scaled(plus(left.tree, scaled(right.tree, Fraction(-1))), Fraction(1, DAY)), "int")
    if left.kind in TIMES | {"interval"} and right.kind == "interval":
        kind = "time" if left.kind == "date" else left.kind
        return Value(plus(left.tree, scaled(right.tree, Fraction(sign))), kind)
    if left.kind == "interval" and right.kind in TIMES and sign > 0:
        return added(right, left, sign)
    if left.kind in TIMES and right.kind in TIMES and sign < 0:
        return Value(plus(left.tree, scaled(right.tree, Fraction(-1))), "interval")
    return called("add" if sign > 0 else "subtract", [left, right], OTHER)


def multiplied(left: Value, right: Value) -> Value:
    """Return a product of numbers."""
    if is_number(left.kind) and is_number(right.kind):
        places = [digits(each.kind) for each in (left, right)]
        kind = "double" if None in places else exact(sum(each or 0 for each in places))
        return Value(times(left.tree, right.tree), kind)
    if "interval" in {left.kind, right.kind} and any(is_number(v.kind) for v in (left, right)):
        return Value(times(left.tree, right.tree), "interval")
    return called("multiply", [left, right], OTHER)


def divided(left: Value, right: Value) -> Value:
    """Return a fraction of numbers."""
    if is_number(left.kind) and is_number(right.kind):
        return Value(over(left.tree, right.tree), "double")
    return called("divide", [left, right], OTHER)


def called(name: str, args: Sequence[Value], kind: str, told: Sequence[str] = ()) -> Value:
    """Return what a function of which nothing is known makes of its arguments, which may be null.

    Args:
        name: The function.
        args: Its arguments.
        kind: The kind of its values.
        told: What else it is told.

    Raises:
        NotUnderstood: It has another value each time.
    """
    if name.lower() in CHANGING:
        msg = f"{name}(), which has another value each time"
        raise NotUnderstood(msg)
    return Value(missing(Term("call", " ".join([name, *told]), *((arg.tree, arg.kind) for arg in args))), kind)


def strict(name: str, args: Sequence[Value], kind: str) -> Value:
    """Return what a function makes of its arguments that is null where one of them is, and nowhere else."""
    return Value(apply("fn", name, *(arg.tree for arg in args)), kind)


def joined(values: Sequence[Value], *, skip: bool) -> Value:
    """Return texts behind each other; null where one is, unless those are skipped."""
    trees = [coalesce(v.tree, text("")) if skip else v.tree for v in values]
    if any(v.kind != "text" for v in values):
        return called("concat" if skip else "||", values, "text")

    def piece(*leaves: Term) -> Term:
        if NULL in leaves:
            return NULL
        pieces: list[Term] = []
        for leaf in leaves:
            for part in leaf.args[1] if leaf.op == "fn" and leaf.args[0] == "concat" else (leaf,):
                if pieces and pieces[-1].op == part.op == "text":
                    pieces[-1] = text(pieces[-1].args[0] + part.args[0])
                else:
                    pieces.append(part)
        pieces = [part for part in pieces if part != text("")]
        return Term("fn", "concat", tuple(pieces)) if len(pieces) > 1 else pieces[0] if pieces else text("")

    return Value(lift(piece, *trees), "text")


def prefixed(value: Value, prefix: str) -> Value:
    """Return whether a text begins with another: all such texts lie beside each other in order."""
    if not prefix:
        return Value(lift(lambda leaf: NULL if leaf == NULL else TRUE, value.tree), "bool")
    cuts = [(prefix, 0), (prefix + LAST_CHARACTER, 0)]
    return Value(choose(value.tree, cuts, [FALSE, TRUE, FALSE]), "bool")


def like(value: Value, pattern: Value) -> Value:
    """Return LIKE."""
    if value.kind != "text" or pattern.tree.op != "text":
        return called("like", [value, pattern], "bool")
    written: str = pattern.tree.args[0]
    plain = not set(written) & {"%", "_", "\\"}
    if plain:
        return compared(value, pattern, COMPARISONS[exp.EQ])
    prefix = written.removesuffix("%")
    if written.endswith("%") and not set(prefix) & {"%", "_", "\\"}:
        return prefixed(value, prefix)
    return strict("like", [value, pattern], "bool")


def cast(value: Value, type_name: str) -> Value:  # noqa: PLR0911 - one for each pair of kinds
    """Return a CAST: nothing, where the value stays what it is."""
    kind = kind_of(type_name)
    source = value.kind
    if value.tree.op == "text" and kind in TIMES:
        return _moment(value.tree.args[0], kind)
    if source == kind or value.tree == NULL:
        return Value(value.tree, kind)
    if source == "bool" and is_number(kind):
        return Value(lift(number, value.tree), kind)
    if kind == "double" and is_number(source):
        return Value(value.tree, kind)
    if kind.startswith("decimal") and (places := digits(source)) is not None and places <= (digits(kind) or 0):
        return Value(value.tree, kind)
    if kind == "int" and is_number(source):
        return strict(f"round 0 to int from {_exactness(source)}", [value], "int")
    if kind == "date" and source in {"time", "zoned"}:
        return truncated("day", value, "date")
    if kind in {"time", "zoned"} and source in TIMES:
        return Value(value.tree, kind)
    if kind == "text" and source in {"int", "date"}:
        return strict(f"text of {source}", [value], "text")
    return called(f"cast to {type_name.lower()} from {source}", [value], kind)


def _exactness(kind: str) -> str:
    """Return what decides how a half is rounded."""
    return "double" if digits(kind) is None else "decimal"


def _moment(written: str, kind: str) -> Value:
    if written == DS:
        return Value(TODAY, kind)
    at = microseconds(written)
    if at is None:
        msg = f"{written!r} as a {kind}"
        raise NotUnderstood(msg)
    return Value(num(at // DAY * DAY if kind == "date" else at), kind)


def truncated(unit: str, value: Value, kind: str | None = None) -> Value:
    """Return the begin of the day, hour, month in which a time lies."""
    unit = unit.lower().removesuffix("s")
    kind = kind or value.kind
    if value.kind == "date" and unit in {"day", "hour", "minute", "second"}:
        return Value(value.tree, kind)
    if value.kind not in TIMES:
        return called(f"trunc {unit}", [value], OTHER)

    def cut(leaf: Term) -> Term:
        if leaf == NULL:
            return NULL
        if leaf == TODAY and unit == "day":
            return leaf
        if leaf.op == "num" and unit in UNITS and unit != "week":
            return num(leaf.args[0] // UNITS[unit] * UNITS[unit])
        if leaf.op == "fn" and leaf.args[0] == f"trunc {unit}":
            return leaf
        return Term("fn", f"trunc {unit}", leaf)

    return Value(lift(cut, value.tree), kind)


def part(name: str, value: Value) -> Value:
    """Return a part of a time, such as its hour."""
    name = name.lower()
    name = {"dow": "dayofweek", "weekday": "dayofweek", "dayofmonth": "day", "dayofyear": "doy"}.get(name, name)
    name = {"weekofyear": "week"}.get(name, name)
    if value.kind not in TIMES:
        return called(f"part {name}", [value], "double")
    if name == "epoch":
        return Value(scaled(value.tree, Fraction(1, 1_000_000)), "double")
    if name == "dayofweek":
        iso = strict("isodow", [value], "int")
        return Value(choose(iso.tree, [(Fraction(7), 0)], [iso.tree, ZERO]), "int")
    return strict(name, [value], "int")


def in_zone(zone: str, value: Value) -> Value:
    """Return AT TIME ZONE; the session is in UTC."""
    if value.kind not in {"time", "zoned"}:
        return called(f"zone {zone}", [value], OTHER)
    kind = "time" if value.kind == "zoned" else "zoned"
    return Value(value.tree, kind) if zone.upper() == "UTC" else strict(f"zone {zone} {kind}", [value], kind)


def extreme(values: Sequence[Value], *, greatest: bool) -> Value:
    """Return GREATEST or LEAST, which pass over nulls."""
    found = values[0]
    for value in values[1:]:
        greater = compared(found, value, COMPARISONS[exp.GT if greatest else exp.LT]).tree
        either_one = if_else(greater, found.tree, value.tree)
        tree = if_else(is_null(found.tree), value.tree, if_else(is_null(value.tree), found.tree, either_one))
        found = Value(tree, common_kind([found, value]))
    return found


def rounded(name: str, value: Value, places: Value | None) -> Value:
    """Return a rounded number: itself, where it is whole."""
    if value.kind == "int" and (places is None or places.tree == ZERO):
        return value
    if not is_number(value.kind) or (places and places.tree.op != "num"):
        return called(name, [value, *([places] if places else [])], value.kind)
    how = places.tree.args[0] if places else 0
    return strict(f"{name} {how} from {_exactness(value.kind)}", [value], value.kind)


def absolute(value: Value) -> Value:
    """Return ABS."""
    if not is_linear(value.kind):
        return called("abs", [value], value.kind)
    return Value(choose(value.tree, [(Fraction(0), 0)], [scaled(value.tree, Fraction(-1)), value.tree]), value.kind)


def condition(values: Sequence[Value], join: Callable[..., Term]) -> Value:
    """Return AND or OR."""
    return Value(join(*(v.tree for v in values)), "bool")


def one_of(value: Value, options: Sequence[Value]) -> Value:
    """Return IN a list."""
    return Value(either(*(compared(value, option, COMPARISONS[exp.EQ]).tree for option in options)), "bool")


def _again(_: Term, name: str, *args: Any) -> Term:
    if name == "concat":
        return joined([Value(piece, "text") for piece in args[0]], skip=False).tree
    return apply("fn", name, *args)


REBUILD["fn"] = _again
