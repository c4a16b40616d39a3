"""B5: the audits of a staged year against one scan that reads the same columns."""

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
    sample = setting.run_job(
        "jobs.publish:audited_year", home=home, data=data, days=setting.year_days, rounds=setting.rounds
    )
    shutil.rmtree(home)
    took = sample.answer
    year = f"{setting.rows:,} rows over {setting.year_days} days"
    yield Line.compare(
        "B5",
        f"8 audits and digest of {year} / one scan that checksums the same columns",
        took["audits"],
        took["scan"],
        bound=2,
    )
    unique = [both - without for both, without in zip(took["with_unique"], took["audits"], strict=True)]
    yield Line.compare(
        "B5",
        "what unique adds to them / a bare GROUP BY … HAVING over the key",
        unique,
        took["group_by"],
        note="told, not bound",
    )
