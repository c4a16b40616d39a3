"""Who read which table by another engine: from the logs of Trino and Postgres, where they are configured.

`LAKEPROOF_QUERY_LOGS` names files, with `*` for several, separated as in `PATH`. What a file is, its lines say:

- Trino: a JSON document a line, the event of a completed query as Trino's event listeners send it, by itself or as the
  `eventPayload` of the Kafka listener. Its inputs are the tables that Trino itself says it read, views resolved.
- Postgres: `log_destination = jsonlog` or `csvlog`, with `log_statement = 'all'` or `log_min_duration_statement = 0`.
  Tables are found in the statement, where it names them with their schema.

Postgres logs a statement as it begins, so one that fails later counts; of Trino only those count that ended well. A day
is the day as the log has it.
"""

from __future__ import annotations

import csv
import glob
import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lakeproof.errors import LakeproofError
from lakeproof.lake.used import Use

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

LOGS = "LAKEPROOF_QUERY_LOGS"
"""The environment variable that names the logs."""

LONGEST_FIELD = 64 * 2**20
"""Bytes of a statement in a CSV log; Python's own limit is 128 KiB."""

# PostgreSQL's documentation, "Error Reporting and Logging", table of csvlog's columns: 23 of them until version 12.
TIME, USER, SEVERITY, MESSAGE, FEWEST_COLUMNS = 0, 1, 11, 13, 23

MILLISECONDS = 100_000_000_000
"""From here on a number is no count of seconds: that would be the year 5138."""

STATEMENT = re.compile(r"(?:duration: [\d.]+ ms {2})?(?:statement|execute [^:]*): (.*)", re.DOTALL)
"""How Postgres logs a statement that is run; not one that is parsed or bound, nor the duration alone."""

CURSOR = re.compile(
    r"\s*(?:declare\s.*?\bcursor\b.*?\bfor|explain\s*\([^)]*\banaly[sz]e\b[^)]*\)|explain\s+analy[sz]e(?:\s+verbose)?)\s+(.*)",
    re.DOTALL | re.IGNORECASE,
)
"""What runs a statement within another: a cursor, as drivers and foreign tables fetch by, and a plan that is tried."""

READS = (exp.Query, exp.Insert, exp.Merge)
"""The statements that read, besides what creates a table of others; what manages tables does not."""


@dataclass(frozen=True)
class Query:
    """A statement that was run.

    Args:
        day: The day, as the log has it.
        who: Who ran it, `user@engine`.
        tables: The tables that the engine says it read, as `schema.table`; None where it does not say.
        sql: Its text.
        dialect: The engine, as sqlglot calls it.
        schema: The schema of names without one; nothing where that is not known.
    """

    day: date
    who: str
    tables: frozenset[str] | None
    sql: str
    dialect: str
    schema: str = ""


def configured_logs() -> list[Path]:
    """Return the files that `LAKEPROOF_QUERY_LOGS` names.

    Raises:
        LakeproofError: It names one that is not there.
    """
    found: list[Path] = []
    for pattern in filter(None, os.environ.get(LOGS, "").split(os.pathsep)):
        files = sorted(glob.glob(pattern))  # noqa: PTH207 - Path.glob takes no absolute pattern
        if not files:
            msg = f"{LOGS} names {pattern}, which is not there."
            raise LakeproofError(msg, next_step=f"mend {LOGS}, or unset it")
        found += [Path(file) for file in files]
    return found


def uses_in(files: Iterable[Path], tables: Collection[str]) -> set[Use]:
    """Return who read which of some tables on which day.

    Args:
        files: The logs.
        tables: The names of the tables, `namespace.table`: the schema and the table that another engine knows them by.

    Raises:
        LakeproofError: A file cannot be read.
    """
    known = {name.lower(): name for name in tables}
    found: set[Use] = set()
    for file in files:
        for query in queries_in(file):
            read = query.tables if query.tables is not None else _named(query, known)
            found |= {Use(known[name], query.day, query.who) for name in read if name in known}
    return found


def queries_in(file: Path) -> Iterator[Query]:
    """Yield the statements in a log; lines that are none are passed over.

    Args:
        file: The log.

    Raises:
        LakeproofError: It cannot be read.
    """
    try:
        with file.open(encoding="utf-8", errors="replace", newline="") as lines:
            yield from _csv(lines) if file.suffix == ".csv" else _json(lines)
    except (OSError, csv.Error) as error:
        msg = f"The query log {file} cannot be read: {error}."
        raise LakeproofError(msg, next_step=f"mend it, or leave it out of {LOGS}") from error


def _csv(lines: Iterable[str]) -> Iterator[Query]:
    csv.field_size_limit(LONGEST_FIELD)
    for row in csv.reader(lines):
        if len(row) >= FEWEST_COLUMNS:
            yield from _postgres(row[TIME], row[USER], row[SEVERITY], row[MESSAGE])


def _json(lines: Iterable[str]) -> Iterator[Query]:
    for line in lines:
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if not isinstance(told, dict):
            continue
        if "error_severity" in told:
            said = (str(told.get(name, "")) for name in ("timestamp", "user", "error_severity", "message"))
            yield from _postgres(*said)
            continue
        event = told.get("eventPayload", told)
        if isinstance(event, dict) and isinstance(event.get("metadata"), dict):
            yield from _trino(event)


def _postgres(time: str, user: str, severity: str, message: str) -> Iterator[Query]:
    said, day = STATEMENT.match(message), _day(time)
    if severity == "LOG" and said is not None and day is not None:
        yield Query(day, f"{user}@postgres", None, said[1], "postgres")


def _trino(event: dict[str, Any]) -> Iterator[Query]:
    metadata, context = event["metadata"], event.get("context") or {}
    day = _day(event.get("endTime") or event.get("createTime"))
    if metadata.get("queryState") != "FINISHED" or day is None:
        return
    inputs = (event.get("ioMetadata") or {}).get("inputs")
    read = None
    if isinstance(inputs, list):
        read = frozenset(f"{i.get('schema')}.{i.get('table')}".lower() for i in inputs if isinstance(i, dict))
    who, schema = f"{context.get('user', '')}@trino", str(context.get("schema") or "").lower()
    yield Query(day, who, read, str(metadata.get("query", "")), "trino", schema)


def _day(told: object) -> date | None:
    """Return the day of an instant, as text, or as seconds or milliseconds since 1970."""
    try:
        if isinstance(told, int | float):
            return datetime.fromtimestamp(told if told < MILLISECONDS else told / 1_000, UTC).date()
        return date.fromisoformat(str(told)[:10])
    except (ValueError, OverflowError, OSError):
        return None


def _named(query: Query, known: Collection[str]) -> Iterable[str]:
    """Return the tables that a statement names; one that names none of ours is not parsed."""
    text = query.sql.lower()
    return _read_by(query.sql, query.dialect, query.schema) if any(n.partition(".")[2] in text for n in known) else ()


@lru_cache(maxsize=10_000)
def _read_by(sql: str, dialect: str, schema: str) -> frozenset[str]:
    """Return the tables that a statement reads, as `schema.table`; those that it writes or changes are none."""
    try:
        within = CURSOR.match(sql)
        trees = [tree for tree in sqlglot.parse(within[1] if within else sql, dialect=dialect) if tree is not None]
    except (SqlglotError, RecursionError):
        return frozenset()
    found = set()
    for tree in trees:
        local = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
        for table in _tables(tree):
            named, of = table.name.lower(), table.db.lower()
            if of or named not in local:
                found.add(f"{of or schema}.{named}")
    return frozenset(found)


def _tables(tree: exp.Expr) -> Iterator[exp.Table]:
    """Yield the tables that a statement reads, and not that which it writes."""
    if isinstance(tree, exp.Create):  # what it creates may refer to tables, as foreign keys do
        yield from tree.expression.find_all(exp.Table) if tree.expression else ()
    elif isinstance(tree, exp.Copy):
        if not tree.args.get("kind"):  # it is true of COPY … FROM, which writes
            yield from tree.this.find_all(exp.Table)
    elif isinstance(tree, exp.Update | exp.Delete):  # what it changes is no use; what it looks up for that is
        yield from (table for table in tree.find_all(exp.Table) if table is not tree.this.find(exp.Table))
    elif isinstance(tree, READS):
        target = tree.this.find(exp.Table) if isinstance(tree, exp.Insert | exp.Merge) else None
        yield from (table for table in tree.find_all(exp.Table) if table is not target)
