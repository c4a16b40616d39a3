"""B8: a landed day of CSV, collected and audited, against DuckDB's own copy from CSV to Parquet."""

from __future__ import annotations

import shutil
import statistics
from typing import TYPE_CHECKING

from measure import Line, Sample, in_turns, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from setting import Setting


def run(setting: Setting) -> Iterator[Line]:
    """Measure, and yield the lines."""
    data, folder = setting.lineitems(), str(setting.data / f"landing-{setting.rows}")
    setting.run_job("jobs.lineitem:make", rows=setting.rows, path=data)
    landed = setting.run_job("jobs.landing:make", data=data, folder=folder).answer["bytes"]

    def ours() -> Sample:
        home = setting.new_home()
        sample = setting.run_job("jobs.landing:collect", home=home, folder=folder, rows=setting.rows)
        shutil.rmtree(home)
        return sample

    def duckdb() -> Sample:
        target = setting.work / "landed.parquet"
        sample = setting.run_job("jobs.landing:copy", folder=folder, target=target, rows=setting.rows)
        target.unlink()
        return sample

    samples = in_turns({"ours": ours, "duckdb": duckdb}, setting.rounds)
    peak = statistics.median(sample.peak_bytes for sample in samples["ours"]) / 2**20
    yield Line.compare(
        "B8",
        f"a landed day of {setting.rows:,} CSV rows: read, stage, 8 audits, digest, publish / DuckDB's COPY to Parquet",
        seconds_of(samples["ours"]),
        seconds_of(samples["duckdb"]),
        bound=1.5,
        note=f"{landed / 2**20:,.0f} MiB of CSV; peak memory of our process {peak:,.0f} MiB",
    )
