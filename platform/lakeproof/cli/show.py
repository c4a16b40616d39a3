"""`lakeproof show`: a published day, a held one, or the evidence of either."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lakeproof.cli.held import audits_of
from lakeproof.cli.lake import open_lake, table_named
from lakeproof.cli.options import as_json, console, grid, parse_target, print_json, workspace
from lakeproof.engine.duck import connect, files_relation, quoted
from lakeproof.errors import LakeproofError, UnknownDayError, UsageError, did_you_mean
from lakeproof.lake.catalog import columns_of
from lakeproof.lake.evidence import (
    SHA256_KEY,
    day_evidence,
    day_key,
    evidence_bytes,
    evidence_location,
    read_evidence,
    snapshot_summary_of,
)
from lakeproof.lake.held import HeldDay, held_days
from lakeproof.lake.live import LiveDay, View
from lakeproof.lake.stage import sha256_of
from lakeproof.window import days_text

if TYPE_CHECKING:
    from datetime import date

    from pyiceberg.table import Table as IcebergTable
    from rich.console import Console


GAP = 3
"""What the grid puts between two columns."""

WIDEST = 40
"""A value longer than this is folded."""

WARNED_ROWS = 3
"""How many rows at fault a mere warning shows."""


class EvidenceError(LakeproofError):
    """Evidence is gone, or is not what the table says it is."""


@dataclass(frozen=True)
class Shown:
    """A day that is being looked at.

    Args:
        table: The Iceberg table.
        name: Its name.
        day: The day; None for an unpartitioned table.
        files: Where its data files are.
        paths: The same, as other libraries take them.
        run: The run that wrote them.
        state: `published` or `held`.
    """

    table: IcebergTable
    name: str
    day: date | None
    files: tuple[str, ...]
    paths: tuple[str, ...]
    run: str | None
    state: str


@click.command()
@click.argument("target", metavar="TABLE[@DAY]")
@click.option("--held", "held", is_flag=True, help="The stage that audits refused, which no reader sees.")
@click.option("--evidence", is_flag=True, help="What was read, made and judged, checked against the files.")
@click.option("--rows", default=10, show_default=True, help="How many rows to print.")
@click.option("--columns", help="Which columns to print, separated by commas.")
@click.option("--sort", help="The column to sort by.")
@workspace
@as_json
def show(
    target: str,
    *,
    held: bool,
    evidence: bool,
    rows: int,
    columns: str | None,
    sort: str | None,
    workspace: str,
    as_json: bool,
) -> int:
    """Show rows and audits of a day that is published, or held."""
    name, day = parse_target(target)
    table = table_named(open_lake(workspace), name)
    view = View.of(table)
    stages = held_days(table, view.days)
    if day is None and table.spec().fields:
        return _overview(name, view, stages, as_json=as_json)
    if day is not None and not table.spec().fields:
        msg = f"{name} has no days; it is replaced as a whole."
        raise UsageError(msg, next_step=f"lakeproof show {name}")
    shown = _find(table, name, day, view.days.get(day), stages.get(day), held=held)
    if evidence:
        return _show_evidence(shown, as_json=as_json)
    return _show_rows(
        shown, rows, [name.strip() for name in columns.split(",")] if columns else None, sort, as_json=as_json
    )


def _find(
    table: IcebergTable, name: str, day: date | None, live: LiveDay | None, stage: HeldDay | None, *, held: bool
) -> Shown:
    at = f"@{day}" if day else ""
    if held:
        if stage is None:
            msg = f"{name}{at} is not held."
            raise UnknownDayError(msg, next_step="lakeproof held lists what is")
        return Shown(table, name, day, stage.locations, stage.paths, stage.run, "held")
    if live is None:
        where = f"it is held: lakeproof show {name}{at} --held" if stage else f"lakeproof run {name} --day {day}"
        msg = f"{name}{at} is not published; readers see no row of it."
        raise UnknownDayError(msg, next_step=where)
    return Shown(table, name, day, live.locations, live.paths, live.run, "published")


def _overview(name: str, view: View, stages: dict[date | None, HeldDay], *, as_json: bool) -> int:
    """Show which days a table has."""
    days = [day for day in view.days if day is not None]
    held = [day for day in stages if day is not None]
    rows = sum(live.rows for live in view.days.values())
    if as_json:
        print_json({"table": name, "published": days, "held": held, "rows": rows, "snapshot": view.snapshot})
        return 0
    out = console()
    out.print(f"{name}: {len(days)} days published, {rows:,} rows: {days_text(days) or 'none'}", markup=False)
    if held:
        out.print(f"{len(held)} days held: {days_text(held)}", markup=False)
    if days or held:
        at, flag = (held[0], " --held") if held else (days[-1], "")
        out.print(f"Next: lakeproof show {name}@{at}{flag}", markup=False)
    return 0


def _show_rows(shown: Shown, limit: int, columns: list[str] | None, sort: str | None, *, as_json: bool) -> int:
    relation = files_relation(connect(), columns_of(shown.table), shown.paths)
    total = relation.count("*").fetchall()[0][0]
    for column in [*(columns or ()), *([sort] if sort else ())]:
        if column not in relation.columns:
            msg = f"{shown.name} has no column {column!r}. {did_you_mean(column, relation.columns)}"
            raise UsageError(msg)
    ordered = relation.order(quoted(sort)) if sort else relation
    chosen = ordered.project(", ".join(quoted(column) for column in columns)) if columns else ordered
    sample = chosen.limit(limit).to_arrow_table()
    audits = audits_of(shown.table, shown.run, shown.day) if shown.run else []
    if as_json:
        document = {"table": shown.name, "day": shown.day, "state": shown.state, "run": shown.run, "rows": total}
        print_json(document | {"audits": audits, "sample": sample.to_pylist()})
        return 0
    out = console()
    at = f"@{shown.day}" if shown.day else ""
    out.print(f"{shown.name}{at}: {shown.state}, {total:,} rows, run {shown.run or 'of another engine'}", markup=False)
    for audit in audits:
        if not audit["passed"]:
            out.print(f"{'held by' if audit['holds'] else 'warning'} {audit['finding']}", markup=False)
            if audit["sample"]:
                _print_rows(out, _at_fault(shown, audit))
    _print_rows(out, sample.to_pylist())
    if shown.state == "held":
        again = f"lakeproof run {shown.name}" + (f" --day {shown.day}" if shown.day else "")
        out.print(f"Readers do not see these rows. Next: mend the cause, then {again}", markup=False)
    return 0


def _at_fault(shown: Shown, audit: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the sample of an audit; of a mere warning, a few rows and only their key and the columns at fault."""
    sample: list[dict[str, Any]] = audit["sample"]
    if audit["holds"]:
        return sample
    key = shown.table.properties.get("lakeproof.key", "").split(",")
    names = [name for name in sample[0] if name in key or name in audit["describe"]] or list(sample[0])
    return [{name: row[name] for name in names} for row in sample[:WARNED_ROWS]]


def _print_rows(out: Console, rows: list[dict[str, Any]]) -> None:
    """Print rows side by side when they fit, and else each as a column of its own, as many as fit."""
    if not rows:
        return
    texts = [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    names = list(texts[0])
    widths = [max(len(name), *(len(row[name]) for row in texts)) + GAP for name in names]
    if sum(widths) <= out.width:
        out.print(grid("", names, [[row[name] for name in names] for row in texts]))
        return
    room = out.width - max(map(len, names)) - GAP
    shown: list[dict[str, str]] = []
    for row in texts:
        room -= min(WIDEST, max(map(len, row.values()))) + GAP
        if room < 0:
            break
        shown.append(row)
    shown = shown or texts[:1]
    out.print(
        grid(
            "", ["column", *(f"row {n}" for n, _ in enumerate(shown, 1))], [[n, *(r[n] for r in shown)] for n in names]
        )
    )


def _show_evidence(shown: Shown, *, as_json: bool) -> int:
    """Print the evidence, and check it: its own digest against the snapshot's, and each file's bytes against it."""
    record = read_evidence(shown.table, shown.run) if shown.run else None
    entry = day_evidence(record, shown.day)
    if record is None or entry is None or shown.run is None:
        at = f"{shown.name} {shown.day or ''}".strip()
        msg = f"{at}: no evidence; another engine wrote its files, or it was removed or damaged."
        remedy = "restore the evidence folder from a backup; a run of the day with other content leaves evidence anew"
        raise EvidenceError(msg, next_step=remedy)
    checks = _check(shown, shown.run, entry)
    document = {
        "evidence": evidence_location(shown.table, shown.run),
        "checks": checks,
        **{key: value for key, value in record.items() if key != "days"},
        "day": entry,
    }
    if as_json:
        print_json(document)
    else:
        _print_evidence(document, shown.day)
    if not all(check["good"] for check in checks):
        msg = f"{shown.name} {shown.day or ''}: the evidence and the files do not agree: see the checks."
        remedy = "restore the evidence folder from a backup, and the files whose bytes differ"
        raise EvidenceError(msg, readers="may see files that are not the audited ones", next_step=remedy)
    return 0


def _check(shown: Shown, run: str, entry: dict[str, Any]) -> list[dict[str, Any]]:
    summary = snapshot_summary_of(shown.table, run)
    data = evidence_bytes(shown.table, run) or b""
    digest = hashlib.sha256(data).hexdigest()
    checks = []
    if summary is not None:
        checks.append({"what": "evidence file against its snapshot", "good": summary[SHA256_KEY] == digest})
    told = {file["location"]: file["sha256"] for file in entry["files"]}
    checks.append({"what": "live files are the audited ones", "good": set(told) == set(shown.files)})
    checks += [
        {"what": f"bytes of {location}", "good": sha256_of(shown.table, location) == told.get(location)}
        for location in shown.files
    ]
    return checks


def _print_evidence(document: dict[str, Any], shown_day: date | None) -> None:
    out = console()
    for key in ("evidence", "table", "output", "run", "dagster_run", "code", "versions", "started", "audited"):
        out.print(f"{key:12} {document[key]}", markup=False, soft_wrap=True)
    day = document["day"]
    out.print(f"{'content':12} {day['content']['digest']} ({day['content']['key']}), {day['content']['rows']:,} rows")
    inputs = [
        [name, record.get("table") or f"source {record['source']}", record.get("snapshot"), len(record.get("days", ()))]
        for name, record in (document["inputs"] | document["referred"]).items()
    ]
    out.print(grid("inputs", ["name", "table or source", "snapshot", "days"], inputs, right=["days"]))
    for what, reason in document["waived"].get(day_key(shown_day), {}).items():
        out.print(f"waived {what}: {reason}", markup=False)
    audits = [
        [
            a["audit"],
            a["severity"],
            "passed" if a["passed"] else "failed",
            f"{a['failed']:,}",
            f"{a['total']:,}",
            a["describe"],
        ]
        for a in day["audits"]
    ]
    out.print(
        grid("audits", ["audit", "severity", "result", "failed", "of", "condition"], audits, right=["failed", "of"])
    )
    checks = [["✓" if check["good"] else "✗", check["what"]] for check in document["checks"]]
    out.print(grid("checks", ["", "what"], checks))
