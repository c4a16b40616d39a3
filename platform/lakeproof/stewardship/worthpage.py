"""Whether ends pay, as one page of HTML that needs nothing else: what to stop first, then all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeproof.outputs.shell import as_text, document
from lakeproof.stewardship.advice import ENOUGH_DAYS, READ_DAYS, money
from lakeproof.stewardship.worthtext import (
    Totals,
    change,
    ratio_text,
    read_text,
    sla_text,
    stop_lines,
    verdict,
    worth_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from lakeproof.stewardship.worth import Worth
    from lakeproof.value import Value

WIDTH, NAMES, AMOUNTS, STEP = 900, 300, 90, 26
"""Of the plot, in its own units: all of it, the room for names, that for amounts, and the height of a row."""

MOST_BARS = 40
LONGEST_NAME = 38

COLUMNS = ("end", "worth", "costs", "worth / cost", f"cost, {ENOUGH_DAYS} days before", "last read", "SLA", "to do")
BELOW = "border-top:0;padding-top:0;white-space:normal"
"""How the reason stands under its row."""

NUMBER = ' class="n"'
NUMBERS = range(1, 5)
"""The columns that hold amounts."""


def page(worths: Sequence[Worth], last: date) -> str:
    """Return the page.

    Args:
        worths: The ends, those first that lose most.
        last: The last day that counts, in UTC.
    """
    eyebrow = f"value of pipelines · {ENOUGH_DAYS} days to {last}, US dollars a month"
    sections = _stop(worths) + _four(worths) + _plot(worths) + _ends(worths) + _who(worths) + _how()
    return document("Do the pipelines pay?", eyebrow, verdict(worths), sections)


def _stop(worths: Sequence[Worth]) -> str:
    lines = "".join(f"<p>{as_text(_sentence(line))}</p>" for line in stop_lines(worths))
    return f'<section class="alert" aria-label="To stop">{lines}</section>\n' if lines else ""


def _sentence(line: str) -> str:
    return f"{line[:1].upper()}{line[1:]}."


def _four(worths: Sequence[Worth]) -> str:
    totals = Totals.of(worths)
    cells = (
        ("added", money(totals.usd), "worth, as is declared"),
        ("changed", money(totals.cost), "cost"),
        ("removed", money(totals.saving), f"saved by stopping {totals.stop}"),
        ("undeclared", f"{totals.undeclared}", "ends that nobody declared"),
    )
    boxes = "".join(f'<div class="{kind}"><b>{amount}</b><span>{what}</span></div>' for kind, amount, what in cells)
    return f'<section><div class="four">{boxes}</div></section>\n'


def _plot(worths: Sequence[Worth]) -> str:
    """Return a bar of what each end costs: dark what stopping it would save, light its share of what others need."""
    costly = sorted((worth for worth in worths if worth.cost), key=lambda worth: -worth.cost)[:MOST_BARS]
    if not costly:
        return ""
    scale, parts = (WIDTH - NAMES - AMOUNTS) / costly[0].cost, []
    for place, worth in enumerate(costly):
        top, whole, alone = place * STEP, worth.cost * scale, min(worth.saving, worth.cost) * scale
        name = worth.name if len(worth.name) <= LONGEST_NAME else f"{worth.name[: LONGEST_NAME - 1]}…"
        told = f"{worth.name}: costs {money(worth.cost)}, stopping it saves {money(worth.saving)}"
        parts.append(
            f"<g><title>{as_text(told)}</title>"
            f'<text class="tick" x="0" y="{top + 17}" style="font-size:13px;fill:var(--ink)">{as_text(name)}</text>'
            f'<rect x="{NAMES}" y="{top + 5}" width="{max(whole, 1.5):.1f}" height="15" rx="2" fill="var(--same)"/>'
            f'<rect x="{NAMES}" y="{top + 5}" width="{alone:.1f}" height="15" rx="2" fill="var(--changed)"/>'
            f'<text class="tick" x="{NAMES + whole + 8:.1f}" y="{top + 17}" style="font-size:12px">'
            f"{as_text(money(worth.cost))}</text></g>"
        )
    label = as_text("; ".join(f"{worth.name} {money(worth.cost)}" for worth in costly[:8]))
    svg = f'<svg viewBox="0 0 {WIDTH} {len(costly) * STEP + 4}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    legend = (
        '<p class="legend"><i style="background:var(--changed)"></i>what stopping it would save'
        '<i style="background:var(--same)"></i>its share of what others need too</p>'
    )
    figure = f"<figure>{svg}<figcaption>{legend}</figcaption></figure>"
    return f"<section><h2>What each end costs a month</h2>{figure}</section>\n"


def _ends(worths: Sequence[Worth]) -> str:
    if not worths:
        return ""
    head = "".join(_cell("th", place, name) for place, name in enumerate(COLUMNS))
    body = "".join(_row(worth) for worth in worths)
    caption = '<caption class="soft">Those that lose most come first. Under each, why.</caption>'
    table = f'<table class="wide">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f"<section><h2>All ends</h2>{_scroll('All ends', table)}</section>\n"


def _row(worth: Worth) -> str:
    cells = (
        worth.name,
        worth_text(worth),
        money(worth.cost),
        ratio_text(worth),
        f"{money(worth.cost_before)} ({change(worth.cost, worth.cost_before)})",
        read_text(worth),
        sla_text(worth),
        worth.advice.action,
    )
    row = "".join(_cell("td", place, text) for place, text in enumerate(cells))
    why = f'<td colspan="{len(cells)}" class="soft" style="{BELOW}">{as_text(worth.advice.reason)}</td>'
    return f"<tr>{row}</tr><tr>{why}</tr>"


def _cell(tag: str, place: int, text: str) -> str:
    kind = NUMBER if place in NUMBERS else ""
    if tag == "th":
        return f'<th scope="col"{kind}>{as_text(text)}</th>'
    shown = f"<b>{as_text(text)}</b>" if place in {0, len(COLUMNS) - 1} else as_text(text)
    return f"<td{kind}>{shown}</td>"


def _who(worths: Sequence[Worth]) -> str:
    """Return who says what each end is worth, and why."""
    rows = "".join(
        f"<tr><td>{as_text(worth.name)}</td><td>{as_text(value.consumer)}</td><td>{as_text(value.amount_text)}</td>"
        f"<td>{as_text(value.why)}</td><td{NUMBER}>{as_text(_review(value, worth))}</td></tr>"
        for worth in worths
        for value in worth.table.values
    )
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("end", "worth to", "amount", "why", "to be looked at"))
    table = f'<table class="wide"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return f"<section><h2>What contracts say</h2>{_scroll('What contracts say', table)}</section>\n"


def _scroll(label: str, table: str) -> str:
    """Return a table that may be wider than its page: a region that the keyboard reaches, too."""
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{label}">{table}</div>'


def _review(value: Value, worth: Worth) -> str:
    if value.review_day is None:
        return ""
    return f"overdue since {value.review_day}" if value.consumer in worth.due else f"by {value.review_day}"


HOW = f"""
An end is a table that a contract says is worth something, or that no other table reads. Its pipeline is it and all the
tables that it needs.

Costs are those of the last {ENOUGH_DAYS} days, as a month of such days would cost. What several ends need is shared
between its readers in equal parts; what stopping saves is only what nothing else needs.

Reads are those that Lakeproof and the configured query logs saw in the last {READ_DAYS} days. Who reads data files with
DuckDB, Polars or Spark alone is not seen.
"""


def _how() -> str:
    told = "".join(f"<p>{as_text(' '.join(part.split()))}</p>" for part in HOW.strip().split("\n\n"))
    return f"<footer><h2>How it was judged</h2>{told}</footer>\n"
