"""Stages that wait outside `main`: a ledger of their files, and the table as it would be, for any engine to query."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyarrow.fs import FileSelector
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.serializers import ToOutputFile
from pyiceberg.table import StaticTable

from lakeproof.errors import LakeError
from lakeproof.lake.catalog import local_path
from lakeproof.lake.evidence import day_key, key_day
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.publish import replacement

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.lake.live import LiveDay
    from lakeproof.lake.replace import Day
    from lakeproof.lake.stage import Staged


@dataclass(frozen=True)
class HeldDay:
    """A staged day that was refused, and still waits.

    Args:
        day: The day; None for an unpartitioned table.
        run: The run that staged it.
        locations: Its data files.
        rows: How many rows they hold.
        candidate: Table metadata in which the run's held days are published; any engine reads it by path.
    """

    day: Day
    run: str
    locations: tuple[str, ...]
    rows: int
    candidate: str

    @property
    def paths(self) -> tuple[str, ...]:
        """The data files, as other libraries take them."""
        return tuple(local_path(location) for location in self.locations)


def keep_held(table: IcebergTable, held: Staged) -> None:
    """Remember the staged days of a run that were refused, before anything of it is published.

    Args:
        table: The Iceberg table.
        held: Only the held days of the run's stage; with none, nothing is written.
    """
    if held.files:
        _write_ledger(table, held, [])


def finish_held(table: IcebergTable, held: Staged, unchanged: Collection[Day]) -> None:
    """After the publish, write the candidate of what is held, and clear held days that the run made good.

    A publish needs no clearing: its files tell. What fails here takes nothing from readers, who have what was published
    and what was not, so it must not make the run look refused.

    Args:
        table: The Iceberg table, as it is after the publish.
        held: Only the held days of the run's stage.
        unchanged: Days whose published content the run confirmed.
    """
    with suppress(LakeError):
        waiting = _newest(table) if unchanged else {}
        if cleared := [day for day in unchanged if day in waiting]:
            _write_ledger(table, held, cleared)
        if held.files:
            _write_candidate(table, held)


def _write_ledger(table: IcebergTable, held: Staged, cleared: Collection[Day]) -> None:
    ledger = f"{table.location()}/staging/{held.run}.json"
    record = {
        "format": 1,
        "run": held.run,
        "candidate": _candidate(table, held.run) if held.files else None,
        "cleared": [day_key(day) for day in cleared],
        "held": {
            day_key(day): {"files": [f.location for f in files], "rows": held.rows(day)}
            for day, files in held.files.items()
        },
    }
    with lake_faults(f"writing the ledger {ledger}"), table.io.new_output(ledger).create(overwrite=True) as out:
        out.write(json.dumps(record, indent=1).encode())


def _candidate(table: IcebergTable, run: str) -> str:
    return f"{table.location()}/staging/{run}.metadata.json"


def held_days(table: IcebergTable, live: Mapping[Day, LiveDay]) -> dict[Day, HeldDay]:
    """Return the held days that nothing later made good: the newest stage of each, if no newer run published it.

    Args:
        table: The Iceberg table.
        live: The table's published days.
    """
    return {day: stage for day, stage in _newest(table).items() if day not in live or (live[day].run or "") < stage.run}


def as_held(table: IcebergTable, stage: HeldDay) -> IcebergTable:
    """Return the table as a held day's candidate has it, whose columns are those that the day was written with.

    A run that was killed may have left none; then the table is returned as it is.
    """
    with suppress(FileNotFoundError):
        return StaticTable.from_metadata(stage.candidate, table.io.properties)
    return table


def _newest(table: IcebergTable) -> dict[Day, HeldDay]:
    """Return the newest stage of each day that no later run cleared."""
    newest: dict[Day, HeldDay] = {}
    for record in _ledgers(table):
        for key in record["cleared"]:
            newest.pop(key_day(key), None)
        for key, entry in record["held"].items():
            day = key_day(key)
            newest[day] = HeldDay(day, record["run"], tuple(entry["files"]), entry["rows"], record["candidate"])
    return newest


def _ledgers(table: IcebergTable) -> list[dict[str, Any]]:
    """Return the table's ledgers, oldest run first."""
    with lake_faults(f"reading the stages of {'.'.join(table.name())}"):
        io, folder = table.io, f"{table.location()}/staging"
        assert isinstance(io, PyArrowFileIO)  # noqa: S101 - what PyIceberg gives for local files and buckets alike
        scheme, netloc, path = PyArrowFileIO.parse_location(folder)
        listing = io.fs_by_scheme(scheme, netloc).get_file_info(FileSelector(path, allow_not_found=True))
        names = sorted(
            info.base_name
            for info in listing
            if info.extension == "json" and not info.base_name.endswith(".metadata.json")
        )
        records = []
        for name in names:
            with suppress(FileNotFoundError), io.new_input(f"{folder}/{name}").open() as stream:
                records.append(json.loads(stream.read()))
        return records


def _write_candidate(table: IcebergTable, held: Staged) -> None:
    """Write table metadata in which the held days are published, beside the table, without a commit."""
    location = _candidate(table, held.run)
    with lake_faults(f"writing the candidate {location}"):
        transaction, producer = replacement(table, held, None, {})
        producer.commit()
        ToOutputFile.table_metadata(transaction.table_metadata, table.io.new_output(location), overwrite=True)
