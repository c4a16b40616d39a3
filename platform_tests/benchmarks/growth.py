"""B4: how long it takes to publish a day when twenty years of days are there."""

from __future__ import annotations

import shutil
import statistics
from typing import TYPE_CHECKING, Any

from measure import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from setting import Setting

BOUND = 1.5
LONGEST_SECONDS = 3_600
"""Twenty years of days are published one at a time before anything is measured: a quarter of an hour, or two."""


def run(setting: Setting) -> Iterator[Line]:
    """Measure, and yield the lines."""
    home = setting.new_home()
    milestones, latencies = list(setting.milestones), setting.latencies
    answer = setting.run_job(
        "jobs.growth:grow", limit=LONGEST_SECONDS, home=home, milestones=milestones, latencies=latencies
    ).answer
    shutil.rmtree(home)
    ours = answer["milestones"]
    ages = f"at {milestones[-1]:,} days / at {milestones[0]:,}"
    grown, young = (ours[str(milestones[-1])][table] for table in ("grown", "young"))
    every = setting.upkeep_every
    yield Line.compare(
        "B4",
        f"a day's run, its share of upkeep included: {ages}",
        *([(whole + table["upkeep"] / every) * 1000 for whole in table["whole"]] for table in (grown, young)),
        unit="ms",
        bound=BOUND,
        note=f"an upkeep every {every} publishes: {young['upkeep']:.2f} s; {grown['upkeep']:.2f} s at the last",
    )
    yield Line.compare(
        "B4",
        f"the publish of it alone: {ages}",
        *([publish * 1000 for publish in table["publish"]] for table in (grown, young)),
        unit="ms",
        bound=BOUND,
        note="ratios at "
        + "; ".join(f"{number:,} days: {_publish_ratio(ours[str(number)]):.2f}" for number in milestones),
    )


def _publish_ratio(turns: dict[str, Any]) -> float:
    pairs = zip(turns["grown"]["publish"], turns["young"]["publish"], strict=True)
    return statistics.median(grown / young for grown, young in pairs)
