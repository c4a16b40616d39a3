"""All audits of all staged days, judged: the only place that makes a verdict."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb
from sqlglot import exp

from lakeproof.audit.collected import MissingHours
from lakeproof.audit.history import Past, judge_history
from lakeproof.audit.kinds import DIALECT, Measure, Python, References, Unique
from lakeproof.audit.plan import STAGED, Plan, digest, hashed
from lakeproof.errors import AuditError
from lakeproof.forms import FORMS, hand_over, parameters_of, take_back
from lakeproof.parts import NOT_EMPTY
from lakeproof.verdict import SEAL, AuditResult, Content, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lakeproof.contract import Table
    from lakeproof.parts import Audit, Column

SAMPLE = 10
"""How many rows at fault an audit keeps."""

CONTENT_KEY = f"duckdb-{duckdb.__version__}/hash-hash-xor-sum-1"
"""The algorithm of content digests: DuckDB's row hash, combined by xor and by sum: the order of rows does not matter.

DuckDB does not promise `hash` to stay the same between versions, so the version is part of the key; `content_key` adds
the columns.
"""

Day = date | None


@dataclass(frozen=True)
class Known:
    """What audits look at besides the staged rows.

    Args:
        broken: Why a reference audit has nothing to refer to, by its name.
        past: What is known of the published days.
        nulls: By staged day, how many nulls each column has.
    """

    broken: Mapping[str, str] = field(default_factory=dict)
    past: Past = field(default_factory=Past)
    nulls: Mapping[Day, Mapping[str, int]] = field(default_factory=dict)


def judge(
    table: Table,
    connection: duckdb.DuckDBPyConnection,
    rows_of: Callable[[Sequence[Day]], duckdb.DuckDBPyRelation],
    stages: Mapping[Day, str],
    known: Known,
) -> dict[Day, Verdict]:
    """Audit staged days.

    Args:
        table: The contract.
        connection: Where the relations live, and a view of what each reference audit refers to: `_value`, and `_of_day`
            or null.
        rows_of: Gives the rows of some staged days, read from their files.
        stages: Each staged day, in order, and the digest of its files, which its verdict will be bound to.
        known: What the audits look at besides.

    Returns:
        A verdict for each day, with a result for each audit: one that could not judge says why, and holds the day.

    Raises:
        AuditError: The staged rows could not be read at all.
    """
    scan = _scan(table, connection, rows_of, list(stages), known)
    results: dict[Day, list[AuditResult]] = {
        day: [_result_of(audit, day, scan, rows_of) for audit in table.audits] for day in stages
    }
    _add_samples(table, connection, rows_of, results)
    staged = Past({day: count["_rows"] for day, count in scan.counts.items()}, known.nulls)
    judge_history(table.audits, results, staged, known.past, allow_empty=table.allow_empty)
    if not table.allow_empty:
        for day, found in results.items():
            found.insert(0, _not_empty(scan.counts.get(day)))
    key = content_key(table.columns)
    return {
        day: Verdict(day, stages[day], _content(key, scan.counts.get(day)), tuple(found), seal=SEAL)
        for day, found in results.items()
    }


def content_key(columns: Iterable[Column]) -> str:
    """Return the key of content digests over some columns: their names and types count, their order does not."""
    listed = "\n".join(sorted(f"{column.name} {column.type.replace(' ', '')}" for column in columns))
    return f"{CONTENT_KEY}/{hashlib.sha256(listed.encode()).hexdigest()[:16]}"


def digest_rows(
    columns: Sequence[str],
    connection: duckdb.DuckDBPyConnection,
    rows: duckdb.DuckDBPyRelation,
    key: str = CONTENT_KEY,
) -> Content:
    """Return the content digest of rows that are all of one day.

    Args:
        columns: The columns that count.
        connection: Where the relation lives.
        rows: The rows.
        key: What to tell the digest by; `content_key` where it is compared with those of other times.
    """
    rows.create_view(STAGED, replace=True)
    statement = exp.select(*digest()).from_(hashed(columns)).sql(dialect=DIALECT)
    total, xor, total_sum = connection.execute(statement).fetchall()[0]
    return _content(key, {"_rows": total, "_xor": xor, "_sum": total_sum} if total else None)


def digest_days(
    table: Table, connection: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation
) -> dict[Day, Content]:
    """Return the content digest of each day that has rows, as a verdict has it.

    Args:
        table: The contract.
        connection: Where the relation lives.
        rows: The rows, with the contract's columns.

    Raises:
        AuditError: They could not be read.
    """
    rows.create_view(STAGED, replace=True)
    key = content_key(table.columns)
    return {day: _content(key, count) for day, count in _bare(table, connection).items()}


def empty_content(columns: Iterable[Column]) -> Content:
    """Return the content digest of a day without rows."""
    return _content(content_key(columns), None)


Count = dict[str, Any]
"""The scan's numbers of one day: `_rows`, `_xor`, `_sum`, and each audit's under its name."""


@dataclass(frozen=True)
class Scan:
    """What the scan counted, and which audits it could not ask.

    Args:
        counts: The numbers of each day that has rows.
        errors: Why an audit could not judge a day, by its name and the day.
    """

    counts: Mapping[Day, Count]
    errors: Mapping[tuple[str, Day], str]


def _scan(
    table: Table,
    connection: duckdb.DuckDBPyConnection,
    rows_of: Callable[[Sequence[Day]], duckdb.DuckDBPyRelation],
    days: Sequence[Day],
    known: Known,
) -> Scan:
    """Ask all audits in one scan; where that breaks, find out which audit breaks on which day, and ask without it."""
    rows_of(days).create_view(STAGED, replace=True)
    broken = known.broken
    errors = {(name, day): why for name, why in broken.items() for day in days}
    sound = [audit for audit in table.audits if audit.name not in broken]
    try:
        return Scan(_run(connection, Plan(table, sound)), errors)
    except duckdb.Error:
        pass
    counts = _bare(table, connection)
    for audit in sound:
        try:
            asked = _run(connection, Plan(table, [audit]))
        except duckdb.Error:
            asked = {}
            for day in days:
                rows_of([day]).create_view(STAGED, replace=True)
                try:
                    asked |= _run(connection, Plan(table, [audit]))
                except duckdb.Error as error:
                    errors[audit.name, day] = str(error).splitlines()[0]
            rows_of(days).create_view(STAGED, replace=True)
        for day, count in asked.items():
            counts[day][audit.name] = count[audit.name]
    return Scan(counts, errors)


def _bare(table: Table, connection: duckdb.DuckDBPyConnection) -> dict[Day, Count]:
    """Count and digest the staged rows, with no audit."""
    try:
        return _run(connection, Plan(table, ()))
    except duckdb.Error as error:
        msg = f"{table.name}: the staged rows cannot be read for the audits: {error}"
        raise AuditError(msg, next_step="mend what it says, then run the days again") from error


def _run(connection: duckdb.DuckDBPyConnection, plan: Plan) -> dict[Day, Count]:
    """Return the scan's row of each day, with each audit's number under the audit's name."""
    answer = connection.execute(plan.scan().sql(dialect=DIALECT))
    names = [column[0] for column in answer.description or ()]
    counts = {}
    for values in answer.fetchall():
        count = dict(zip(names, values, strict=True))
        for position, audit in enumerate(plan.audits):
            count[audit.name] = count.get(f"_a{position}")
        if count["_rows"] or plan.table.partition:
            counts[count["_day"]] = count
    return counts


def _content(key: str, count: Count | None) -> Content:
    if count is None:
        return Content(key, "empty", 0)
    return Content(key, f"{count['_xor']:016x}{count['_sum']:032x}", count["_rows"])


def _result_of(
    audit: Audit, day: Day, scan: Scan, rows_of: Callable[[Sequence[Day]], duckdb.DuckDBPyRelation]
) -> AuditResult:
    """Return what one audit found on one day, as far as the scan tells."""
    count = scan.counts.get(day)
    rows = count["_rows"] if count else 0
    if (audit.name, day) in scan.errors:
        return _result(audit, rows, passed=False, failed=rows, error=scan.errors[audit.name, day])
    if isinstance(audit, Python):
        return _ask(audit, rows_of([day]), rows)
    return _read(audit, day, count.get(audit.name) if count else None, rows)


def _not_empty(count: Count | None) -> AuditResult:
    """Judge what every table promises unless it declares otherwise: that a day has rows."""
    rows = count["_rows"] if count else 0
    return AuditResult(NOT_EMPTY, "blocking", rows > 0, int(rows == 0), rows, "there are rows", measured=float(rows))


def _result(audit: Audit, rows: int, *, passed: bool, failed: int, **more: Any) -> AuditResult:
    return AuditResult(audit.name, audit.severity, passed, failed, rows, audit.describe, **more)


def _read(audit: Audit, day: Day, number: Any, rows: int) -> AuditResult:
    """Read one audit's number in the scan; what looks at history is judged after it."""
    if isinstance(audit, Measure):
        measured = rows if audit.expression == "count(*)" else number
        try:
            value = None if measured is None else float(measured)
        except (TypeError, ValueError):
            error = f"it gave {measured!r}, which is no number"
            return _result(audit, rows, passed=False, failed=rows, error=error)
        passed = audit.accepts(value)
        return _result(audit, rows, passed=passed, failed=int(not passed), measured=value)
    if isinstance(audit, Unique):
        repeated = rows - (number or 0)
        return _result(audit, rows, passed=repeated == 0, failed=repeated)
    if isinstance(audit, MissingHours):
        return _hours(audit, day, number or (), rows)
    return _result(audit, rows, passed=not number, failed=number or 0)


def _hours(audit: MissingHours, day: Day, slots: Sequence[int], rows: int) -> AuditResult:
    assert day is not None  # noqa: S101 - only a daily table has such an audit
    absent, hours = audit.missing(day, slots)
    share = len(absent) / hours if hours else 0.0
    sample = tuple({"hour without rows": hour} for hour in absent[:SAMPLE])
    passed = share <= audit.at_most
    return _result(audit, rows, passed=passed, failed=len(absent), measured=share, sample=() if passed else sample)


def _ask(audit: Python, rows_of_day: duckdb.DuckDBPyRelation, rows: int) -> AuditResult:
    """Let a function judge one day."""
    try:
        form = next(iter(parameters_of(audit.function).values()))
        answer = audit.function(hand_over(rows_of_day, form if form in FORMS else duckdb.DuckDBPyRelation))
        if isinstance(answer, bool):
            return _result(audit, rows, passed=answer, failed=0 if answer else rows)
        reader = take_back(answer)
        if reader is None:
            error = f"it returned {type(answer).__name__}, not True, False or rows"
            return _result(audit, rows, passed=False, failed=rows, error=error)
        bad = reader.read_all()
    except Exception as error:  # noqa: BLE001 - anything a stranger's function raises means that it has not judged
        return _result(audit, rows, passed=False, failed=rows, error=f"{type(error).__name__}: {error}".splitlines()[0])
    sample = tuple(bad.slice(0, SAMPLE).to_pylist())
    return _result(audit, rows, passed=bad.num_rows == 0, failed=bad.num_rows, sample=sample)


def _add_samples(
    table: Table,
    connection: duckdb.DuckDBPyConnection,
    rows_of: Callable[[Sequence[Day]], duckdb.DuckDBPyRelation],
    results: Mapping[Day, list[AuditResult]],
) -> None:
    """Fetch rows at fault: one more scan, of the days at fault, for each audit that failed anywhere."""
    for position, audit in enumerate(table.audits):
        failing = [day for day, found in results.items() if not found[position].passed and not found[position].error]
        plan = Plan(table, [audit] if isinstance(audit, References) else [])
        statement = plan.sample(audit, SAMPLE) if failing else None
        if statement is None:
            continue
        rows_of(failing).create_view(STAGED, replace=True)
        bad: dict[Day, list[Count]] = defaultdict(list)
        answer = connection.sql(statement.sql(dialect=DIALECT)).to_arrow_table()
        for row in answer.to_pylist():
            bad[row.pop("_day")].append(row)
        for day in failing:
            rows = bad.get(day, [])
            failed = results[day][position].failed
            if isinstance(audit, Unique):
                failed = int(rows[0]["_failed"]) if rows else 0
                rows = [{name: value for name, value in row.items() if name != "_failed"} for row in rows]
            results[day][position] = replace(
                results[day][position], passed=failed == 0, failed=failed, sample=tuple(rows)
            )
