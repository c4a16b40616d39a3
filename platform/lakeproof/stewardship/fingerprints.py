"""Tables with the same rows, by the digests that the evidence of their published days has; no row is read."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from lakeproof.lake.evidence import live_content
from lakeproof.lake.live import View
from lakeproof.stewardship.duplicates import Duplicate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeproof.asset import TableAsset
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.verdict import Content

FEWEST_ROWS = 10
"""With fewer rows in all, two tables may well hold the same by chance."""


def held_twice(tables: Sequence[tuple[Lake, TableAsset]], costs: Mapping[str, float] | None = None) -> list[Duplicate]:
    """Return tables that have the same rows on all days that both have published.

    Digests tell of columns of the same names and types alone; days without evidence, or with digests of another
    algorithm, tell nothing.

    Args:
        tables: The tables, each with its lake, upstream first: of two, the first is the one to use.
        costs: What tables cost a month, in dollars, by name; of those that are not there, it is not known.
    """
    contents = [(made.table.name, _contents(lake, made)) for lake, made in tables]
    found = []
    for (keep, ours), (other, theirs) in combinations(contents, 2):
        common = sorted(ours.keys() & theirs.keys(), key=str)
        rows = sum(ours[day].rows for day in common)
        if rows >= FEWEST_ROWS and all(ours[day] == theirs[day] for day in common):
            days = "1 day" if len(common) == 1 else f"{len(common)} days"
            where = days if common != [None] else "their content as it is published"
            words = f"the same {rows} rows on all that both have published, {where}; use {keep}"
            found.append(Duplicate("content", keep, other, words, (costs or {}).get(other)))
    return found


def _contents(lake: Lake, made: TableAsset) -> dict[Day, Content]:
    view = View.open(lake, made.table)
    if view.table is None:
        return {}
    found = {day: live_content(view.table, live) for day, live in view.days.items()}
    return {day: content for day, content in found.items() if content is not None}
