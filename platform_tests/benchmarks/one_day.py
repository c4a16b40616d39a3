"""B1: an audited publish of one large day against a bare write of the same Parquet, and its memory."""

from __future__ import annotations

import shutil
import statistics
from typing import TYPE_CHECKING

from measure import Line, Sample, in_turns, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from setting import Setting

WRITERS = ("pyarrow", "polars", "duckdb")
MEMORY_MIB = 1024


def run(setting: Setting) -> Iterator[Line]:
    """Measure, and yield the lines."""
    data = setting.lineitems()
    setting.run_job("jobs.lineitem:make", rows=setting.rows, path=data)

    def ours(*, unique: bool) -> Sample:
        home = setting.new_home()
        sample = setting.run_job("jobs.publish:one_day", home=home, data=data, unique=unique)
        shutil.rmtree(home)
        return sample

    def bare(engine: str) -> Sample:
        target = setting.work / f"{engine}.parquet"
        sample = setting.run_job("jobs.files:write", engine=engine, data=data, target=target)
        target.unlink()
        return sample

    samples = in_turns(
        {
            "ours": lambda: ours(unique=False),
            "pyarrow": lambda: bare("pyarrow"),
            "unique": lambda: ours(unique=True),
            "polars": lambda: bare("polars"),
            "duckdb": lambda: bare("duckdb"),
        },
        setting.rounds,
    )
    seconds = {name: seconds_of(taken) for name, taken in samples.items()}
    fastest = min(WRITERS, key=lambda name: statistics.median(seconds[name]))
    steps = {
        step: statistics.median(sample.answer["steps"][step] for sample in samples["ours"])
        for step in samples["ours"][0].answer["steps"]
    }
    told = ", ".join(f"{step} {value:.2f} s" for step, value in steps.items())
    busy = statistics.median(sample.others_cores for sample in samples["ours"])
    told += f"; other processes kept {busy:.1f} cores busy meanwhile"
    job = f"{setting.rows:,} rows: write, 8 audits, digest, publish"
    yield Line.compare(
        "B1", f"{job} / bare pyarrow.parquet.write_table", seconds["ours"], seconds["pyarrow"], bound=1.0, note=told
    )
    yield Line.compare(
        "B1", "the same with unique as a ninth / bare pyarrow", seconds["unique"], seconds["pyarrow"], bound=1.3
    )
    others = ", ".join(f"{name} {statistics.median(seconds[name]):.2f} s" for name in WRITERS)
    yield Line.compare(
        "B1", f"{job} / fastest writer ({fastest})", seconds["ours"], seconds[fastest], bound=2, note=others
    )
    yield from _memory(setting, data)


def _memory(setting: Setting, data: str) -> Iterator[Line]:
    for rows in setting.streamed:
        home = setting.new_home()
        sample = setting.run_job("jobs.publish:streamed_day", home=home, data=data, rows=rows)
        shutil.rmtree(home)
        peak = sample.peak_bytes / 2**20
        yield Line(
            "B1",
            f"{rows:,} rows as a stream: peak memory of the process / {MEMORY_MIB} MiB",
            ours=peak,
            other=MEMORY_MIB,
            unit="MiB",
            ratio=peak / MEMORY_MIB,
            bound=1.0,
            met=peak <= MEMORY_MIB,
            note=f"{sample.seconds:.1f} s",
        )
