"""`lakeproof show`: a published day, a held one, or the evidence of either."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from lakeproof.cli.evidence import Shown, show_evidence
from lakeproof.cli.lake import open_workspace, table_named
from lakeproof.cli.options import as_json, parse_target_on, workspace
from lakeproof.cli.rejected import contract_named, rejected_rows
from lakeproof.cli.terminal import Terminal, console, grid, print_json
from lakeproof.cost.bill import share_of
from lakeproof.cost.price import priced
from lakeproof.cost.rates import read_rates
from lakeproof.engine.duck import connect, files_relation, quoted
from lakeproof.errors import UnknownDayError, UsageError, did_you_mean
from lakeproof.lake.catalog import columns_of
from lakeproof.lake.days import day_key
from lakeproof.lake.evidence import read_evidence
from lakeproof.lake.held import HeldDay, as_held, audits_of, held_days
from lakeproof.lake.live import LiveDay, View
from lakeproof.lake.used import note_use, reader
from lakeproof.outputs.naming import existing
from lakeproof.window import days_text

if TYPE_CHECKING:
    from datetime import date

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.contract import Table
    from lakeproof.lake.catalog import Lake


GAP = 3
"""What the grid puts between two columns."""

WIDEST = 40
"""A value longer than this is folded."""

WARNED_ROWS = 3
"""How many rows at fault a mere warning shows."""


@click.command()
@click.argument("target", metavar="TABLE[@DAY][@OUTPUT]")
@click.option("--held", "which", flag_value="held", help="The stage that audits refused, which no reader sees.")
@click.option("--rejected", "which", flag_value="rejected", help="The rows that audits refused, each with why.")
@click.option("--evidence", is_flag=True, help="What was read, made and judged, checked against the files.")
@click.option("--rows", default=10, show_default=True, help="How many rows to print.")
@click.option("--columns", help="Which columns to print, separated by commas.")
@click.option("--sort", help="The column to sort by.")
@workspace
@as_json
def show(
    target: str,
    *,
    which: str | None,
    evidence: bool,
    rows: int,
    columns: str | None,
    sort: str | None,
    workspace: str,
    as_json: bool,
) -> int:
    """Show rows and audits of a day that is published, or held; on an output, as that has it."""
    name, day, output = parse_target_on(target)
    lake, locations = open_workspace(workspace)
    lake = lake if output is None else existing(lake, output)
    table = table_named(lake, name)
    view = View.of(table)
    stages = held_days(table, view.days)
    if day is None and table.spec().fields:
        return _overview(name, view, stages, as_json=as_json)
    if day is not None and not table.spec().fields:
        msg = f"{name} has no days; it is replaced as a whole."
        raise UsageError(msg, next_step=f"lakeproof show {name}")
    if which == "rejected":
        return _show_rejected(lake, contract_named(locations, name), day, rows, as_json=as_json)
    shown = _find(table, name, day, view.days.get(day), stages.get(day), held=which == "held")
    if evidence:
        return show_evidence(shown, as_json=as_json)
    if shown.state == "published":
        note_use(table, reader())
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
        return Shown(as_held(table, stage), name, day, stage.locations, stage.paths, stage.run, "held")
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
    out.print(f"{name}: {len(days)} days published, {rows:,} rows: {days_text(days) or 'none'}")
    if held:
        out.print(f"{len(held)} days held: {days_text(held)}")
    if days or held:
        at, flag = (held[0], " --held") if held else (days[-1], "")
        out.print(f"Next: lakeproof show {name}@{at}{flag}")
    return 0


def _show_rows(shown: Shown, limit: int, columns: list[str] | None, sort: str | None, *, as_json: bool) -> int:
    relation = files_relation(connect(), columns_of(shown.table), shown.paths, shown.table.io)
    total = relation.count("*").fetchall()[0][0]
    for column in [*(columns or ()), *([sort] if sort else ())]:
        if column not in relation.columns:
            msg = f"{shown.name} has no column {column!r}. {did_you_mean(column, relation.columns)}"
            raise UsageError(msg)
    ordered = relation.order(quoted(sort)) if sort else relation
    chosen = ordered.project(", ".join(quoted(column) for column in columns)) if columns else ordered
    sample = chosen.limit(limit).to_arrow_table()
    audits = audits_of(shown.table, shown.run, shown.day) if shown.run else []
    cost = _cost(shown)
    if as_json:
        document = {"table": shown.name, "day": shown.day, "state": shown.state, "run": shown.run, "rows": total}
        print_json(document | {"audits": audits, "cost": cost, "sample": sample.to_pylist()})
        return 0
    out = console()
    at = f"@{shown.day}" if shown.day else ""
    out.print(f"{shown.name}{at}: {shown.state}, {total:,} rows, run {shown.run or 'of another engine'}")
    if cost is not None:
        out.print(_cost_line(cost))
    for audit in audits:
        if not audit["passed"]:
            out.print(f"{'held by' if audit['holds'] else 'warning'} {audit['finding']}")
            if audit["sample"]:
                _print_rows(out, _at_fault(shown, audit))
    _print_rows(out, sample.to_pylist())
    if shown.state == "held":
        again = f"lakeproof run {shown.name}" + (f" --day {shown.day}" if shown.day else "")
        out.print(f"Readers do not see these rows. Next: mend the cause, then {again}")
    return 0


def _cost(shown: Shown) -> dict[str, Any] | None:
    """Return what a day cost until its audits had passed judgement, as its evidence has it; None where it does not."""
    record = read_evidence(shown.table, shown.run) if shown.run else None
    used = share_of(record, day_key(shown.day)) if record is not None else None
    if used is None:
        return None
    try:
        rates = read_rates(datetime.now(UTC).date())
        return {"used": used.as_record(), "usd": priced(used, rates).usd, "rates_of": rates.oldest, "unpriced": None}
    except UsageError as error:
        return {"used": used.as_record(), "usd": None, "rates_of": None, "unpriced": error.what}


def _cost_line(cost: dict[str, Any]) -> str:
    amounts = ", ".join(f"{what} {amount:,.6g}" for what, amount in cost["used"].items())
    if cost["usd"] is None:
        return f"cost of making it: {amounts}; not priced: {cost['unpriced']}"
    return f"cost of making it: {cost['usd']:.6f} USD, by rates of {cost['rates_of']}: {amounts}"


def _show_rejected(lake: Lake, contract: Table, day: date | None, limit: int, *, as_json: bool) -> int:
    where, relation = rejected_rows(lake, contract, day)
    total, sample = relation.count("*").fetchall()[0][0], relation.limit(limit).to_arrow_table().to_pylist()
    if as_json:
        print_json({"table": contract.name, "day": day, "where": where, "rows": total, "sample": sample})
        return 0
    out = console()
    at = f"@{day}" if day else ""
    out.print(f"{contract.name}{at}: {total:,} row{'' if total == 1 else 's'} rejected, {where}")
    _print_rows(out, sample)
    return 0


def _at_fault(shown: Shown, audit: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the sample of an audit; of a mere warning, a few rows and only their key and the columns at fault."""
    sample: list[dict[str, Any]] = audit["sample"]
    if audit["holds"]:
        return sample
    key = shown.table.properties.get("lakeproof.key", "").split(",")
    names = [name for name in sample[0] if name in key or name in audit["describe"]] or list(sample[0])
    return [{name: row[name] for name in names} for row in sample[:WARNED_ROWS]]


def _print_rows(out: Terminal, rows: list[dict[str, Any]]) -> None:
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
