"""Whether ends pay, in words: a sentence for all, the cells of a row, and Markdown for Dagster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeproof.markdown import cell
from lakeproof.stewardship.advice import ENOUGH_DAYS, money

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lakeproof.stewardship.worth import Worth

BARS = " ▏▎▍▌▋▊▉█"
"""Nine widths of a bar's last place."""

WIDEST_BAR = 20
PLOTTED = 40

MANY = 1_000
"""How many times its cost an end is worth at most, where that is told."""


@dataclass(frozen=True)
class Totals:
    """All ends together; money in US dollars a month.

    Args:
        usd: What they are worth, as is declared.
        cost: What they cost.
        saving: What would be saved if those stopped that are not worth it.
        stop: How many these are.
        undeclared: How many ends nobody declared a need for.
    """

    usd: float
    cost: float
    saving: float
    stop: int
    undeclared: int

    @classmethod
    def of(cls, worths: Sequence[Worth]) -> Totals:
        """Add up ends: each dollar of cost is with one of them."""
        stop = [worth for worth in worths if worth.advice.action == "stop"]
        return cls(
            usd=sum(worth.usd for worth in worths),
            cost=sum(worth.cost for worth in worths),
            saving=sum(worth.saving for worth in stop),
            stop=len(stop),
            undeclared=sum(not worth.is_declared for worth in worths),
        )


def verdict(worths: Sequence[Worth]) -> str:
    """Return in one sentence what is to be done, in the words of a headline."""
    totals = Totals.of(worths)
    if not worths:
        return "There is no table yet."
    if totals.stop:
        them = "pipeline costs" if totals.stop == 1 else "pipelines cost"
        return (
            f"{totals.stop} {them} more than anybody says it is worth: stopping saves {money(totals.saving)} a month."
        )
    if others := sum(worth.advice.action != "keep" for worth in worths):
        return f"{'1 pipeline' if others == 1 else f'{others} pipelines'} could cost less; none is to be stopped."
    return "Nothing that is known speaks for stopping a pipeline."


def change(now: float, before: float) -> str:
    """Return how an amount changed, from the days before to the last ones.

    >>> change(12, 10), change(5, 10), change(1, 0), change(0, 0), change(5, 5)
    ('+20 %', '-50 %', 'new', '-', '0 %')
    """
    if not before:
        return "new" if now else "-"
    return f"{(now - before) / before * 100:+.0f} %".replace("+0 %", "0 %").replace("-0 %", "0 %")


def worth_text(worth: Worth) -> str:
    """Return what an end is worth: an amount, or why there is none."""
    if not worth.table.values:
        return "not told" if worth.is_declared else "nobody says"
    return money(worth.usd) if any(value.is_money for value in worth.table.values) else "not for money"


def ratio_text(worth: Worth) -> str:
    """Return how many times its cost an end is worth, as far as that is told."""
    if worth.ratio is None or not any(value.is_money for value in worth.table.values):
        return "-"
    if worth.ratio > MANY:
        return f"> {MANY:,} x"
    return f"{worth.ratio:,.1f} x" if worth.ratio < 10 else f"{worth.ratio:,.0f} x"  # noqa: PLR2004 - one digit


def read_text(worth: Worth) -> str:
    """Return when an end was last seen to be read."""
    if worth.unread_days is None:
        return "not seen"
    return {0: "today", 1: "1 day ago"}.get(worth.unread_days, f"{worth.unread_days} days ago")


def sla_text(worth: Worth) -> str:
    """Return how an end kept its SLA lately; a dash where it has none, or no day counts."""
    attained = worth.made.attained
    return "-" if attained is None or attained.share is None else f"{attained.share * 100:.0f} %"


def stop_lines(worths: Sequence[Worth]) -> Iterator[str]:
    """Yield of each end that is to be stopped what that saves, and who would notice."""
    for worth in worths:
        if worth.advice.action == "stop":
            others = [name for name in worth.alone if name != worth.name]
            what = (
                ", which nothing else needs" if not others else f" with {', '.join(others)}, which nothing else needs"
            )
            notice = ", ".join(worth.would_notice) or "nobody that is known of"
            yield f"stop {worth.name}{what}: saves {money(worth.saving)} a month; would notice: {notice}"


def markdown(worths: Sequence[Worth]) -> str:
    """Return ends as Markdown, each with a bar of what it costs, those that lose most first."""
    most = max((worth.cost for worth in worths), default=0.0)
    lines = [
        verdict(worths),
        "",
        "| end | worth | costs | | before | last read | to do |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {cell(worth.name)} | {worth_text(worth)} | {money(worth.cost)} | `{bar(worth.cost, most)}` | "
        f"{change(worth.cost, worth.cost_before)} | {read_text(worth)} | {worth.advice.action} |"
        for worth in worths[:PLOTTED]
    ]
    if len(worths) > PLOTTED:
        lines.append(f"| … {len(worths) - PLOTTED} more | | | | | | |")
    return "\n".join([*lines, "", f"US dollars a month, as the last {ENOUGH_DAYS} days were, beside those before."])


def bar(value: float, most: float) -> str:
    """Return a bar as long as a value's share of the most.

    >>> bar(1, 2), bar(0, 2), bar(0, 0)
    ('██████████', '', '')
    """
    eighths = round(WIDEST_BAR * 8 * value / most) if most else 0
    return ("█" * (eighths // 8) + BARS[eighths % 8]).rstrip()
