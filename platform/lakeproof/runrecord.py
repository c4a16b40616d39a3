"""What a run leaves as its evidence: what was read, made and judged, by which code, and when."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from lakeproof.lake.days import day_key
from lakeproof.lake.evidence import publisher
from lakeproof.lake.output import output_of
from lakeproof.lake.published import FIRST_KEY, carried
from lakeproof.merge import MERGE_BASE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeproof.docket import Docket
    from lakeproof.lake.days import Day
    from lakeproof.lake.stage import Staged
    from lakeproof.verdict import Verdict
    from lakeproof.work import Work


@cache
def versions() -> Mapping[str, str]:
    """Return the versions of what decides about rows besides the table's own code.

    They are asked for once a process, which goes on with what it has loaded, whatever is installed beneath it.
    """
    packages = ("lakeproof", "duckdb", "polars", "pyarrow", "pyiceberg")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def run_record(
    work: Work,
    staged: Staged,
    verdicts: Mapping[Day, Verdict],
    docket: Docket,
    run: str,
    started: datetime,
    rejected: Mapping[Day, int],
    engine: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the evidence of a run."""
    days = {}
    for day, verdict in verdicts.items():
        files = [
            {"location": f.location, "bytes": f.bytes, "rows": f.rows, "sha256": f.sha256} for f in staged.files[day]
        ]
        days[day_key(day)] = verdict.as_record() | {"files": files}
        if work.merge is not None:
            days[day_key(day)]["merged"] = vars(work.merge.merged)
    inputs = {name: reader.record() for name, reader in work.readers.items()} | dict(work.waited)
    if work.merge is not None:
        inputs[MERGE_BASE] = work.merge.record(docket.table)
    return {
        "format": 1,
        "table": work.table.name,
        "output": output_of(docket.table),
        "run": run,
        "dagster_run": work.dagster_run,
        "publisher": publisher(),
        "versions": dict(versions()),
        "engine": dict(engine),
        "code": work.maker.code,
        "contract": work.table.record(),
        "started": started,
        "audited": datetime.now(UTC),
        "used": work.meter.used().as_record(),
        "inputs": inputs,
        "referred": {name: referred.record() for name, referred in docket.referred.items()},
        "history": {day_key(day): vars(content) for day, content in docket.contents.items()},
        "waived": {day_key(day): dict(waived) for day, waived in work.waived.items() if day in staged.files},
        "readiness_ignored": {
            "reason": work.why_unready,
            "days": {day_key(day): list(lacks) for day, lacks in work.unready.items() if day in staged.files},
        },
        "rejected": {day_key(day): rows for day, rows in rejected.items()},
        FIRST_KEY: carried(docket.table, work.days),
        "days": days,
    }
