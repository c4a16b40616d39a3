"""The evidence of a day, printed, and checked against the catalog, the files and the rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import duckdb

from lakeproof.audit.content import digest_rows
from lakeproof.cli.terminal import Terminal, console, grid, print_json
from lakeproof.engine.duck import connect, files_relation
from lakeproof.errors import LakeproofError
from lakeproof.lake.days import day_key
from lakeproof.lake.evidence import (
    SHA256_KEY,
    day_evidence,
    evidence_bytes,
    evidence_location,
    read_evidence,
    sha256_if_there,
    snapshot_summary_of,
)
from lakeproof.reading import columns_digested
from lakeproof.verdict import Content

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from pyiceberg.table import Table as IcebergTable

SHORT = 12
"""How much of a digest a person compares; --json has all of it."""

LISTED = 31
"""How many input days a person is shown; --json has them all."""

PLAIN = (
    "table",
    "output",
    "run",
    "dagster_run",
    "publisher",
    "code",
    "versions",
    "engine",
    "started",
    "audited",
    "used",
)


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


def show_evidence(shown: Shown, *, as_json: bool) -> int:
    """Print the evidence of a day and check it: against its snapshot, the files against it, the rows against both.

    Raises:
        EvidenceError: There is none, or a check failed.
    """
    record = read_evidence(shown.table, shown.run) if shown.run else None
    entry = day_evidence(record, shown.day)
    if record is None or entry is None or shown.run is None:
        at = f"{shown.name} {shown.day or ''}".strip()
        msg = f"{at}: no evidence; another engine wrote its files, or it was removed or damaged."
        remedy = "restore the evidence folder from a backup; a run of the day with other content leaves evidence anew"
        raise EvidenceError(msg, next_step=remedy)
    data = evidence_bytes(shown.table, shown.run) or b""
    document = {
        "evidence": evidence_location(shown.table, shown.run),
        "sha256": hashlib.sha256(data).hexdigest(),
        "checks": [*_file_checks(shown, shown.run, data), *_data_checks(shown, entry)],
        **{key: value for key, value in record.items() if key != "days"},
        "day": entry,
    }
    if as_json:
        print_json(document)
    else:
        _print(document, record, shown.day)
    if any(check["good"] is False for check in document["checks"]):
        msg = f"{shown.name} {shown.day or ''}: the evidence and the files do not agree: see the checks."
        remedy = "restore the evidence folder from a backup, and the files whose bytes differ"
        raise EvidenceError(msg, readers="may see files that are not the audited ones", next_step=remedy)
    return 0


def _file_checks(shown: Shown, run: str, data: bytes) -> Iterator[dict[str, Any]]:
    """Yield whether the evidence is the file that was written, which only a live snapshot can tell."""
    summary = snapshot_summary_of(shown.table, run)
    if shown.state == "held":
        yield _check("evidence file: a held day has no snapshot that names it", good=None)
    elif summary is None:
        yield _check("evidence file: the snapshot that named its SHA-256 has expired", good=None)
    else:
        good = summary[SHA256_KEY] == hashlib.sha256(data).hexdigest()
        yield _check("evidence file has the SHA-256 that its snapshot names", good=good)


def _data_checks(shown: Shown, entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield whether the day's files are the audited ones, by name and bytes, and hold the rows that were digested."""
    told = {file["location"]: file["sha256"] for file in entry["files"]}
    yield _check(f"{shown.state} files are the audited ones", good=set(told) == set(shown.files))
    for location in shown.files:
        good = sha256_if_there(shown.table, location) == told.get(location)
        yield _check(f"SHA-256 of {location.rpartition('/')[2]}", good=good)
    content = Content(**entry["content"])
    columns = columns_digested(shown.table, content.key)
    if columns is None:
        yield _check(f"content: digested by {content.key}, which this installation does not compute", good=None)
        return
    connection, names = connect(), [column.name for column in columns.values()]
    try:
        rows = files_relation(connection, columns, shown.paths, shown.table.io)
        good = digest_rows(names, connection, rows, content.key) == content
    except duckdb.Error:  # a file is gone, or no longer Parquet
        good = False
    yield _check("content digest, computed from the rows again", good=good)


def _check(what: str, *, good: bool | None) -> dict[str, Any]:
    """Return a check: good, bad, or None where there is nothing left to check it by."""
    return {"what": what, "good": good}


def _print(document: dict[str, Any], record: dict[str, Any], day: date | None) -> None:
    out, entry = console(), document["day"]
    for key in ("evidence", "sha256", *PLAIN):
        value = document.get(key)
        if value in ({}, None):
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{name} {version}" for name, version in value.items())
        out.print(f"{key:12} {value}", soft_wrap=True)
    content = entry["content"]
    out.print(f"{'content':12} {content['digest']} ({content['key']}), {content['rows']:,} rows", soft_wrap=True)
    out.print(f"{'verdict':12} {'passed' if entry['passed'] else 'held'}")
    _print_inputs(out, record, day)
    for what, reason in record["waived"].get(day_key(day), {}).items():
        out.print(f"waived {what}: {reason}")
    if lacks := record["readiness_ignored"]["days"].get(day_key(day)):
        why = record["readiness_ignored"]["reason"]
        out.print(f"not ready, and run all the same ({why}): {'; '.join(lacks)}", soft_wrap=True)
    files = [[f["location"], f"{f['rows']:,}", f"{f['bytes']:,}", f["sha256"][:SHORT]] for f in entry["files"]]
    out.print(grid("files", ["file", "rows", "bytes", "sha256"], files, right=["rows", "bytes"]))
    columns = ["audit", "severity", "result", "failed", "of", "condition"]
    audits = [
        [
            a["audit"],
            a["severity"],
            "passed" if a["passed"] else "failed",
            f"{a['failed']:,}",
            f"{a['total']:,}",
            a["describe"],
        ]
        for a in entry["audits"]
    ]
    out.print(grid("audits", columns, audits, right=["failed", "of"]))
    marks = {True: "✓", False: "✗", None: "?"}
    out.print(grid("checks", ["", "what"], [[marks[check["good"]], check["what"]] for check in document["checks"]]))


def _print_inputs(out: Terminal, record: dict[str, Any], day: date | None) -> None:
    """Print what the day read and what its audits referred to: each day of it, its run and its content."""
    rows: list[list[Any]] = []
    for name, told in (record["inputs"] | record["referred"]).items():
        if "source" in told:
            version = ", ".join(f"{key} {value}" for key, value in told["version"].items())
            rows.append([name, f"source {told['source']}", None, None, version])
            continue
        for key, entry in _days_read(record, told, day).items():
            at = told["table"] if key == "all" else f"{told['table']}@{key}"
            rows.append([name, at, f"{entry['rows']:,}", entry.get("run"), entry["digest"][:SHORT]])
    columns = ["input", "table or source", "rows", "run", "content or version"]
    out.print(grid("inputs", columns, rows[:LISTED], right=["rows"]))
    if len(rows) > LISTED:
        out.print(f"… and {len(rows) - LISTED} more; --json has them all")


def _days_read(record: dict[str, Any], told: dict[str, Any], day: date | None) -> dict[str, dict[str, Any]]:
    """Return which days of an input a day read, of those that its run recorded, or made before it."""
    days: dict[str, dict[str, Any]] = told["days"]
    kind = told.get("kind", "day")
    if day is None or kind == "latest" or "all" in days:
        return days
    if kind == "previous":
        made = {key: {**entry["content"], "run": record["run"]} for key, entry in record["days"].items()}
        days, day = made | days, day - timedelta(days=1)
    first = day - timedelta(days=told.get("trailing_days", 1) - 1)
    return {key: entry for key, entry in days.items() if day_key(first) <= key <= day_key(day)}
