"""Stages that wait outside `main`: a ledger of their files, and the table as it would be, for any engine to query."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyarrow.fs import FileSelector
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.serializers import ToOutputFile

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


def keep_held(table: IcebergTable, staged: Staged, cleared: Collection[Day]) -> None:
    """Remember the staged days that were refused, and which held days this run made good without a publish.

    Args:
        table: The Iceberg table.
        staged: Only the held days of the run's stage.
        cleared: Days whose published content the run confirmed; a publish needs no such word, its files tell.
    """
    cleared = [day for day in cleared if day in _newest(table)]
    if not staged.files and not cleared:
        return
    ledger = f"{table.location()}/staging/{staged.run}.json"
    with lake_faults(f"writing the ledger {ledger}"):
        record = {
            "run": staged.run,
            "candidate": _write_candidate(table, staged) if staged.files else "",
            "cleared": [day_key(day) for day in cleared],
            "days": {
                day_key(day): {"files": [f.location for f in files], "rows": staged.rows(day)}
                for day, files in staged.files.items()
            },
        }
        with table.io.new_output(ledger).create() as out:
            out.write(json.dumps(record, indent=1).encode())


def held_days(table: IcebergTable, live: Mapping[Day, LiveDay]) -> dict[Day, HeldDay]:
    """Return the held days that nothing later made good: the newest stage of each, if no newer run published it.

    Args:
        table: The Iceberg table.
        live: The table's published days.
    """
    return {day: stage for day, stage in _newest(table).items() if day not in live or (live[day].run or "") < stage.run}


def _newest(table: IcebergTable) -> dict[Day, HeldDay]:
    """Return the newest stage of each day that no later run cleared."""
    newest: dict[Day, HeldDay] = {}
    for record in _ledgers(table):
        for key in record["cleared"]:
            newest.pop(key_day(key), None)
        for key, entry in record["days"].items():
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


def _write_candidate(table: IcebergTable, staged: Staged) -> str:
    location = f"{table.location()}/staging/{staged.run}.metadata.json"
    transaction, producer = replacement(table, staged, None, {})
    producer.commit()
    ToOutputFile.table_metadata(transaction.table_metadata, table.io.new_output(location), overwrite=True)
    return location
