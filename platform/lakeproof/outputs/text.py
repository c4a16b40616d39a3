"""A comparison in words: the first sentence that a person needs, the lines of a terminal, and Markdown for Dagster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeproof.window import days_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lakeproof.outputs.comparison import ColumnChange, Comparison, DayChange, SampleRow

SHOWN_DAYS = 14
SHOWN_COLUMNS = 20
SHOWN_VALUES = 6


def verdict(found: Comparison) -> str:
    """Return in one sentence what differs; what is missing comes first."""
    if found.identical:
        return f"{found.old.name} and {found.new.name} are identical: {found.new.rows:,} rows."
    parts = []
    if found.missing:
        parts.append(f"{_days(found.missing)} {_be(found.missing)} missing in {found.new.name}")
    if found.extra:
        parts.append(f"{_days(found.extra)} {_be(found.extra)} only in {found.new.name}")
    if found.schema:
        parts.append(f"{len(found.schema)} column{'s are' if len(found.schema) > 1 else ' is'} not alike")
    both = [day for day in found.days if day.in_both]
    counts = {
        "changed": sum(day.changed for day in both),
        "added": sum(day.added for day in both),
        "removed": sum(day.removed for day in both),
    }
    told = ", ".join(f"{count:,} row{'s' * (count != 1)} {what}" for what, count in counts.items() if count)
    if told:
        names = [column.name for column in found.columns if column.changed]
        where = f" in {', '.join(names[:4])}{', …' if len(names) > 4 else ''}" if names else ""  # noqa: PLR2004 - a line
        days = [day for day in both if day.differs]
        on = f" on {_days(days)}" if found.old.days else ""
        parts.append(f"{told}{where}{on}")
    elif both and not found.schema:
        parts.append("all other days are equal")
    return "; ".join(parts) + "."


def _days(days: Sequence[DayChange]) -> str:
    return days_text([day.day for day in days if day.day is not None]) or "it"


def _be(days: Sequence[DayChange]) -> str:
    return "are" if len(days) > 1 else "is"


def day_rows(found: Comparison) -> list[list[str]]:
    """Return a row of cells for each day that differs: missing days first."""
    differing = [day for day in found.days if day.differs]
    ordered = sorted(differing, key=lambda day: (day.new_rows is not None, day.old_rows is not None, str(day.day)))
    rows = []
    for day in ordered:
        counts = [f"{n:,}" if n else "" for n in (day.added, day.removed, day.changed, day.unchanged)]
        state = "missing in new" if day.new_rows is None else "only in new" if day.old_rows is None else ""
        old, new = ("" if rows_ is None else f"{rows_:,}" for rows_ in (day.old_rows, day.new_rows))
        rows.append([str(day.day or "all"), old, new, *counts, state])
    return rows


DAY_COLUMNS = ("day", "rows old", "rows new", "added", "removed", "changed", "unchanged", "")
COLUMN_COLUMNS = ("column", "type", "changed", "nulls old", "nulls new", "from → to")


def column_rows(found: Comparison) -> list[list[str]]:
    """Return a row of cells for each column that changed, the most changed first."""
    old, new = (max(1, side) for side in _read(found))
    return [
        [c.name, c.type, f"{c.changed:,}", _share(c.old_nulls, old), _share(c.new_nulls, new), change_text(c)]
        for c in found.changed_columns
    ]


def _read(found: Comparison) -> tuple[int, int]:
    """Return how many rows of each side were read."""
    read = [day for day in found.days if day.in_both and not day.proven]
    return sum(day.old_rows or 0 for day in read), sum(day.new_rows or 0 for day in read)


def _share(count: int, rows: int) -> str:
    return f"{count / rows:.1%}" if count else ""


def change_text(column: ColumnChange) -> str:
    """Return from what to what a column changed, in one line."""
    if column.old is not None and column.new is not None:
        parts = []
        if column.old.quantiles and column.new.quantiles:
            parts.append(
                f"median {number(column.old.quantiles[2])} → {number(column.new.quantiles[2])} of those changed"
            )
        if column.mean_difference is not None:
            parts.append(f"by {number(column.mean_difference, sign=True)} on average")
        if column.largest_difference is not None:
            parts.append(f"{number(column.largest_difference, sign=True)} at most")
        parts.append(f"mean of all {number(column.old.mean)} → {number(column.new.mean)}")
        return ", ".join(parts)
    return "; ".join(f"{_value(p.old)} → {_value(p.new)} ({p.rows:,})" for p in column.pairs[:3])


def _value(text: str | None) -> str:
    return "null" if text is None else text if len(text) <= 40 else f"{text[:39]}…"  # noqa: PLR2004 - a cell's worth


def number(value: float | None, *, sign: bool = False) -> str:
    """Return a number as a person reads it: some four digits that count."""
    if value is None:
        return "none"
    mark = "+" if sign else ""
    if value == int(value) and abs(value) < 1e15:  # noqa: PLR2004 - whole numbers of doubles
        return f"{int(value):{mark},}"
    return f"{value:{mark},.2f}" if abs(value) >= 1 else f"{value:{mark}.3g}"


def sample_text(row: SampleRow) -> str:
    """Return a row that differs in one line."""
    at = ", ".join(f"{name} {value}" for name, value in row.key.items())
    where = f"{row.kind} {at}".strip()
    if row.old is not None and row.new is not None:
        return f"{where}: " + ", ".join(f"{name} {row.old[name]!s} → {row.new[name]!s}" for name in row.old)
    values = list((row.old if row.old is not None else row.new or {}).items())
    side = " only in the old" if row.new is None and row.kind == "repeated" else ""
    more = ", …" if len(values) > SHOWN_VALUES else ""
    return f"{where}{side}: " + ", ".join(f"{name} {value!s}" for name, value in values[:SHOWN_VALUES]) + more


def how_lines(found: Comparison) -> Iterator[str]:
    """Yield what a reader should know of how it was compared."""
    key = ", ".join(found.key) or "none: as multisets"
    yield f"Key: {key}. Read: {found.read_rows:,} rows of both sides."
    for side in (found.old, found.new):
        if side.null_keys:
            yield f"{side.name}: {side.null_keys:,} rows have a null in their key."
        if side.duplicate_keys:
            yield f"{side.name}: {side.duplicate_keys:,} rows share their key with another."
    if found.ignored:
        yield f"Left out: {', '.join(found.ignored)}."
    yield from found.notes


def markdown(found: Comparison) -> str:
    """Return a comparison as Markdown, as Dagster shows it beside a run."""
    lines = [f"**{verdict(found)}**", ""]
    if found.schema:
        lines += [f"- {_cell(str(change))}" for change in found.schema] + [""]
    if rows := day_rows(found)[:SHOWN_DAYS]:
        lines += [*_table(DAY_COLUMNS, rows), ""]
    if rows := column_rows(found)[:SHOWN_COLUMNS]:
        lines += [*_table(COLUMN_COLUMNS, rows), ""]
    lines += [f"- {_cell(sample_text(row))}" for row in found.samples]
    return "\n".join([*lines, "", *how_lines(found)])


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    head = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return head + [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
