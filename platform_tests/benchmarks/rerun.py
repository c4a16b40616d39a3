"""B6: a day run again with the same rows, against making and comparing it by hand."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from measure import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from setting import Setting


def run(setting: Setting) -> Iterator[Line]:
    """Measure, and yield the lines."""
    data, home = setting.lineitems(), setting.new_home()
    setting.run_job("jobs.lineitem:make", rows=setting.rows, path=data)
    took = setting.run_job("jobs.rerun:rerun", home=home, data=data, rounds=setting.rounds).answer
    shutil.rmtree(home)
    yield Line.compare(
        "B6",
        f"rerun of an unchanged day of {setting.rows:,} rows / make it and join it with the published one",
        took["rerun"],
        took["by_hand"],
        bound=1.0,
        holds=took["new_snapshots"] == 0,
        note=f"{took['new_snapshots']} new snapshots",
    )
