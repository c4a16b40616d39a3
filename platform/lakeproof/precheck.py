"""Before a row is read: does each source look as its contract says, and does it have about as many rows as usual?"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from lakeproof.audit.history import judge_rows
from lakeproof.audit.kinds import DIALECT, RowCondition, Volume, parsed
from lakeproof.contract import Input, in_order
from lakeproof.engine.cast import arrow_type
from lakeproof.engine.duck import connect
from lakeproof.lake.days import day_key
from lakeproof.lake.evidence import read_evidence
from lakeproof.lake.live import View
from lakeproof.parts import PRE_CHECK
from lakeproof.verdict import AuditResult
from lakeproof.window import Window, runs_of_days

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lakeproof.contract import Table
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.source.protocol import Precheck, Source

SHOWN_ITEMS = 3


@dataclass(frozen=True)
class Cleared:
    """What may be collected.

    Args:
        days: The days that may, in order.
        results: By day, what was found of it: first the pre-check, then the audits that a count can answer. A day that
            is not to be collected has one that holds, or comes after such a day in a chain.
        counts: By input, how many rows the source has of each day; None when it cannot count.
    """

    days: tuple[Day, ...]
    results: Mapping[Day, tuple[AuditResult, ...]] = field(default_factory=dict)
    counts: Mapping[str, Mapping[Day, int] | None] = field(default_factory=dict)


def precheck(lake: Lake, table: Table, inputs: Mapping[str, Input | Source], days: Sequence[Day]) -> Cleared:
    """Look at each source of a table before anything is collected from it.

    A source that is not what its contract says blocks all days: what it looks like now is what any day is delivered as.
    A count that is not near those of the days before blocks its day, and those that wait for it.

    Args:
        lake: The lake.
        table: The contract.
        inputs: What the table reads.
        days: The days that are ready.

    Raises:
        SourceError: A source cannot be reached.
    """
    sources = {name: how for name, how in inputs.items() if not isinstance(how, Input)}
    if not sources:
        return Cleared(tuple(days))
    looked = _look(table, sources, days)
    results: dict[Day, tuple[AuditResult, ...]] = dict.fromkeys(days, (looked,))
    if looked.holds:
        return Cleared((), results)
    counts = {name: _count(source, table, days) for name, source in sources.items()}
    volumes = [audit for audit in table.audits if isinstance(audit, Volume) and audit.severity == "blocking"]
    for name, counted in counts.items():
        seen = _counted_before(lake, table, name, days, volumes) if counted and volumes else {}
        for day in days:
            if counted is not None and day in counted:
                found = [_of_count(audit, sources[name], day, counted[day], seen) for audit in volumes]
                results[day] += tuple(result for result in found if result.holds)
                if not any(result.holds for result in results[day]) and (counted[day] or table.allow_empty):
                    seen[day] = counted[day]
    good = [day for day in days if not any(result.holds for result in results[day])]
    if len(good) < len(days) and in_order(table, inputs.values()):
        good = list(itertools.takewhile(good.__contains__, days))
    return Cleared(tuple(good), results, counts)


def _look(table: Table, sources: Mapping[str, Source], days: Sequence[Day]) -> AuditResult:
    """Ask every source for a small call, and sum up what was found as one result."""
    faults: list[str] = []
    learned: list[str] = []
    items: list[dict[str, Any]] = []
    for source in sources.values():
        found = source.precheck(_window(table, days))
        faults += [f"{source.name}: {fault}" for fault in found.faults]
        learned += [f"{source.name}: {line}" for line in found.learned]
        if not found.faults:
            learned += [f"{source.name}: {line}" for line in _foreseen(table, source, found)]
        items += [dict(item) for item in found.items]
    said = " ".join(_sentence(line) for line in faults or learned) or None
    return AuditResult(
        PRE_CHECK,
        "blocking" if faults else "warn",
        not faults and not learned,
        len(faults or learned),
        len(items),
        "the source looks as its contract says",
        said=said,
        sample=tuple(items[:SHOWN_ITEMS]) if said else (),
    )


def _foreseen(table: Table, source: Source, found: Precheck) -> Iterator[str]:
    """Yield which blocking audits the items that were looked at would not pass: a new member, a null.

    Only a foreboding: what the function makes of the items is not known before it ran.
    """
    types = {column.name: arrow_type(column.type) for column in source.fields}
    names = [name for name in types if all(name in item for item in found.items)]
    if not found.items or not names:
        return
    try:
        rows = pa.table({name: pa.array([item[name] for item in found.items], types[name]) for name in names})
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return  # delivered as text, as in a file: the values are looked at when they are read
    # A column of another type in the source is made into something else by the function.
    same = {name for name in names if name in table.column_names and arrow_type(table.column(name).type) == types[name]}
    relation = connect().from_arrow(rows)
    for audit in table.audits:
        if isinstance(audit, RowCondition) and audit.severity == "blocking" and _columns_of(audit) <= same:
            try:
                bad = relation.filter(audit.bad.sql(dialect=DIALECT)).count("*").fetchall()[0][0]
            except duckdb.Error:
                continue  # it is asked again of the stage, where it holds the day if it cannot judge
            if bad:
                yield f"{bad} of the {len(found.items)} items looked at would not pass {audit.name} ({audit.describe})"


def _columns_of(audit: RowCondition) -> set[str]:
    return {column.name.lower() for column in parsed(audit.condition, audit.name).find_all(exp.Column)}


def _count(source: Source, table: Table, days: Sequence[Day]) -> dict[Day, int] | None:
    counted: dict[Day, int] = {}
    for window in _stretches(table, days):
        found = source.count(window)
        if found is None:
            return None
        counted |= found
    return counted


def _counted_before(
    lake: Lake, table: Table, name: str, days: Sequence[Day], volumes: Iterable[Volume]
) -> dict[Day, int]:
    """Return what the source counted of the days before, from the evidence of the runs that published them."""
    longest = max(audit.days for audit in volumes)
    before = [day - timedelta(days=n) for day in days if day is not None for n in range(1, longest + 1)]
    view = View.open(lake, table, before if days[0] is not None else None)
    counts: dict[Day, int] = {}
    records: dict[str, dict[str, Any] | None] = {}
    for day, live in view.days.items():
        if live.run is None or view.table is None:
            continue
        if live.run not in records:
            records[live.run] = read_evidence(view.table, live.run)
        told = (records[live.run] or {}).get("inputs", {}).get(name, {}).get("counts", {})
        if day_key(day) in told:
            counts[day] = told[day_key(day)]
    return counts


def _of_count(audit: Volume, source: Source, day: Day, rows: int, seen: Mapping[Day, int]) -> AuditResult:
    result = judge_rows(audit, day, rows, seen)
    if result.passed:
        return result
    said = f"{source.name} counts {rows:,} rows, which is not {result.describe.removeprefix('rows ')}; none was read"
    return AuditResult(
        audit.name,
        audit.severity,
        passed=False,
        failed=1,
        total=rows,
        describe=result.describe,
        measured=float(rows),
        history=result.history,
        said=said,
    )


def _window(table: Table, days: Sequence[Day]) -> Window | None:
    listed = [day for day in days if day is not None]
    return Window.of(listed[0], listed[-1], table.timezone) if listed else None


def _stretches(table: Table, days: Sequence[Day]) -> list[Window | None]:
    listed = [day for day in days if day is not None]
    return [Window.of(first, last, table.timezone) for first, last in runs_of_days(listed)] or [None]


def _sentence(line: str) -> str:
    return line if line.endswith((".", "?")) else f"{line}."
