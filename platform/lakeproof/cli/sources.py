"""`lakeproof doctor --source`: a source as it is now, against its contract; on the terminal, or as a page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from lakeproof.cli.terminal import console, grid
from lakeproof.engine.cast import arrow_schema
from lakeproof.errors import LakeproofError, UnknownTableError, did_you_mean
from lakeproof.markdown import cell
from lakeproof.reads import awaited_by
from lakeproof.source.profile import Profile, foreign_keys, profile
from lakeproof.source.protocol import Precheck, Source
from lakeproof.window import ONE_DAY, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lakeproof.cli.locations import Location
    from lakeproof.contract import Table
    from lakeproof.source.profile import ForeignKey
    from lakeproof.source.protocol import Awaited

SAMPLE_ROWS = 5_000
"""Rows of a sample; of a source with fewer, all."""

LOOKED_BACK_DAYS = 28
EVERY = "all"


@dataclass(frozen=True)
class Examined:
    """A source, looked at, or what is only waited for.

    Args:
        name: The table that collects from it, or waits for it.
        table: Its contract.
        source: The source.
        day: Which day the sample is of; None where it has no days.
        error: Why it could not be looked at; then there is nothing else.
        found: What its pre-check found.
        rows: The sample.
        profile: What the sample shows.
    """

    name: str
    table: Table
    source: Awaited
    day: str | None = None
    error: LakeproofError | None = None
    found: Precheck | None = None
    rows: pa.Table | None = None
    profile: Profile | None = None

    @property
    def good(self) -> bool:
        """Whether the source is there and as its contract says."""
        return self.error is None and self.found is not None and not self.found.faults


def sources_of(locations: Iterable[Location], name: str) -> list[tuple[Table, Awaited]]:
    """Return the sources that tables collect from or wait for: of one table, or `all`, in the order of their names.

    Raises:
        UnknownTableError: No table of that name collects from a source.
    """
    found = [
        (made.table, how) for location in locations for made in location.tables for how in awaited_by(made).values()
    ]
    known = sorted({table.name for table, _ in found})
    if name not in {*known, EVERY}:
        msg = f"No table {name!r} collects from a source. {did_you_mean(name, [*known, EVERY])}"
        raise UnknownTableError(msg, next_step="name a table, or all of them: --source all")
    return sorted(
        ((table, source) for table, source in found if name in {table.name, EVERY}),
        key=lambda pair: (pair[0].name, pair[1].name),
    )


def examine(table: Table, source: Awaited) -> Examined:
    """Look at a source: its pre-check, and a sample of the newest day that it has all of.

    What is only waited for has that day, and no more to look at.
    """
    try:
        window = _newest_day(table, source)
        if not isinstance(source, Source):
            return Examined(table.name, table, source, _named(window), found=Precheck())
        found = source.precheck(window)
        if found.faults:
            return Examined(table.name, table, source, _named(window), found=found)
        rows = _sample(source, window)
    except LakeproofError as error:
        return Examined(table.name, table, source, error=error)
    return Examined(
        table.name, table, source, _named(window), found=found, rows=rows, profile=profile(rows, source.fields)
    )


def references(examined: Sequence[Examined]) -> list[ForeignKey]:
    """Return which columns of sources refer to which others, in the samples."""
    return foreign_keys({one.name: one.rows for one in examined if one.rows is not None})


def print_examined(one: Examined, keys: Iterable[ForeignKey]) -> None:
    """Draw a source on the terminal."""
    out = console()
    verb = "collected" if isinstance(one.source, Source) else "waited for"
    out.print(f"{one.source.name}, {verb} by {one.name}")
    if one.error is not None:
        out.print(f"✗ {one.error}")
        return
    assert one.found is not None  # noqa: S101 - without an error there is a pre-check
    for mark, lines in (("✗", one.found.faults), ("!", one.found.learned)):
        for line in lines:
            out.print(f"{mark} {line}")
    if not isinstance(one.source, Source):
        out.print(f"✓ {one.day} is there, the newest day")
        return
    out.print(grid("", ["", "field", "contract", "null", "values", "such as"], _rows(one, one.source)))
    for line in _lines(one, keys):
        out.print(line)


def as_markdown(examined: Sequence[Examined], keys: Sequence[ForeignKey]) -> str:
    """Return sources as one Markdown document, to talk about with those who own them."""
    parts = [
        "# Sources",
        "",
        "What the tables collect from, and what a sample of each shows: `lakeproof doctor --source all --markdown`.",
        "What holds in a sample need not hold in all of the source. A key that does not hold in it, does not; a",
        "foreign key into a source with more rows than a sample may hold all the same.",
    ]
    for one in examined:
        parts += ["", f"## {one.name}", "", f"`{one.source.name}`. {one.table.description}"]
        parts += ["", f"Owner of the table that collects it: {one.table.owner}."]
        if one.error is None and not isinstance(one.source, Source):
            parts += ["", f"It is waited for; no row of it is read. Its newest day is {one.day}."]
            continue
        if one.error is not None or one.profile is None:
            parts += ["", f"It cannot be shown: {one.error or ' '.join(one.found.faults if one.found else ())}"]
            continue
        parts += ["", "| field | type | null | values | such as | meaning |", "|---|---|---|---|---|---|"]
        for field in one.profile.fields:
            shown = ", ".join(f"`{cell(example)}`" for example in field.examples)
            cells = (field.column.name, field.column.type, f"{field.null_share:.1%}", f"{field.distinct:,}", shown)
            parts.append(f"| {' | '.join(cells)} | {cell(field.column.description)} |")
        parts += ["", *(f"- {line}" for line in _lines(one, keys))]
    return "\n".join(parts) + "\n"


def as_record(one: Examined, keys: Iterable[ForeignKey]) -> dict[str, Any]:
    """Return a source as plain values."""
    record: dict[str, Any] = {"table": one.name, "source": one.source.name, "good": one.good, "day": one.day}
    if one.error is not None:
        return record | {"error": str(one.error)}
    assert one.found is not None  # noqa: S101 - as above
    record |= {"faults": one.found.faults, "learned": one.found.learned}
    if one.profile is None:
        return record
    return record | {
        "rows": one.profile.rows,
        "fields": [
            {
                "name": f.column.name,
                "type": f.column.type,
                "null": f.null_share,
                "values": f.distinct,
                "such as": f.examples,
            }
            for f in one.profile.fields
        ],
        "keys": one.profile.keys,
        "foreign keys": [vars(key) for key in keys if key.source == one.name],
        "repeats": [{"by": by, "columns": columns} for by, columns in one.profile.repeats],
    }


def _rows(one: Examined, source: Source) -> list[list[Any]]:
    """Return a line for each field of the contract; without a sample, only what the contract says."""
    assert one.found is not None  # noqa: S101 - as above
    if one.profile is None:
        faulty = " ".join(one.found.faults)
        return [["✗" if f"field {c.name} " in faulty else "", c.name, c.type, "", "", ""] for c in source.fields]
    return [
        ["✓", f.column.name, f.column.type, f"{f.null_share:.1%}", f"{f.distinct:,}", ", ".join(f.examples)]
        for f in one.profile.fields
    ]


def _lines(one: Examined, keys: Iterable[ForeignKey]) -> list[str]:
    """Return what a sample shows beyond its fields."""
    if one.profile is None:
        return []
    of_day = f" of {one.day}" if one.day else ""
    lines = [f"Sample: {one.profile.rows:,} rows{of_day}."]
    if one.profile.keys:
        lines.append(f"Keys that hold: {'; '.join(', '.join(names) for names in one.profile.keys)}.")
    else:
        lines.append("No few columns tell its rows apart.")
    refers = [f"{key.column} → {key.to}.{key.to_column}" for key in keys if key.source == one.name]
    if refers:
        lines.append(f"Foreign keys that hold: {'; '.join(refers)}.")
    for determinants, determined in one.profile.repeats:
        lines.append(
            f"{', '.join(determined)} repeat{'s' if len(determined) == 1 else ''} with {', '.join(determinants)},"
            " as if of a table with that key."
        )
    return lines


def _newest_day(table: Table, source: Awaited) -> Window | None:
    """Return the newest day of a table that its source has all of, of the last few weeks.

    Raises:
        LakeproofError: It has none.
    """
    if table.partition is None:
        return None
    today = datetime.now(UTC).astimezone(ZoneInfo(table.timezone)).date()
    last = min(today, table.until_day or today) - ONE_DAY
    first = max(table.first_day, last - LOOKED_BACK_DAYS * ONE_DAY)
    if last < first:
        return None
    window = Window.of(first, last, table.timezone)
    answers = source.complete(window)
    if None in answers and answers[None].complete:
        return window
    there = [day for day, answer in answers.items() if day is not None and answer.complete]
    if not there:
        msg = (
            f"{source.name} has no whole day from {first} to {last}: {next(iter(answers.values())).reason.rstrip('.')}."
        )
        raise LakeproofError(msg, next_step="see that it can be reached, and that it was fed")
    return Window.of(max(there), timezone=table.timezone)


def _sample(source: Source, window: Window | None) -> pa.Table:
    """Read the first rows, and no more than it takes."""
    batches, rows = [], 0
    reader = source.read(window).rows
    for batch in reader:
        batches.append(batch.slice(0, SAMPLE_ROWS - rows))
        rows += batches[-1].num_rows
        if rows >= SAMPLE_ROWS:
            break
    return pa.Table.from_batches(batches, arrow_schema(source.fields))


def _named(window: Window | None) -> str | None:
    return None if window is None else str(window)
