"""What is compared: definitions, and what the tables that they read promise."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from lakeproof.meaning.value import DS, NotUnderstood

if TYPE_CHECKING:
    from collections.abc import Mapping

LOGICAL_DAY = re.compile(r"\{\{\s*ds\s*\}\}")


@dataclass(frozen=True)
class Promise:
    """What a column promises.

    Args:
        type: Its type, by its name in Iceberg or DuckDB.
        nullable: Whether it may be null.
    """

    type: str
    nullable: bool = True


@dataclass(frozen=True)
class Promised:
    """What a table promises of its rows; nothing else is taken for granted.

    Args:
        columns: Its columns by name.
        key: Columns that no two rows of one day have alike; of a table without days, no two rows.
        partition: The column that says which day a row belongs to.
        sql: The SELECT whose rows it has, if it is a view.
        inputs: Which tables the view reads, by the names that it has for them.
    """

    columns: Mapping[str, Promise]
    key: tuple[str, ...] = ()
    partition: str | None = None
    sql: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """A table as a definition reads it.

    Args:
        table: The table.
        days: How many days, that end with the logical day; None for the table as it is now.
    """

    table: str
    days: int | None = None


@dataclass(frozen=True)
class Definition:
    """A statement, or with `grain` a metric.

    Args:
        sql: A SELECT, or the aggregate of a metric, in DuckDB's dialect. `{{ ds }}` is the logical day.
        inputs: What it reads, by the names that it has for it; of a metric one.
        grain: The columns of whose values each has one of the metric's; None of a statement.
    """

    sql: str
    inputs: Mapping[str, Reading]
    grain: tuple[str, ...] | None = None


def parsed(sql: str) -> exp.Expr:
    """Return a statement or expression as it is parsed, its names in small letters.

    Raises:
        NotUnderstood: It is a template of more than the logical day.
        SqlglotError: It does not parse.
    """
    written = LOGICAL_DAY.sub(DS, sql)
    if "{{" in written or "{%" in written:
        msg = "a template of more than {{ ds }}"
        raise NotUnderstood(msg)
    found = sqlglot.parse_one(written, dialect="duckdb")
    for node in found.find_all(exp.Identifier):
        node.set("this", node.this.lower())
    return found
