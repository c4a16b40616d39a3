"""B7: what an API sends becomes rows, against readers of the same files, and against the limit of the API."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from measure import Line, in_turns, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from setting import Setting

READERS = ("polars", "duckdb", "polars_lines")


def run(setting: Setting) -> Iterator[Line]:
    """Measure, and yield the lines."""
    folder = setting.data / f"pages-{setting.year_days}"
    rows = setting.run_job("jobs.feed:make", folder=folder, days=setting.year_days).answer["rows"]
    contestants = {
        name: partial(setting.run_job, "jobs.feed:parse", how=name, folder=folder) for name in ("ours", *READERS)
    }
    samples = in_turns(contestants, setting.rounds)
    complete = all(sample.answer["rows"] == rows for found in samples.values() for sample in found)
    speeds = {name: [rows / seconds for seconds in seconds_of(found)] for name, found in samples.items()}
    fastest = max(("polars", "duckdb"), key=lambda name: sum(speeds[name]))
    yield Line.compare(
        "B7",
        f"{rows:,} departures in pages of JSON on disk, strictly to Arrow / the faster of Polars and DuckDB",
        speeds["ours"],
        speeds[fastest],
        unit="rows/s",
        bound=0.5,
        at_least=True,
        holds=complete,
        note=f"the faster is {fastest}" + ("" if complete else "; rows were lost"),
    )
    yield Line.compare(
        "B7",
        "the same / Polars on JSON lines, without the pages' envelope",
        speeds["ours"],
        speeds["polars_lines"],
        unit="rows/s",
    )
    collected = [
        setting.run_job("jobs.feed:collect", days=setting.year_days).answer for _ in range(min(3, setting.rounds))
    ]
    lost = sum(rows - answer["rows"] for answer in collected)
    yield Line.compare(
        "B7",
        f"what {collected[0]['requests']:,} requests take at {collected[0]['rate']} a second / "
        f"{setting.year_days} days collected from the feed at that limit",
        [answer["limit_seconds"] for answer in collected],
        [answer["seconds"] for answer in collected],
        note=f"{collected[0]['rows']:,} rows" + (f"; {lost:,} were lost" if lost else ""),
    )
