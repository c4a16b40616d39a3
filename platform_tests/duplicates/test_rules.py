"""A normal form has the value that the expression has: both are run over random rows, one here, one in DuckDB."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from fractions import Fraction
from math import nan
from random import Random
from typing import Any

import duckdb
import pytest

from lakeproof.meaning.definition import Promise, Promised, Reading, parsed
from lakeproof.meaning.statement import Reader
from lakeproof.meaning.term import DAY, Term
from lakeproof.meaning.tree import STEPS

DAY_MADE = date(2024, 3, 10)
TYPES = {"d": "date", "k": "varchar", "i": "bigint", "j": "bigint", "t": "varchar", "b": "boolean", "c": "boolean"}
NULLABLE = {"j", "t", "c"}
ROWS = 60

TABLES = {
    "made.rows": Promised(
        {name: Promise(kind, name in NULLABLE) for name, kind in TYPES.items()}, partition="d", key=("i",)
    )
}


def rows(random: Random) -> list[tuple[Any, ...]]:
    """Return rows of one day, in few groups and with many ties."""
    made = []
    for at in range(ROWS):
        value = {"d": DAY_MADE, "k": random.choice("xyz"), "i": at - 20, "j": random.randint(-3, 3)}
        value |= {"t": random.choice(["", "a", "ab", "b"]), "b": random.random() < 0.5, "c": random.random() < 0.5}
        made.append(tuple(None if name in NULLABLE and random.random() < 0.3 else value[name] for name in TYPES))
    return made


def number(random: Random, depth: int) -> str:
    """Return a random number in SQL."""
    if depth == 0:
        return random.choice(["i", "j", "0", "1", "2", "-1", "0.5"])
    one, other, asked = number(random, depth - 1), number(random, depth - 1), condition(random, depth - 1)
    forms = [
        f"({one} + {other})",
        f"({one} - {other})",
        f"({one} * {random.choice(['2', '-1', '0.5', 'j'])})",
        f"({one} / {random.choice(['2', '4', '-1'])})",
        f"-({one})",
        f"abs({one})",
        f"greatest({one}, {other})",
        f"least({one}, {other})",
        f"coalesce({one}, {other})",
        f"nullif({one}, {other})",
        f"(case when {asked} then {one} else {other} end)",
        f"(case when {asked} then {one} end)",
        f"if({asked}, {one}, {other})",
        f"(case j when 1 then {one} when 2 then {other} end)",
        f"({asked})::int",
    ]
    return random.choice(forms)


def condition(random: Random, depth: int) -> str:
    """Return a random condition in SQL."""
    if depth == 0:
        low, high = random.randint(-3, 3), random.randint(-3, 3)
        of_text = random.choice(
            ["t = 'a'", "t in ('a', 'b')", "t like 'a%'", "t <> 'b'", "t < 'b'", "starts_with(t, 'a')"]
        )
        of_null = random.choice(["c is null", "j is not null", "c is true", "c is not false", "t is distinct from 'a'"])
        return random.choice(["b", "c", f"j > {low}", f"i <= {high}", f"j between {low} and {high}", of_text, of_null])
    one, other = condition(random, depth - 1), condition(random, depth - 1)
    left, right = number(random, depth - 1), number(random, depth - 1)
    sign = random.choice(["<", "<=", "=", "<>", ">", ">=", "is distinct from", "is not distinct from"])
    forms = [f"(({one}) and ({other}))", f"(({one}) or ({other}))", f"not ({one})", f"({left} {sign} {right})"]
    return random.choice([*forms, f"(({one}) = ({other}))", f"coalesce({one}, {other})", f"{left} in (1, 2, {right})"])


def measure(random: Random) -> str:
    """Return a random metric in SQL."""
    of, asked = number(random, 2), condition(random, 1)
    kept = random.choice(["", f" filter (where {condition(random, 1)})"])
    simple = [
        *(f"{name}({of}){kept}" for name in ("sum", "avg", "min", "max", "count")),
        f"median(({of})::double){kept}",
        f"count(*){kept}",
        f"count_if({asked}){kept}",
        f"count(distinct {of}){kept}",
        f"bool_or({asked}){kept}",
        f"bool_and({asked}){kept}",
        f"quantile_cont(({of})::double, 0.25){kept}",
    ]
    one, other = random.choice(simple[:8]), random.choice(simple[:8])
    return random.choice(
        [
            *simple,
            f"{one} + {other}",
            f"{one} - {other}",
            f"coalesce({one}, 0)",
            f"{one} / nullif({other}, 0)",
            f"2 * {one}",
        ]
    )


Row = dict[str, Any]


def run(term: Term, row: Row, group: list[Row]) -> Any:  # noqa: C901, PLR0911 - one for each sort of term
    """Return the value of a term on a row of a group; of what has no rule of its own, an error."""
    match term:
        case Term(op="num" | "text", args=(value,)):
            return value
        case Term(op="true" | "false" | "null"):
            return {"true": True, "false": False, "null": None}[term.op]
        case Term(op="today"):
            return Fraction((DAY_MADE - date(1970, 1, 1)).days * DAY)
        case Term(op="col", args=(_, name, *_)):
            return row[name]
        case Term(op="missing", args=(of,)):
            return int(run(of, row, group) is None)
        case Term(op="sum", args=(factors,)):
            return sum(factor * product([run(a, row, group) ** p for a, p in monomial]) for monomial, factor in factors)
        case Term(op="ratio", args=(above, below)):
            below = run(below, row, group)
            return run(above, row, group) / below if below else nan  # asked before it is known that there are rows
        case Term(op="split", args=(var, cuts, arms)):
            value = run(var, row, group)
            return run(arms[sum((value > at) if after else (value >= at) for at, after in cuts)], row, group)
        case Term(op="total", args=("group", of)):
            return sum(run(of, each, group) for each in group)
        case Term(op="distinct", args=("group", of)):
            return len({run(of, each, group) for each in group} - {None})
        case Term(op="agg", args=(name, "group", of, more)):
            values = sorted(value for each in group if (value := run(of, each, group)) is not None)
            return aggregate(name, values, [each.args[0] for each in more])
    raise AssertionError(term)


def product(values: list[Any]) -> Any:
    """Return the product of numbers."""
    made = Fraction(1)
    for value in values:
        made *= value
    return made


def aggregate(name: str, values: list[Any], more: list[Any]) -> Any:
    """Return an aggregate of values in order; None of none, for then whoever asks has asked before."""
    if not values:
        return None
    if name.split(maxsplit=1)[0] in {"min", "max"}:
        return values[0 if name.startswith("min") else -1]
    assert name == "quantile_cont"
    place = more[0] * (len(values) - 1)
    low = int(place)
    return values[low] + (place - low) * (values[min(low + 1, len(values) - 1)] - values[low])


def stored(value: Any) -> Any:
    """Return a value as terms have it."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return Fraction((value - date(1970, 1, 1)) // timedelta(microseconds=1))
    return Fraction(value) if isinstance(value, int) and not isinstance(value, bool) else value


def near(value: Any, other: Any) -> bool:
    """Whether two values are equal, numbers up to what doubles leave of them."""
    if value is None or other is None or isinstance(value, str):
        return bool(value == other)
    return abs(float(value) - float(other)) <= 1e-9 * max(1.0, abs(float(value)))


@pytest.fixture(scope="module", params=range(3))
def world(request: pytest.FixtureRequest) -> tuple[Random, duckdb.DuckDBPyConnection, list[Row]]:
    """Return random rows, in DuckDB and here."""
    random = Random(request.param)
    made = rows(random)
    duck = duckdb.connect(config={"threads": 1})
    duck.execute(f"create table rows ({', '.join(f'{name} {kind}' for name, kind in TYPES.items())})")
    duck.executemany(f"insert into rows values ({', '.join('?' * len(TYPES))})", made)
    named = [dict(zip(TYPES, map(stored, row), strict=True)) for row in made]
    # A truth value is read as a decision: 1 or 0.
    return random, duck, [{n: int(v) if isinstance(v, bool) else v for n, v in row.items()} for row in named]


@pytest.mark.parametrize("kind", ["number", "condition"])
def test_a_normal_form_has_the_value_of_its_expression(world: Any, kind: str) -> None:
    """Row by row, whatever is null."""
    random, duck, made = world
    reader = Reader(TABLES, {"rows": Reading("made.rows", 1)})
    reader.frame.enter("rows", reader.table(Reading("made.rows", 1)))

    for _ in range(150):
        STEPS.set(0)
        sql = (number if kind == "number" else condition)(random, 3)
        form = reader.read(parsed(sql)).tree
        expected = duck.sql(f"select {sql} from rows order by i").fetchall()
        for row, (value,) in zip(made, expected, strict=True):
            assert near(run(form, row, []), value), f"{sql} of {row}: {form}"


def test_a_metric_has_the_value_of_its_aggregate(world: Any) -> None:
    """Group by group, whatever a filter leaves."""
    random, duck, made = world

    for _ in range(200):
        STEPS.set(0)
        sql = measure(random)
        reader = Reader(TABLES, {"rows": Reading("made.rows", 1)})
        form = reader.metric(parsed(sql), ("k",)).outputs["value"].tree
        for group, value in duck.sql(f"select k, {sql} from rows group by k").fetchall():
            in_group = [row for row in made if row["k"] == group]
            assert near(run(form, in_group[0], in_group), value), f"{sql} of {group}: {form}"
