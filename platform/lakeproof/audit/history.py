"""Audits that compare a day with the days before it: as published, or as passing in this run, never a held stage."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from lakeproof.audit.collected import NewNulls
from lakeproof.audit.kinds import Historical, Volume
from lakeproof.verdict import AuditResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lakeproof.parts import Audit

Day = date | None


@dataclass(frozen=True)
class Past:
    """What is known of days from metadata, before or beside the rows of a stage.

    Args:
        rows: Rows of each day; of an unpartitioned table as a whole under None.
        nulls: By day, how many nulls each column has, of the columns that it is known of.
    """

    rows: Mapping[Day, int] = field(default_factory=dict)
    nulls: Mapping[Day, Mapping[str, int]] = field(default_factory=dict)


def judge_history(
    audits: Sequence[Audit], results: dict[Day, list[AuditResult]], staged: Past, before: Past, *, allow_empty: bool
) -> None:
    """Judge the audits that look at history, in the order of days, and put their results in place.

    Args:
        audits: All audits of the table.
        results: The result of each audit for each staged day, at the audit's position; changed here.
        staged: The staged days.
        before: The published ones.
        allow_empty: Whether a day without rows is a good one, to compare later days with.
    """
    rows_seen, nulls_seen = dict(before.rows), dict(before.nulls)
    for day in sorted(results, key=str):
        rows, nulls = staged.rows.get(day, 0), staged.nulls.get(day, {})
        for position, audit in enumerate(audits):
            if isinstance(audit, Volume):
                results[day][position] = judge_rows(audit, day, rows, rows_seen)
            elif isinstance(audit, NewNulls):
                results[day][position] = _judge_nulls(audit, day, rows, nulls, Past(rows_seen, nulls_seen))
        if not any(result.holds for result in results[day]) and (rows or allow_empty):
            rows_seen[day], nulls_seen[day] = rows, nulls


def judge_rows(audit: Volume, day: Day, rows: int, seen: Mapping[Day, int]) -> AuditResult:
    """Compare a number of rows with those of the days before.

    Args:
        audit: What is near enough; a day without rows is left to what asks for rows.
        day: The day; None for an unpartitioned table, which is compared with itself as published.
        rows: Its rows.
        seen: Rows of other days.
    """
    # Where empty days are good ones, they say nothing about how many rows the others have.
    history = [(d, seen[d]) for d in _before(audit, day) if seen.get(d)]
    dated = tuple((d, count) for d, count in history if d is not None)
    short = _too_short(audit, day, len(history))
    if short or (not rows and 0 in map(seen.get, _before(audit, day))):
        why = short or "not judged: there are good days without rows"
        return replace(_result(audit, rows, passed=True, measured=float(rows), history=dated), describe=why)
    median = statistics.median(count for _, count in history)
    result = _result(audit, rows, passed=audit.accepts(rows, median), measured=float(rows), history=dated)
    where = audit.describe if day is not None else audit.describe.partition(" the median")[0] + " what is published"
    return replace(result, describe=f"{where}, {median:g}")


def _judge_nulls(audit: NewNulls, day: Day, rows: int, nulls: Mapping[str, int], seen: Past) -> AuditResult:
    history = [d for d in _before(audit, day) if seen.rows.get(d)]
    if short := _too_short(audit, day, len(history)):
        return replace(_result(audit, rows, passed=True), describe=short)
    sudden = []
    for column, count in nulls.items():
        if (audit.columns and column not in audit.columns) or not rows:
            continue
        known = [d for d in history if column in seen.nulls.get(d, {})]
        if _too_short(audit, day, len(known)):
            continue  # the column is new, or another engine wrote files without counting
        # The median: one odd day before must not make the next one usual.
        usual = statistics.median(seen.nulls[d][column] / seen.rows[d] for d in known)
        if usual <= audit.usual and count / rows > audit.above:
            sudden.append({"column": column, "null now": f"{count / rows:.1%}", "null before": f"{usual:.1%}"})
    result = _result(audit, rows, passed=not sudden, sample=tuple(sudden))
    if not sudden:
        return result
    named = "; ".join(f"{s['column']} is null in {s['null now']} of rows, before in {s['null before']}" for s in sudden)
    return replace(result, describe=named, failed=max(nulls[str(s["column"])] for s in sudden))


def _before(audit: Historical, day: Day) -> Iterable[Day]:
    return [None] if day is None else [day - timedelta(days=n) for n in range(audit.days, 0, -1)]


def _too_short(audit: Historical, day: Day, known: int) -> str | None:
    """Return why an audit does not judge; None when it does."""
    if day is None:
        return None if known else "not judged: nothing is published to compare with"
    if known >= audit.min_history:
        return None
    return f"not judged: {known} of the {audit.min_history} days it needs are published"


def _result(audit: Audit, rows: int, *, passed: bool, **more: Any) -> AuditResult:
    return AuditResult(audit.name, audit.severity, passed, int(not passed), rows, audit.describe, **more)
