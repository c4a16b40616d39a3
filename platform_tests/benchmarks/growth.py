"""B4: how long it takes to publish a day when twenty years of days are there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from measure import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from setting import Setting

BOUND = 1.5


def run(setting: Setting) -> Iterator[Line]:
    """Measure, and yield the lines."""
    home = setting.new_home()
    milestones, latencies = list(setting.milestones), setting.latencies
    ours = setting.run_job("jobs.growth:grow", home=home, milestones=milestones, latencies=latencies).answer
    shutil.rmtree(home)
    at = {number: ours["milestones"][str(number)] for number in milestones}
    for found in at.values():
        found["share"] = found["upkeep"] / setting.upkeep_every
    first, last = at[milestones[0]], at[milestones[-1]]
    spread = f"an upkeep every {setting.upkeep_every} publishes"
    upkeep = f"{spread}: {first['upkeep']:.2f} s; {last['upkeep']:.2f} s at the last"
    alone = "; ".join(f"{number:,} days: {found['publish'] * 1000:.0f} ms" for number, found in at.items())
    for what, late, early, note in (
        (
            "a day's run, its share of upkeep included",
            last["whole"] + last["share"],
            first["whole"] + first["share"],
            upkeep,
        ),
        ("the publish of it alone", last["publish"], first["publish"], alone),
    ):
        yield Line(
            "B4",
            f"{what}: at {milestones[-1]:,} days / at {milestones[0]:,}",
            ours=late * 1000,
            other=early * 1000,
            unit="ms",
            ratio=late / early,
            bound=BOUND,
            met=late <= BOUND * early,
            note=note,
        )
    home = setting.new_home()
    stock = setting.run_job(
        "jobs.growth:stock", home=home, milestones=milestones, latencies=latencies, seconds=setting.stock_seconds
    ).answer
    shutil.rmtree(home)
    yield Line(
        "B4",
        f"stock PyIceberg overwrite: at {stock['days']:,} days / at {milestones[0]:,}",
        ours=stock["last"] * 1000,
        other=stock["first"] * 1000,
        unit="ms",
        ratio=stock["last"] / stock["first"],
        note=f"as far as it got in {setting.stock_seconds:.0f} s",
    )
