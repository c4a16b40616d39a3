"""How a report reads: durations, shares and days in words, and Markdown with a bar a day."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from lakeproof.stewardship.attainment import WINDOWS
from lakeproof.stewardship.critical import slowest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime, timedelta

    from lakeproof.stewardship.attainment import Attainment, Report, SlaDay
    from lakeproof.stewardship.critical import Arrival

BARS = {"met": "█", "late": "▄", "missing": "░"}
"""The bar of a day; one that does not count is a dot."""

LEGEND = "█ in time, ▄ late, ░ not published, · does not count"
BARS_IN_LINE = 30
SHOWN_MISSES = 20
HALF, MOST = Fraction(1, 2), Fraction(95, 100)


def duration(length: timedelta) -> str:
    """Return a duration as a person says it.

    >>> from datetime import timedelta
    >>> duration(timedelta(hours=3, minutes=5)), duration(timedelta(seconds=40)), duration(timedelta(days=2, hours=1))
    ('3 h 5 min', '40 s', '2 d 1 h')
    """
    seconds = int(length.total_seconds())
    parts = [(seconds // 86_400, "d"), (seconds // 3_600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next((place for place, (number, _) in enumerate(parts) if number), len(parts) - 1)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number) or "0 s"


def share(attainment: Attainment) -> str:
    """Return a share of days as `96.7 %`; a dash when no day counts."""
    return "-" if attainment.share is None else f"{attainment.share * 100:.1f} %"


def bars(days: Sequence[SlaDay]) -> str:
    """Return a bar a day, the oldest first."""
    return "".join(BARS.get(day.state, "·") for day in days)


def day_text(day: SlaDay) -> str:
    """Return what became of a day, in words."""
    return {
        "met": "in time",
        "late": f"late by {duration(day.late_by)}" if day.late_by is not None else "late",
        "missing": "not published yet",
        "pending": "to come",
        "exempt": "due before the SLA was declared",
        "gap": "declared never to come",
        "unknown": "published by another engine, or its evidence is gone: nobody knows when",
    }[day.state]


def path_text(path: Sequence[Arrival]) -> str:
    """Return whom a missed day waited for."""
    first = slowest(path)
    name = "itself" if first.table == path[0].table and first.day == path[0].day else f"{first.table}@{first.day}"
    source = f", from {', '.join(first.sources)}" if first.sources else ""
    took = f" ({duration(first.took)})" if first.took is not None else ", not published yet"
    return f"{name}{source}{took}"


def summary(report: Report) -> str:
    """Return in one sentence how the latest day that is due came."""
    if report.due is None:
        waits = report.promise.declared is None and report.promise.sla.since is None
        return "the next publish declares the SLA" if waits else "no day is due yet since the SLA was declared"
    return f"{report.due.day} {day_text(report.due)}, due {local(report, report.due.deadline)}"


def local(report: Report, at: datetime) -> str:
    """Return an instant by the clock on the wall in the SLA's zone."""
    return f"{at.astimezone(ZoneInfo(report.promise.sla.timezone)):%Y-%m-%d %H:%M}"


def estimate(report: Report) -> str:
    """Return when the next day will be there."""
    half, most = report.expected(HALF), report.expected(MOST)
    if report.pending is None or half is None:
        return "-"
    by = f", by {local(report, most)[11:]}" if most is not None else ""
    return f"{report.pending.day} at {local(report, half)[11:]}{by}"


def markdown(report: Report, paths: Mapping[date, Sequence[Arrival]]) -> str:
    """Return a report as Markdown: attainment, a bar a day, the days that missed.

    Args:
        report: The report.
        paths: The critical path of missed days, where it was looked for.
    """
    sla, over = report.promise.sla, [report.over(days) for days in WINDOWS]
    lines = [
        f"Due {sla.due} {sla.timezone}, {sla.target:.0%} of days. {summary(report)[:1].upper()}{summary(report)[1:]}.",
        "",
        "| last | met | of | share | may still miss |",
        "|---|---|---|---|---|",
        *(
            f"| {days} days | {attained.met} | {attained.judged} | {share(attained)} | {attained.budget} |"
            for days, attained in zip(WINDOWS, over, strict=True)
        ),
        "",
        "```",
        *bar_lines(report.last(WINDOWS[-1])),
        "```",
        LEGEND,
    ]
    if missed := [day for day in reversed(report.days) if day.missed]:
        lines += ["", "| missed | how | slowest |", "|---|---|---|"]
        lines += [
            f"| {day.day} | {day_text(day)} | {path_text(paths[day.day]) if day.day in paths else ''} |"
            for day in missed[:SHOWN_MISSES]
        ]
        if len(missed) > SHOWN_MISSES:
            lines.append(f"| … | {len(missed) - SHOWN_MISSES} more | |")
    lines += ["", f"Next: {estimate(report)}. Due time that 95 % of days would have met: {suggested(report)}."]
    return "\n".join(lines)


def suggested(report: Report) -> str:
    """Return the due time that can be kept; a dash when there is none, or nothing is known."""
    return "-" if report.suggestion is None else f"{report.suggestion:%H:%M}"


def bar_lines(days: Sequence[SlaDay]) -> list[str]:
    """Return a bar a day, a month or so a line, each line with its first day."""
    stretches = [days[n : n + BARS_IN_LINE] for n in range(0, len(days), BARS_IN_LINE)]
    return [f"{stretch[0].day} {bars(stretch)}" for stretch in stretches]
