"""D1, D2 and D4: a Spark job through the platform beside the same job straight to Iceberg; a warm start; which pays."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from measure import Line, Sample, in_turns, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from setting import Setting

BOUND = 1.15
WARM_SECONDS = 3.0
LONGEST_SECONDS = 3_600


def straight(setting: Setting) -> Iterator[Line]:
    """Measure D1: stage, audits and publish, beside a bare write and one checksum of what was written."""
    data = setting.run_job("jobs.by_spark:make", rows=setting.spark_rows, folder=str(setting.data)).answer

    def run(job: str, **arguments: object) -> Sample:
        home = setting.new_home()
        given = {"home": home, "path": data["path"], "limit": LONGEST_SECONDS, **arguments}
        sample = setting.run_job(f"jobs.by_spark:{job}", **given)
        shutil.rmtree(home)
        return sample

    samples = in_turns(
        {"ours": lambda: run("through", rows=data["rows"]), "bare": lambda: run("straight")}, setting.spark_rounds
    )
    steps = samples["ours"][-1].answer["steps"]
    yield Line.compare(
        "D1",
        f"{data['rows']:,} line items of 2,526 days by one Spark job: stage, 8 audits, publish / straight to Iceberg, "
        "and one checksum scan",
        seconds_of(samples["ours"]),
        seconds_of(samples["bare"]),
        bound=BOUND,
        note=f"make and audit {steps['make']:.0f} s, publish {steps['publish']:.0f} s",
    )


def warm(setting: Setting) -> Iterator[Line]:
    """Measure D2: a day through a Spark Connect server that is up, over the job's own time."""
    data = setting.run_job("jobs.by_spark:make", rows=setting.warm_rows, folder=str(setting.data)).answer
    home = setting.new_home()
    answer = setting.run_job("jobs.by_spark:warm", home=home, path=data["path"], rounds=setting.rounds).answer
    over = answer["over"]
    yield Line.compare(
        "D2",
        "a day by a warm Spark Connect server, over the job's own time / 3 s",
        over,
        [WARM_SECONDS] * len(over),
        bound=1.0,
    )


def pays(setting: Setting) -> Iterator[Line]:
    """Tell D4: the same days by Spark and in the process, on the same two cores."""
    for rows in setting.paying_rows:
        data = setting.run_job("jobs.by_spark:make", rows=rows, folder=str(setting.data)).answer

        def run(job: str, data: dict[str, object] = data) -> Sample:
            home = setting.new_home()
            sample = setting.run_job(f"jobs.by_spark:{job}", home=home, path=data["path"], rows=data["rows"])
            shutil.rmtree(home)
            return sample

        samples = in_turns({"spark": lambda run=run: run("through"), "here": lambda run=run: run("in_process")}, 1)
        yield Line.compare(
            "D4",
            f"{data['rows']:,} line items of 2,526 days: by Spark / in the process",
            seconds_of(samples["spark"]),
            seconds_of(samples["here"]),
            note="one turn",
        )
