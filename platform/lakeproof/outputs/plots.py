"""Plots of a comparison as SVG, drawn by hand so that a page needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from lakeproof.outputs.text import number
from lakeproof.window import ONE_DAY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

WIDTH = 900
LEFT, RIGHT, TOP, BOTTOM = 64, 8, 10, 24
MOST_POINTS = 400
"""More days than these are drawn as the means of stretches of them: a point needs two pixels to be seen."""

MOST_DOTS = 100
"""With more days than these, lines have no dots."""

Point = tuple["date", float | None, float | None]


@dataclass(frozen=True)
class _Scale:
    """Where a day and a value lie in a drawing."""

    first: date
    days: int
    low: float
    high: float
    height: int

    @classmethod
    def of(cls, points: Sequence[Point], height: int, *, zero: bool) -> _Scale | None:
        """Return the scale that holds all points; None where there is no value."""
        values = [value for _, *both in points for value in both if isinstance(value, float)]
        if not values:
            return None
        low, high = (min(0.0, *values) if zero else min(values)), max(values)
        if high == low:
            low, high = low - (abs(low) or 1) * 0.05, high + (abs(high) or 1) * 0.05
        return cls(points[0][0], (points[-1][0] - points[0][0]).days, low, high, height)

    def x(self, day: date) -> float:
        """Return how far to the right a day lies."""
        inner = WIDTH - LEFT - RIGHT
        return LEFT + (day - self.first).days / self.days * inner if self.days else LEFT + inner / 2

    def y(self, value: float) -> float:
        """Return how far down a value lies."""
        return TOP + (self.high - value) / (self.high - self.low) * (self.height - TOP - BOTTOM)


def by_day(title: str, points: Sequence[Point], *, zero: bool = False, height: int = 190) -> str:
    """Return two lines over days, the old side grey and the new one in colour; days that one lacks are marked.

    Args:
        title: What is drawn, for those who cannot see it.
        points: The day, and both values; None where a side has none.
        zero: Whether the scale begins at zero.
        height: Of the drawing.
    """
    drawn = _thinned(points)
    scale = _Scale.of(drawn, height, zero=zero)
    if scale is None:
        return ""
    parts = [_ticks_y(scale), _ticks_x(drawn, scale), *_holes(drawn, scale)]
    for old, colour, width, radius in ((True, "--old", 3, 3.4), (False, "--new", 1.6, 2.2)):
        line = [(day, before if old else after) for day, before, after in drawn]
        parts += (
            f'<polyline points="{coordinates}" fill="none" stroke="var({colour})" stroke-width="{width}" '
            'stroke-linejoin="round" stroke-linecap="round"/>'
            for coordinates in _lines(line, scale)
        )
        if len(drawn) <= MOST_DOTS:
            parts += (
                f'<circle cx="{scale.x(day):.1f}" cy="{scale.y(value):.1f}" r="{radius}" fill="var({colour})">'
                f"<title>{day}: {number(value)}</title></circle>"
                for day, value in line
                if value is not None
            )
    return _svg(title, height, "".join(parts))


def _holes(points: Sequence[Point], scale: _Scale) -> Iterator[str]:
    """Yield a mark for each day that one side lacks."""
    inner = scale.height - TOP - BOTTOM
    width = max(2.0, (WIDTH - LEFT - RIGHT) / (scale.days + 1) * 0.8)
    for day, old, new in points:
        if (old is None) != (new is None):
            yield (
                f'<rect x="{scale.x(day) - width / 2:.1f}" y="{TOP}" width="{width:.1f}" height="{inner}" '
                f'fill="var(--gone)"><title>{day}: not in the {"new" if new is None else "old"}</title></rect>'
            )


def bars(title: str, rows: Sequence[tuple[str, int, float]]) -> str:
    """Return a bar for each name, with its count and share.

    Args:
        title: What is drawn.
        rows: The name, the count, and its share of all, 0 to 1.
    """
    step, most = 26, max((share for _, _, share in rows), default=1) or 1
    parts = []
    for place, (name, count, share) in enumerate(rows):
        top = TOP + place * step
        width = (WIDTH - 420) * share / most
        shown = name if len(name) <= 34 else f"{name[:33]}…"  # noqa: PLR2004 - what fits beside the bars
        parts.append(
            f'<text class="tick" x="0" y="{top + 13}" style="font-size:13px;fill:var(--ink)">{escape(shown)}</text>'
            f'<rect x="260" y="{top + 2}" width="{max(width, 1.5):.1f}" height="15" rx="2" fill="var(--changed)"/>'
            f'<text class="tick" x="{268 + width:.1f}" y="{top + 14}" style="font-size:12px">'
            f"{count:,} · {share:.1%}</text>"
        )
    return _svg(title, TOP + len(rows) * step, "".join(parts))


def spread(title: str, old: Sequence[float], new: Sequence[float]) -> str:
    """Return the quantiles of a number on both sides, one strip above the other.

    Args:
        title: What is drawn.
        old: At 5, 25, 50, 75 and 95 percent.
        new: The same of the new side.
    """
    low, high = min(*old, *new), max(*old, *new)
    if high == low:
        low, high = low - 1, high + 1
    height, parts = 74, []

    def x(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - 60)

    for place, (name, of_side) in enumerate((("old", old), ("new", new))):
        middle = 16 + place * 24
        five, quarter, median, three, most = map(x, of_side)
        parts.append(
            f'<text class="tick" x="0" y="{middle + 4}">{name}</text>'
            f'<line x1="{five:.1f}" x2="{most:.1f}" y1="{middle}" y2="{middle}" stroke="var(--{name})" '
            'stroke-width="2"/>'
            f'<rect x="{quarter:.1f}" y="{middle - 6}" width="{max(three - quarter, 1.5):.1f}" height="12" rx="2" '
            f'fill="var(--{name})" opacity=".45"/>'
            f'<line x1="{median:.1f}" x2="{median:.1f}" y1="{middle - 8}" y2="{middle + 8}" stroke="var(--ink)" '
            f'stroke-width="2"><title>median {number(of_side[2])}</title></line>'
        )
    for value, anchor in ((low, "start"), (high, "end")):
        parts.append(
            f'<text class="tick" x="{x(value):.1f}" y="{height - 6}" text-anchor="{anchor}">{number(value)}</text>'
        )
    return _svg(title, height, "".join(parts))


def _svg(title: str, height: float, inside: str) -> str:
    label = escape(title)
    head = f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{label}"><title>{label}</title>'
    return f"{head}{inside}</svg>"


def _ticks_y(scale: _Scale) -> str:
    return "".join(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{scale.y(value):.1f}" y2="{scale.y(value):.1f}" '
        f'stroke="var(--line)"/><text class="tick" x="{LEFT - 8}" y="{scale.y(value) + 4:.1f}" '
        f'text-anchor="end">{number(value)}</text>'
        for value in (scale.low, (scale.low + scale.high) / 2, scale.high)
    )


def _ticks_x(points: Sequence[Point], scale: _Scale) -> str:
    days = {points[len(points) // 2][0]: "middle", points[-1][0]: "end", points[0][0]: "start"}
    return "".join(
        f'<text class="tick" x="{scale.x(day):.1f}" y="{scale.height - 6}" text-anchor="{anchor}">{day}</text>'
        for day, anchor in days.items()
    )


def _lines(points: Sequence[tuple[date, float | None]], scale: _Scale) -> Iterator[str]:
    """Yield the coordinates of each stretch without a hole."""
    line: list[str] = []
    for day, value in (*points, (points[-1][0], None)):
        if value is not None:
            line.append(f"{scale.x(day):.1f},{scale.y(value):.1f}")
        elif line:
            yield " ".join(line)
            line = []


def _thinned(points: Sequence[Point]) -> list[Point]:
    """Return a point for each day, holes as holes; where there are too many, the means of stretches of days."""
    if not points:
        return []
    known = {day: (old, new) for day, old, new in points}
    first, last = min(known), max(known)
    days = [first + n * ONE_DAY for n in range((last - first).days + 1)]
    length = -(-len(days) // MOST_POINTS)
    if length == 1:
        return [(day, *known.get(day, (None, None))) for day in days]
    drawn: list[Point] = []
    for start in range(0, len(days), length):
        of_stretch = [known[day] for day in days[start : start + length] if day in known]
        olds, news = [old for old, _ in of_stretch], [new for _, new in of_stretch]
        drawn.append((days[start], _mean(olds), _mean(news)))
    return drawn


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None
