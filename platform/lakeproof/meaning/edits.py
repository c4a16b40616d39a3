"""What one change makes of a definition: two are near of which one change makes one mean what the other means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from sqlglot import exp

from lakeproof.meaning import value as v
from lakeproof.meaning.aggregates import aggregates_in
from lakeproof.meaning.definition import Definition, parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lakeproof.meaning.beside import Change

BOUNDS = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.Like, exp.StartsWith)
ROUNDED = (exp.Round, exp.Floor, exp.Ceil, exp.Trunc)


@dataclass(frozen=True)
class Edit:
    """One change of a definition.

    Args:
        change: Of which sort it is.
        made: What it makes of the definition.
        words: What the definition has and the edited one has not; `{this}` and `{other}` name the two.
    """

    change: Change
    made: Definition
    words: str


@dataclass(frozen=True)
class _Spot:
    """A change of one place of a statement.

    Args:
        change: Of which sort it is.
        words: As of an edit.
        put: Makes of the place what is put there; None for nothing.
    """

    change: Change
    words: str
    put: Callable[[exp.Expr], exp.Expr | None]


def edits(one: Definition, other: Definition) -> Iterator[Edit]:
    """Yield what one change makes of a definition, as far as it could make it mean what another means."""
    tree, beside = parsed(one.sql), parsed(other.sql)
    yield from _windows(one, other)
    yield from _grain(one, other)
    for at, node in enumerate(tree.walk()):
        for spot in _spots(node, beside):
            copy = tree.copy()
            made = _changed(copy, next(each for place, each in enumerate(copy.walk()) if place == at), spot)
            yield Edit(spot.change, replace(one, sql=made.sql("duckdb").replace(v.DS, "{{ ds }}")), spot.words)


def _changed(tree: exp.Expr, place: exp.Expr, spot: _Spot) -> exp.Expr:
    new = spot.put(place)
    if new is None:
        place.pop()
        return tree
    if place is tree:
        return new
    place.replace(new)
    return tree


def _windows(one: Definition, other: Definition) -> Iterator[Edit]:
    for name, reading in one.inputs.items():
        days = {each.days for each in other.inputs.values() if each.table == reading.table or one.grain is not None}
        for new in days - {reading.days, None}:
            if reading.days is not None and new is not None:
                words = f"{{this}} looks at {_days(reading.days)} of {reading.table}, {{other}} at {_days(new)}"
                yield Edit("window", replace(one, inputs={**one.inputs, name: replace(reading, days=new)}), words)


def _days(days: int) -> str:
    return f"{days} days" if days > 1 else "one day"


def _grain(one: Definition, other: Definition) -> Iterator[Edit]:
    if one.grain is not None and other.grain is not None and set(other.grain) < set(one.grain):
        more = sorted(set(one.grain) - set(other.grain))
        yield Edit("grain", replace(one, grain=other.grain), f"{{this}} is split by {' and '.join(more)} too")


def _spots(node: exp.Expr, beside: exp.Expr) -> Iterator[_Spot]:
    """Yield what can be changed about a place."""
    yield from _conditions(node)
    yield from _rows(node)
    yield from _bounds(node, beside)
    yield from _values(node)
    yield from _frames(node, beside)
    if isinstance(node, exp.Select) and isinstance(beside, exp.Select) and len(node.expressions) > 1:
        for at in range(len(node.expressions)):
            yield from _fewer(node, at)


def _said(node: exp.Expr) -> str:
    return node.sql("duckdb").replace(v.DS, "{{ ds }}").replace("{", "{{").replace("}", "}}")


def _kind(*nodes: exp.Expr) -> Change:
    """Return the sort of a condition: one that counts days back from the logical day is a window."""
    return "window" if any(v.DS in node.sql() for node in nodes) else "filter"


def _part(node: exp.Expr, name: str = "this") -> exp.Expr | None:
    part = node.args[name]
    return part if isinstance(part, exp.Expr) else None


def _conditions(node: exp.Expr) -> Iterator[_Spot]:
    if isinstance(node, exp.And | exp.Or):
        more = "also asks for" if isinstance(node, exp.And) else "also takes"
        for keep, drop in (("this", node.expression), ("expression", node.this)):
            yield _Spot(_kind(drop), f"{{this}} {more} {_said(drop)}", partial(_part, name=keep))
    elif isinstance(node, exp.Where | exp.Having | exp.Qualify) and not isinstance(node.parent, exp.Filter):
        yield _Spot(_kind(node), f"{{this}} only takes {_said(node.this)}", lambda _: None)
    elif isinstance(node, exp.Filter):
        asked = node.expression.this if isinstance(node.expression, exp.Where) else node.expression
        yield _Spot("filter", f"{{this}} only takes {_said(asked)}", _part)
    elif isinstance(node, exp.In) and len(node.expressions) > 1:
        for at, each in enumerate(node.expressions):
            yield _Spot("filter", f"{{this}} also takes {_said(each)}", partial(_without, at=at))


def _without(node: exp.Expr, at: int) -> exp.Expr:
    node.set("expressions", [each for place, each in enumerate(node.expressions) if place != at])
    return node


def _rows(node: exp.Expr) -> Iterator[_Spot]:
    """Yield changes that leave out rows whose value is missing, has no match, or is in large letters."""
    if isinstance(node, exp.Count) and not isinstance(node.this, exp.Star | exp.Distinct):
        words = f"{{this}} only counts where {_said(node.this)} is there"
        yield _Spot("filter", words, lambda _: exp.Count(this=exp.Star(), big_int=True))
    elif isinstance(node, exp.NullSafeNEQ):
        put = partial(_binary, made=exp.NEQ)
        yield _Spot("filter", "{this} also takes missing values", put)
    elif isinstance(node, exp.Join) and node.side.upper() in {"LEFT", "FULL"}:
        for side in ("LEFT", "RIGHT", None) if node.side.upper() == "FULL" else (None,):
            yield _Spot("filter", "{this} also has rows that have no match", partial(_set, name="side", new=side))
    elif isinstance(node, exp.Lower | exp.Upper):
        yield _Spot("filter", "{this} takes small letters for large ones", _part)


def _binary(node: exp.Expr, made: type[exp.Expr]) -> exp.Expr:
    return made(this=node.this, expression=node.expression)


def _set(node: exp.Expr, name: str, new: object) -> exp.Expr:
    node.set(name, new)
    return node


def _bounds(node: exp.Expr, beside: exp.Expr) -> Iterator[_Spot]:
    """Yield the bounds that the other definition has for the same thing."""
    if not isinstance(node, BOUNDS):
        return
    for bound in beside.find_all(*BOUNDS):
        if bound != node and _about(bound) == _about(node) and _direction(bound) == _direction(node):
            words = f"{{this}} asks for {_said(node)}, {{other}} for {_said(bound)}"
            yield _Spot(_kind(node, bound), words, partial(_copied, new=bound))
    if isinstance(node, exp.Between):
        low, high = node.args["low"], node.args["high"]
        half = exp.and_(
            exp.GTE(this=node.this.copy(), expression=low.copy()), exp.LT(this=node.this.copy(), expression=high.copy())
        )
        yield _Spot("filter", f"{{this}} also takes {_said(high)} itself", partial(_copied, new=half))


def _copied(_: exp.Expr, new: exp.Expr) -> exp.Expr:
    return new.copy()


def _about(node: exp.Expr) -> set[str]:
    """Return what a bound is about, without the bound."""
    sides = (node.this, node.expression) if node.expression else (node.this,)
    return {side.sql() for side in sides if side.find(exp.Column)}


def _direction(node: exp.Expr) -> str:
    if isinstance(node, exp.GT | exp.GTE):
        return "above"
    if isinstance(node, exp.LT | exp.LTE):
        return "below"
    return "text" if isinstance(node, exp.Like | exp.StartsWith) else "between"


def _values(node: exp.Expr) -> Iterator[_Spot]:
    """Yield changes of what a value is: rounded, or a constant where it is missing."""
    if isinstance(node, exp.Coalesce) and len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Literal):
        yield _Spot("nulls", f"{{this}} has {_said(node.expressions[0])} where {{other}} has nothing", _part)
    elif isinstance(node, exp.Concat):
        yield _Spot("nulls", "{this} also has a text where a part is missing", _piped)
    elif isinstance(node, ROUNDED) or (isinstance(node, exp.Cast) and node.to.this in exp.DataType.INTEGER_TYPES):
        yield _Spot("rounding", f"{{this}} is rounded: {_said(node)}", _part)
    elif isinstance(node, exp.Case) and len(node.args["ifs"]) == 1 and not node.this:
        asked, other = node.args["ifs"][0].this, node.args.get("default")
        if other is None:
            yield _Spot("filter", f"{{this}} only takes {_said(asked)}", _then)
        elif isinstance(node.parent, exp.Avg | exp.Count):
            yield _Spot("filter", f"{{this}} also takes rows without {_said(asked)}", _no_else)
        else:
            yield _Spot("nulls", f"{{this}} has {_said(other)} where {{other}} has nothing", _no_else)


def _piped(node: exp.Expr) -> exp.Expr:
    first, *rest = node.expressions
    for each in rest:
        first = exp.DPipe(this=first, expression=each, safe=True)
    return exp.paren(first)


def _then(node: exp.Expr) -> exp.Expr | None:
    return _part(node.args["ifs"][0], "true")


_no_else = partial(_set, name="default", new=None)


def _frames(node: exp.Expr, beside: exp.Expr) -> Iterator[_Spot]:
    """Yield the frames and parts of time that the other definition has."""
    if isinstance(node, exp.WindowSpec):
        for spec in beside.find_all(exp.WindowSpec):
            if spec != node and spec.args.get("kind") == node.args.get("kind"):
                words = f"{{this}} looks at {_said(node)}, {{other}} at {_said(spec)}"
                yield _Spot("window", words, partial(_copied, new=spec))
    elif isinstance(node, exp.TimestampTrunc):
        unit = node.args["unit"].name
        for new in {each.args["unit"].name for each in beside.find_all(exp.TimestampTrunc)} - {unit}:
            words = f"{{this}} is by {unit.lower()}, {{other}} by {new.lower()}"
            yield _Spot("grain", words, partial(_set, name="unit", new=exp.var(new)))
        yield _Spot("grain", f"{{this}} is by {unit.lower()}, {{other}} by {_said(node.this)}", _part)


def _fewer(select: exp.Select, at: int) -> Iterator[_Spot]:
    """Yield the SELECT without a column; of a grouped one, not split by it either."""
    column, group = select.expressions[at], select.args.get("group")
    if group is None or aggregates_in(column):
        yield _Spot("column", f"{{this}} also tells {column.alias_or_name}", partial(_narrowed, at=at, keys=None))
        return
    names = {column.unalias().sql(), column.alias_or_name, str(at + 1)}
    keys = [key for key in group.expressions if key.sql() not in names]
    by_place = any(isinstance(key, exp.Literal) for key in keys)
    if group.args.get("all") or (keys and len(keys) < len(group.expressions) and not by_place):
        put = partial(_narrowed, at=at, keys=None if group.args.get("all") else keys)
        yield _Spot("grain", f"{{this}} is split by {column.alias_or_name} too", put)


def _narrowed(select: exp.Expr, at: int, keys: list[exp.Expr] | None) -> exp.Expr:
    if keys is not None:
        select.args["group"].set("expressions", [key.copy() for key in keys])
    return _without(select, at)
