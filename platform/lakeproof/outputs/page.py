"""A comparison as one page of HTML that needs nothing else, to be opened in a meeting: the verdict first, then why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeproof.outputs.plots import WIDTH, bars, by_day, spread
from lakeproof.outputs.shell import as_text, document
from lakeproof.outputs.text import DAY_COLUMNS, change_text, day_rows, how_lines, number, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lakeproof.outputs.comparison import ColumnChange, Comparison, SampleRow

MOST_COLUMNS = 40
"""How many columns that changed have a section of their own; the others stand in the bars."""

MOST_BARS = 60
MOST_DAYS = 60
MOST_ROWS = 366


def page(found: Comparison) -> str:
    """Return the page of a comparison: no script, no font, no picture from elsewhere; values are text, never markup."""
    title = f"{found.table}: {found.old.name} and {found.new.name}"
    sections = "".join(
        (
            _missing(found),
            _counts(found),
            _rows(found),
            _columns(found),
            _schema(found),
            _days(found),
            _samples(found),
            _how(found),
        )
    )
    eyebrow = f"{found.table} · {found.old.name} → {found.new.name}"
    return document(title, eyebrow, verdict(found), sections)


def _missing(found: Comparison) -> str:
    lines = [f"{day.day} is not in {found.new.name}: {day.old_rows:,} rows." for day in found.missing]
    if not lines:
        return ""
    more = f"<p>… and {len(lines) - MOST_DAYS} more days.</p>" if len(lines) > MOST_DAYS else ""
    shown = "".join(f"<p>{as_text(line)}</p>" for line in lines[:MOST_DAYS])
    return f'<section class="alert" aria-label="Missing days">{shown}{more}</section>\n'


def _counts(found: Comparison) -> str:
    counts = {name: int(getattr(found, name)) for name in ("added", "removed", "changed", "unchanged")}
    total = sum(counts.values()) or 1
    cells = "".join(
        f'<div class="{name}"><b>{count:,}</b><span>rows {name} · {count / total:.1%}</span></div>'
        for name, count in counts.items()
    )
    at, bar = 0.0, ""
    for name, count in counts.items():
        width = WIDTH * count / total
        colour = "--same" if name == "unchanged" else f"--{name}"
        bar += f'<rect x="{at:.1f}" width="{width:.1f}" height="14" fill="var({colour})">'
        bar += f"<title>{name}: {count:,}</title></rect>"
        at += width
    label = "; ".join(f"{count:,} {name}" for name, count in counts.items())
    svg = f'<svg viewBox="0 0 {WIDTH} 14" role="img" aria-label="{label}" preserveAspectRatio="none">{bar}</svg>'
    return f'<section><div class="four">{cells}</div>{svg}</section>\n'


def _legend(found: Comparison, *, holes: bool = False) -> str:
    sides = ((found.old.name, "--old"), (found.new.name, "--new"))
    marks = [(name, colour) for name, colour in (*sides, *([("a day that one side lacks", "--gone")] if holes else []))]
    told = "".join(f'<i style="background:var({colour})"></i>{as_text(name)}' for name, colour in marks)
    return f'<p class="legend">{told}</p>'


def _rows(found: Comparison) -> str:
    points = [(day.day, _float(day.old_rows), _float(day.new_rows)) for day in found.days if day.day is not None]
    if not points:
        return ""
    plot = by_day("Rows by day, old and new", points, zero=True)
    legend = _legend(found, holes=bool(found.missing or found.extra))
    return f"<section><h2>Rows by day</h2><figure>{plot}<figcaption>{legend}</figcaption></figure></section>\n"


def _float(value: int | None) -> float | None:
    return None if value is None else float(value)


def _columns(found: Comparison) -> str:
    changed = found.changed_columns
    if not changed:
        return ""
    same = [column.name for column in found.columns if not column.changed]
    in_both = max(found.changed + found.unchanged, changed[0].changed, 1)
    plot = bars("Rows changed by column", [(c.name, c.changed, c.changed / in_both) for c in changed[:MOST_BARS]])
    more = ", …" if len(same) > MOST_COLUMNS else ""
    told = f"{len(same)} columns did not change: {', '.join(same[:MOST_COLUMNS])}{more}."
    sections = "".join(_column(found, column) for column in changed[:MOST_COLUMNS])
    quiet = f'<p class="soft">{as_text(told)}</p>' if same else ""
    caption = "<figcaption>Rows whose value differs, and their share of the rows that both sides have.</figcaption>"
    return f"<section><h2>What changed, by column</h2><figure>{plot}{caption}</figure>{quiet}{sections}</section>\n"


def _column(found: Comparison, column: ColumnChange) -> str:
    nulls = ""
    if column.old_nulls or column.new_nulls:
        nulls = f" Nulls: {column.old_nulls:,} → {column.new_nulls:,}."
    head = f'<h3>{as_text(column.name)} <span class="soft">{as_text(column.type)}</span></h3>'
    if column.old is None or column.new is None:
        return f"{head}<p>{column.changed:,} rows.{nulls}</p>{_pairs(column)}"
    parts = [f"<p>{as_text(change_text(column))}.{nulls}</p>"]
    if len(column.by_day) > 1:
        plot = by_day(f"Mean of {column.name} by day, old and new", column.by_day, height=140)
        parts.append(f"<figure>{plot}<figcaption>Mean by day.{_legend(found)}</figcaption></figure>")
    if column.old.quantiles and column.new.quantiles:
        plot = spread(f"Quantiles of {column.name} where it changed", column.old.quantiles, column.new.quantiles)
        caption = "<figcaption>Where it changed: 5 to 95 percent, the middle half, the median.</figcaption>"
        parts.append(f"<figure>{plot}{caption}</figure>")
    if column.old.total is not None and column.new.total is not None:
        delta = column.new.total - column.old.total
        share = f" ({delta / column.old.total:+.2%})" if column.old.total else ""
        total = f"Total {number(column.old.total)} → {number(column.new.total)}, {number(delta, sign=True)}{share}."
        parts.append(f'<p class="soft">{as_text(total)}</p>')
    return head + "".join(parts)


def _schema(found: Comparison) -> str:
    if not found.schema:
        return ""
    rows = "".join(f"<li>{as_text(str(change))}</li>" for change in found.schema)
    return f"<section><h2>Columns that are not alike</h2><ul>{rows}</ul></section>\n"


def _days(found: Comparison) -> str:
    rows = day_rows(found)
    if not rows or not found.old.days:
        return ""
    head = "".join(_cell("th", place, name) for place, name in enumerate(DAY_COLUMNS))
    body = "".join(
        f"<tr>{''.join(_cell('td', place, cell) for place, cell in enumerate(row))}</tr>" for row in rows[:MOST_ROWS]
    )
    more = f"<p>… and {len(rows) - MOST_ROWS} more days.</p>" if len(rows) > MOST_ROWS else ""
    table = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}'
    summary = f"<summary>{len(rows)} days</summary>"
    return f"<section><h2>The days that differ</h2><details open>{summary}{table}</details></section>\n"


def _cell(tag: str, place: int, text: str) -> str:
    """Return a cell; all but the first and the last are numbers."""
    kind = ' class="n"' if 0 < place < len(DAY_COLUMNS) - 1 else ""
    return f"<{tag}{kind}>{as_text(text)}</{tag}>"


def _pairs(column: ColumnChange) -> str:
    """Return what commonly became what."""
    if not column.pairs:
        return ""
    rows = "".join(
        f'<tr><td class="was">{_value(pair.old)}</td><td>{_value(pair.new)}</td><td class="n">{pair.rows:,}</td></tr>'
        for pair in column.pairs
    )
    head = '<thead><tr><th>from</th><th>to</th><th class="n">rows</th></tr></thead>'
    return f'<div class="scroll"><table>{head}<tbody>{rows}</tbody></table></div>'


def _samples(found: Comparison) -> str:
    kinds: dict[str, list[SampleRow]] = {}
    for row in found.samples:
        kinds.setdefault(row.kind, []).append(row)
    parts = [f"<h3>{as_text(kind)}</h3>{_sample_table(rows)}" for kind, rows in kinds.items()]
    return f"<section><h2>Some of the rows</h2>{''.join(parts)}</section>\n" if parts else ""


def _sample_table(rows: Sequence[SampleRow]) -> str:
    keys = list(rows[0].key)
    columns = list(dict.fromkeys(name for row in rows for name in (*(row.old or {}), *(row.new or {}))))
    head = "".join(f"<th>{as_text(name)}</th>" for name in (*keys, *columns))
    body = "".join(f"<tr>{''.join(_sample_cells(row, keys, columns))}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _sample_cells(row: SampleRow, keys: Sequence[str], columns: Sequence[str]) -> Iterator[str]:
    for name in keys:
        yield f"<td>{_value(row.key.get(name))}</td>"
    for name in columns:
        sides = [side for side in (row.old, row.new) if side is not None and name in side]
        if len(sides) == 2:  # noqa: PLR2004 - both
            yield f'<td class="is"><del class="soft">{_value(sides[0][name])}</del> {_value(sides[1][name])}</td>'
        else:
            yield f"<td>{_value(sides[0][name])}</td>" if sides else "<td></td>"


def _how(found: Comparison) -> str:
    lines = [
        f"{side.name}: {side.rows:,} rows"
        + (f", {side.days} days" if side.days else "")
        + (f", snapshot {side.snapshot}" if side.snapshot else "")
        + "."
        for side in (found.old, found.new)
    ]
    told = "".join(f"<p>{as_text(line)}</p>" for line in (*lines, *how_lines(found)))
    return f"<footer><h2>How it was compared</h2>{told}</footer>\n"


def _value(value: object) -> str:
    return '<span class="soft">null</span>' if value is None else as_text(str(value))
