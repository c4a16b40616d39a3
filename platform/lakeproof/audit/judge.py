"""All audits of all staged days, judged: the only place that makes a verdict."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import duckdb

from lakeproof.audit.collected import MissingHours
from lakeproof.audit.content import content_key, counted_content
from lakeproof.audit.counting import SAMPLE
from lakeproof.audit.history import Past, judge_history
from lakeproof.audit.kinds import Measure, Python, Unique
from lakeproof.forms import FORMS, hand_over, parameters_of, take_back
from lakeproof.parts import NOT_EMPTY
from lakeproof.verdict import SEAL, AuditResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeproof.audit.counting import Count, Counter, Day, Scan
    from lakeproof.contract import Table
    from lakeproof.parts import Audit


@dataclass(frozen=True)
class Known:
    """What audits look at besides the staged rows.

    Args:
        past: What is known of the published days.
        nulls: By staged day, how many nulls each column has.
    """

    past: Past = field(default_factory=Past)
    nulls: Mapping[Day, Mapping[str, int]] = field(default_factory=dict)


def judge(table: Table, counter: Counter, stages: Mapping[Day, str], known: Known) -> dict[Day, Verdict]:
    """Audit staged days.

    Args:
        table: The contract.
        counter: The engine that has the staged rows.
        stages: Each staged day, in order, and the digest of its files, which its verdict will be bound to.
        known: What the audits look at besides.

    Returns:
        A verdict for each day, with a result for each audit: one that could not judge says why, and holds the day.

    Raises:
        AuditError: The staged rows could not be read at all.
    """
    scan = counter.scan(list(stages))
    results: dict[Day, list[AuditResult]] = {
        day: [_result_of(audit, day, scan, counter) for audit in table.audits] for day in stages
    }
    _add_samples(table, counter, results)
    staged = Past({day: count["_rows"] for day, count in scan.counts.items()}, known.nulls)
    judge_history(table.audits, results, staged, known.past, allow_empty=table.allow_empty)
    if not table.allow_empty:
        for day, found in results.items():
            found.insert(0, _not_empty(scan.counts.get(day)))
    key = content_key(table.columns, counter.algorithm)
    return {
        day: Verdict(day, stages[day], counted_content(key, scan.counts.get(day)), tuple(found), seal=SEAL)
        for day, found in results.items()
    }


def _result_of(audit: Audit, day: Day, scan: Scan, counter: Counter) -> AuditResult:
    """Return what one audit found on one day, as far as the scan tells."""
    count = scan.counts.get(day)
    rows = count["_rows"] if count else 0
    if (audit.name, day) in scan.errors:
        return _result(audit, rows, passed=False, failed=rows, error=scan.errors[audit.name, day])
    if isinstance(audit, Python):
        return _ask(audit, counter.rows(day), rows)
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


def _add_samples(table: Table, counter: Counter, results: Mapping[Day, list[AuditResult]]) -> None:
    """Fetch rows at fault: one more question, about the days at fault, for each audit that failed anywhere."""
    for position, audit in enumerate(table.audits):
        failing = [day for day, found in results.items() if not found[position].passed and not found[position].error]
        bad = counter.samples(audit, failing) if failing else None
        if bad is None:
            continue
        for day in failing:
            rows = bad.get(day, [])
            failed = results[day][position].failed
            if isinstance(audit, Unique):
                failed = int(rows[0]["_failed"]) if rows else 0
                rows = [{name: value for name, value in row.items() if name != "_failed"} for row in rows]
            results[day][position] = replace(
                results[day][position], passed=failed == 0, failed=failed, sample=tuple(rows)
            )
