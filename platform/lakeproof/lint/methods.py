"""What a method gives, and whether it takes rows in an order that nothing asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lakeproof.lint import rules
from lakeproof.lint.finding import Found
from lakeproof.lint.python import writes
from lakeproof.lint.values import LEAVES, MIXES, ORDERS, PLACES, UNKNOWN, Value, is_zero, joined, keyword

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Sequence

FRAGMENTS = {
    "project": "SELECT {} FROM _",
    "select": "SELECT {} FROM _",
    "aggregate": "SELECT {} FROM _",
    "filter": "SELECT * FROM _ WHERE {}",
    "order": "SELECT * FROM _ ORDER BY {}",
}
"""Methods of a relation that take a part of a statement, and the statement."""

TAKES = frozenset({"limit", "first", "last", "any_value", "arg_min", "arg_max", "fetchone", "fetchmany"})
"""Methods of a relation whose result depends on which rows come first."""

PATH_READS = frozenset({"read_text", "read_bytes", "iterdir", "glob", "rglob", "walk"})


class LooksAtSql(Protocol):
    """Looks at SQL, and returns whether its rows come in an order."""

    def __call__(self, given: Sequence[ast.expr], known: str = "", within: str = "{}") -> bool:
        """Look at the first of some arguments."""


class Methods:
    """Tells what methods give.

    Args:
        tell: Is told what is found.
        sql: Looks at SQL.
    """

    def __init__(self, tell: Callable[..., None], sql: LooksAtSql) -> None:
        self._tell, self._sql = tell, sql
        self._of = {
            "frame": self._frame,
            "group": self._frame,
            "expr": self._expr,
            "namespace": self._namespace,
            "relation": self._relation,
            "connection": self._connection,
            "path": self._path,
        }

    def result(self, call: ast.Call, func: ast.Attribute, held: Value, given: Sequence[Value]) -> Value:
        """Return what a method gives.

        Args:
            call: The call.
            func: The method.
            held: What it is a method of.
            given: Its arguments.
        """
        if held.kind in self._of:
            return self._of[held.kind](call, func, held, given)
        if func.attr == "sql":
            self._sql(call.args[:1])
        return UNKNOWN

    def _frame(self, call: ast.Call, func: ast.Attribute, held: Value, given: Sequence[Value]) -> Value:
        name = func.attr
        if not held.ordered:
            self._tell(*joined(given).pending)
        if name == "sql":
            return Value("frame", self._sql(call.args[:1], "self"))
        self._tell(*_places(call, func, held), *_unique(call, func, held))
        if name in LEAVES:
            return UNKNOWN
        if name == "group_by":
            return Value("group", held.ordered)
        if name in ORDERS:
            return Value("group" if name in {"group_by_dynamic", "rolling"} else "frame")
        mixes = name in MIXES or (held.kind == "group" and name not in {"head", "tail"})
        kept = keyword(call, "maintain_order") not in {None, False, "none"}
        return Value("frame", held.ordered and (not mixes or kept))

    def _expr(self, call: ast.Call, func: ast.Attribute, held: Value, given: Sequence[Value]) -> Value:
        places = _places(call, func, held)
        chance = tuple(one for one in places if one.remedy == rules.USE_SEED)
        self._tell(*chance)
        pending = (*joined([held, *given]).pending, *(one for one in places if one not in chance))
        if func.attr == "over" and keyword(call, "order_by") is not None:
            pending = ()
        return Value("expr", held.ordered or func.attr in ORDERS, pending)

    def _namespace(self, call: ast.Call, func: ast.Attribute, held: Value, given: Sequence[Value]) -> Value:
        del call, func
        return Value("expr", held.ordered, joined([held, *given]).pending)

    def _relation(self, call: ast.Call, func: ast.Attribute, held: Value, given: Sequence[Value]) -> Value:
        del given
        name = func.attr
        if name == "query":
            known = getattr(call.args[0], "value", "") if call.args else ""
            return Value("relation", self._sql(call.args[1:2], str(known)))
        if name in FRAGMENTS:
            self._sql(call.args[:1], "_", FRAGMENTS[name])
        if name in TAKES and not held.ordered and not is_zero(call):
            self._tell(_any_order(func))
        if name == "pl":
            return Value("frame", held.ordered)
        return Value("relation", name in ORDERS or (held.ordered and name not in MIXES))

    def _connection(self, call: ast.Call, func: ast.Attribute, held: Value, given: Sequence[Value]) -> Value:
        del given
        name = func.attr
        if name in {"sql", "query", "execute"}:
            return Value("relation", self._sql(call.args[:1]))
        if name.startswith(("read_", "from_parquet", "from_csv")):
            self._tell(_reads(func))
        return held if name in {"cursor", "register"} else Value("relation", ordered=False)

    def _path(self, call: ast.Call, func: ast.Attribute, held: Value, given: Sequence[Value]) -> Value:
        del given
        if func.attr in PATH_READS or (func.attr == "open" and not writes(call, 0)):
            self._tell(_reads(func))
        return UNKNOWN if func.attr in PATH_READS else held


def _places(call: ast.Call, func: ast.Attribute, held: Value) -> tuple[Found, ...]:
    """Return what is wrong with taking rows by their place, or by chance."""
    draws = func.attr in {"sample", "shuffle"}
    if draws and keyword(call, "seed") is None:
        return (Found(_line(func), f".{func.attr} is chance", rules.USE_SEED),)
    if (draws or func.attr in PLACES) and not held.ordered and not is_zero(call):
        return (_any_order(func),)
    return ()


def _unique(call: ast.Call, func: ast.Attribute, held: Value) -> tuple[Found, ...]:
    """Return what is wrong with keeping one of the rows that are alike in some columns; whole rows may be alike."""
    if func.attr != "unique" or not (call.args or keyword(call, "subset") is not None):
        return ()
    keep = keyword(call, "keep") or "any"
    if keep == "any":
        remedy = f"{rules.SORT_FIRST}, and keep='first'"
    elif keep in {"first", "last"} and not held.ordered:
        remedy = rules.SORT_FIRST
    else:
        return ()
    return (Found(_line(func), f".unique keeps any of several rows (keep={keep!r})", remedy),)


def _any_order(func: ast.Attribute) -> Found:
    return Found(_line(func), f".{func.attr} takes rows in any order", rules.SORT_FIRST)


def _reads(func: ast.Attribute) -> Found:
    return Found(_line(func), f".{func.attr} reads what is no input", rules.USE_INPUT)


def _line(func: ast.Attribute) -> int:
    return func.end_lineno or func.lineno
