"""The labels hold: both sides of every pair are run over random rows of the declared tables."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import permutations, product
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlglot
import yaml
from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
FILE = HERE / "pairs.yaml"
LABELS = {"same", "near", "different"}
CHANGES = {"filter", "window", "grain", "scale", "nulls", "rounding", "column"}
FEWEST = {"same": 70, "near": 50, "different": 50}

FIRST, DAYS = date(2024, 2, 9), 45
BUSY = [date(2024, 3, 9), date(2024, 3, 10), date(2024, 3, 11)]
"""Days with half of all rows: New York changes its clocks on the second, and 29 days come before the first."""

MAKES = [
    (BUSY[0], 400, 0.2, False),
    (BUSY[1], 60, 0.5, False),
    (BUSY[2], 900, 0.05, False),
    (BUSY[0], 250, 0.9, False),
    (BUSY[1], 300, 0.2, True),
    (BUSY[2], 12, 0.4, True),
    (date(2024, 3, 22), 150, 0.3, False),
]
"""The day that is run, the rows of each table, the share of nulls, and whether numbers are few, so that rows tie."""

FRACTIONS = {
    "int": [0],
    "long": [0],
    "double": [0.0, 0.0, 0.125, 0.5],
    "decimal(12, 2)": [Decimal(0), Decimal("0.37"), Decimal("0.5")],
}
DUCKDB_TYPES = {"string": "varchar", "long": "bigint", "int": "integer"}

CONTENT = yaml.load(FILE.read_text(), yaml.CSafeLoader)
TABLES: dict[str, dict[str, Any]] = CONTENT["tables"]
PAIRS: list[dict[str, Any]] = CONTENT["pairs"]

pairs = pytest.mark.parametrize("pair", [pytest.param(pair, id=pair["id"]) for pair in PAIRS])


def moment(random: Random, day: date) -> datetime:
    """Return a time on a day or near it, often one of few, so that two times are exactly half an hour apart."""
    half_hours = 1_800 * random.randrange(16, 22)
    seconds = [random.randrange(86_400), 3_600 * random.randrange(-5, 30), half_hours, half_hours + 1]
    return datetime.combine(day, time()) + timedelta(seconds=random.choice(seconds))


def text(random: Random, examples: list[str]) -> str:
    """Return an example, or now and then what only resembles it."""
    known = random.choice(examples)
    return known if random.random() < 0.85 else random.choice([known.upper(), known.lower(), f"{known}x", ""])


def number(random: Random, column: dict[str, Any], fractions: list[Any], *, ties: bool) -> Any:
    """Return a number, now and then an example or the one beside it; with `ties` one of few."""
    examples = column.get("examples", [])
    if ties and examples:
        return random.choice([*examples, column["about"][1]]) + fractions[0]
    if examples and random.random() < 0.4:
        return random.choice(examples) + random.choice([0, 0, 0, 1, -1]) + random.choice(fractions)
    return random.randint(*column["about"]) + random.choice(fractions)


def made(random: Random, column: dict[str, Any], day: date, *, ties: bool) -> Any:
    """Return a value of a column that is not null, for a row of a day."""
    match column["type"]:
        case "string":
            return text(random, column["examples"])
        case "boolean":
            return random.random() < 0.4
        case "date":
            return FIRST + timedelta(random.randrange(DAYS))
        case "timestamp":
            return moment(random, day)
        case "timestamptz":
            return moment(random, day).replace(tzinfo=UTC)
        case kind:
            return number(random, column, FRACTIONS[kind], ties=ties)


def rows(random: Random, table: dict[str, Any], count: int, nulls: float, *, ties: bool) -> list[tuple[Any, ...]]:
    """Return random rows that keep what the table promises: nothing else is true of them."""
    columns, kept = table["columns"], {}
    for number_of_row in range(count):
        day = random.choice(BUSY) if random.random() < 0.5 else FIRST + timedelta(random.randrange(DAYS))
        row = {
            name: None if column.get("nullable") and random.random() < nulls else made(random, column, day, ties=ties)
            for name, column in columns.items()
        }
        if "partition" in table:
            row[table["partition"]] = day
        kept[tuple(row[name] for name in table.get("key", ())) or number_of_row] = tuple(row.values())
    return list(kept.values())


@dataclass(frozen=True)
class World:
    """One random content of all declared tables."""

    duck: duckdb.DuckDBPyConnection
    day: date
    seen: dict[str, tuple[list[str], list[tuple[Any, ...]]]] = field(default_factory=dict)

    @classmethod
    def of(cls, seed: int) -> World:
        """Make the content of a seed."""
        duck = duckdb.connect(config={"threads": 1})
        duck.execute("set timezone = 'UTC'")
        day, count, nulls, ties = MAKES[seed]
        for name, table in TABLES.items():
            duck.execute(f"create schema if not exists {name.partition('.')[0]}")
            if view := table.get("as"):
                duck.execute(f"create view {name} as {view}")
                continue
            types = {column: DUCKDB_TYPES.get(of["type"], of["type"]) for column, of in table["columns"].items()}
            duck.execute(f"create table {name} ({', '.join(f'{column} {kind}' for column, kind in types.items())})")
            columns = zip(*rows(Random(f"{seed} {name}"), table, count, nulls, ties=ties), strict=True)
            lists = ", ".join(f"unnest(?::{kind}[])" for kind in types.values())
            duck.execute(f"insert into {name} select {lists}", list(map(list, columns)))
        return cls(duck, day)

    def table(self, side: dict[str, Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the columns and rows of a table definition for the day."""
        inputs = ", ".join(f"{name} as ({read(source, self.day)})" for name, source in side["inputs"].items())
        return self.run(f"with {inputs} select * from ({side['sql'].replace('{{ ds }}', str(self.day))})")

    def metric(self, side: dict[str, Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the columns and rows of a metric for the day: its grain and its value."""
        alias = side["table"].partition(".")[2]
        source = side["table"] + ("" if side["window"] == "day" else f".{side['window']}")
        measured = ", ".join([*side["grain"], f"({side['sql']})"])
        grouped = ", ".join(side["grain"]) or "()"
        statement = (
            f"select {measured} from ({read(source, self.day)}) as {alias} group by {grouped} having count(*) > 0"
        )
        return self.run(statement)

    def run(self, statement: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return the columns and rows of a statement, with values that compare."""
        if statement not in self.seen:
            result = self.duck.execute(statement)
            names = [column[0] for column in result.description]
            self.seen[statement] = names, [tuple(map(comparable, row)) for row in result.fetchall()]
        return self.seen[statement]


def read(source: str, day: date) -> str:
    """Return the SELECT of what an input stands for on a day."""
    name, days = re.fullmatch(r"([a-z]+\.[a-z_]+)(?:\.last\(days=(\d+)\)|\.latest\(\))?", source).groups()
    if source.endswith(".latest()"):
        assert "partition" not in TABLES[name], f"{name} has days"
        return f"select * from {name}"
    start = day - timedelta(int(days or 1) - 1)
    return f"select * from {name} where {TABLES[name]['partition']} between date '{start}' and date '{day}'"


def comparable(value: Any) -> Any:
    """Return what stands for a value: numbers to 9 significant digits and not below 1e-9, a day as its midnight."""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        rounded = float(f"{value:.9g}") if abs(value) >= 1e-9 else 0.0
        return "nan" if math.isnan(value) else rounded
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time())
    return value


def alike(pair: dict[str, Any], worlds: list[World]) -> bool:
    """Whether one matching of columns to columns makes both sides equal in every world."""
    matchings = None
    for world in worlds:
        run = getattr(world, pair["kind"])
        (names, left), (other_names, right) = run(pair["left"]), run(pair["right"])
        if len(names) != len(other_names) or len(left) != len(right):
            return False
        wanted = Counter(left)
        matchings = [
            matching
            for matching in matchings or permutations(range(len(names)))
            if Counter(tuple(row[place] for place in matching) for row in right) == wanted
        ]
        if not matchings:
            return False
    return True


def sides(pair: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the two definitions of a pair."""
    yield pair["left"]
    yield pair["right"]


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    """Return the random contents."""
    return [World.of(seed) for seed in range(len(MAKES))]


@pairs
def test_the_label_is_true(pair: dict[str, Any], worlds: list[World]) -> None:
    """Same definitions give equal rows everywhere, near and different ones somewhere do not."""
    assert alike(pair, worlds) == (pair["label"] == "same")


@pairs
def test_a_pair_is_written_as_the_rules_say(pair: dict[str, Any]) -> None:
    """A record has its fields, parses, and names no input but those it declares; a near one says what differs."""
    near = {"change", "difference"} if pair["label"] == "near" else set()
    assert pair.keys() == {"id", "kind", "label", "why", "left", "right"} | near
    assert pair["label"] in LABELS
    assert not near or pair["change"] in CHANGES
    assert all(pair[said].endswith(".") for said in ("why", *near - {"change"}))
    for side in sides(pair):
        if pair["kind"] == "metric":
            assert side.keys() == {"name", "table", "sql", "grain", "window", "unit"}
            columns = TABLES[side["table"]]["columns"].keys()
            measure = sqlglot.parse_one(side["sql"], dialect="duckdb")
            assert side["window"] == "day" or re.fullmatch(r"last\(days=\d+\)", side["window"])
            assert {*side["grain"], *(column.name.lower() for column in measure.find_all(exp.Column))} <= columns
        else:
            assert side.keys() == {"name", "inputs", "key", "partition", "sql"}
            statement = sqlglot.parse_one(side["sql"], dialect="duckdb")
            within = {cte.alias for cte in statement.find_all(exp.CTE)}
            assert {table.name for table in statement.find_all(exp.Table)} - within == side["inputs"].keys()


@pytest.mark.parametrize("pair", [pytest.param(pair, id=pair["id"]) for pair in PAIRS if pair["kind"] == "table"])
def test_a_declared_key_identifies_a_row(pair: dict[str, Any], worlds: list[World]) -> None:
    """The key and the partition are columns of the result, and no two rows have one key."""
    for side, world in product(sides(pair), worlds):
        names, result = world.table(side)
        assert {*side["key"], *filter(None, [side["partition"]])} <= set(names)
        keys = [tuple(row[names.index(column)] for column in side["key"]) for row in result]
        assert not side["key"] or len(set(keys)) == len(keys)


def test_there_are_pairs_enough_and_each_once() -> None:
    """Ids are unique, no pair is there twice, and each label has its share."""
    assert len({pair["id"] for pair in PAIRS}) == len(PAIRS) >= 180
    assert len({repr((pair["left"], pair["right"])) for pair in PAIRS}) == len(PAIRS)
    counted = Counter(pair["label"] for pair in PAIRS)
    assert all(counted[label] >= fewest for label, fewest in FEWEST.items()), counted
    assert {pair["change"] for pair in PAIRS if pair["label"] == "near"} == CHANGES


def test_the_random_rows_keep_the_promises(worlds: list[World]) -> None:
    """No key comes twice on a day, and what may be null is null somewhere."""
    for name, table in TABLES.items():
        missing = dict.fromkeys(table["columns"], 0.0)
        for world in worlds:
            key = ", ".join(table.get("key", ())) or "null"
            counts = ", ".join(f"count(*) - count({column})" for column in missing)
            _, [(total, different, *nulls)] = world.run(
                f"select count(*), count(distinct ({key})), {counts} from {name}"
            )
            assert total == different or "key" not in table
            missing = {column: missing[column] + more for column, more in zip(missing, nulls, strict=True)}
        nullable = {column for column, of in table["columns"].items() if of.get("nullable")}
        assert {column for column, count in missing.items() if count} == nullable, name


def test_the_pairs_are_those_that_were_frozen() -> None:
    """The digest is the one in README.md: rules are fitted to the pairs, never pairs to the rules."""
    assert f"`{sha256(FILE.read_bytes()).hexdigest()}`" in (HERE / "README.md").read_text()
