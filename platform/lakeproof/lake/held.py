"""Stages that wait outside `main`: a ledger of their files, and the table as it would be, for any engine to query."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyiceberg.exceptions import ValidationError
from pyiceberg.serializers import ToOutputFile
from pyiceberg.table import StaticTable

from lakeproof.errors import LakeError
from lakeproof.lake.catalog import local_path
from lakeproof.lake.days import day_key, key_day
from lakeproof.lake.evidence import day_evidence, read_evidence
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.files import StoredFile, list_files, read_file, records_of
from lakeproof.lake.output import MAIN, OutputTable, output_of
from lakeproof.lake.publish import replacement

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.lake.days import Day
    from lakeproof.lake.live import LiveDay
    from lakeproof.lake.stage import Staged


CANDIDATE = ".metadata.json"


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
        waiting = held_days(table, {}) if unchanged else {}
        if cleared := [day for day in unchanged if day in waiting]:
            _write_ledger(table, held.only(()), cleared)
        if held.files:
            _write_candidate(table, held)


def _write_ledger(table: IcebergTable, held: Staged, cleared: Collection[Day]) -> None:
    # A file of its own for each: one that is written over can be lost with what it said.
    ledger = f"{records_of(table)}/staging/{held.run}{'-cleared' if cleared else ''}.json"
    record = {
        "format": 1,
        "run": held.run,
        "output": output_of(table),
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
    return f"{records_of(table)}/staging/{run}{CANDIDATE}"


@dataclass(frozen=True)
class Ledger:
    """What one run left waiting, and which older stages it made good.

    Args:
        run: The run's id.
        file: Where it is written.
        held: The days that were held, as they were staged.
        cleared: Days whose older stages no longer wait.
        output: Which output the run was for.
    """

    run: str
    file: StoredFile
    held: Mapping[Day, HeldDay]
    cleared: frozenset[Day]
    output: str

    @property
    def days(self) -> frozenset[Day]:
        """The days it says anything about."""
        return self.cleared | frozenset(self.held)

    @classmethod
    def parse(cls, file: StoredFile, data: bytes) -> Ledger | None:
        """Read a ledger; None when its run was killed while it wrote it, so that it names nothing."""
        try:
            record = json.loads(data)
        except ValueError:
            return None
        run, candidate = record["run"], record["candidate"]
        held = {
            key_day(key): HeldDay(key_day(key), run, tuple(entry["files"]), entry["rows"], candidate)
            for key, entry in record["held"].items()
        }
        return cls(run, file, held, frozenset(key_day(key) for key in record["cleared"]), record.get("output", MAIN))


def held_days(table: IcebergTable, live: Mapping[Day, LiveDay]) -> dict[Day, HeldDay]:
    """Return the held days that nothing later made good: the newest stage of each, if no newer run published it.

    Args:
        table: The Iceberg table.
        live: The table's published days.
    """
    ledgers = [ledger for ledger in read_ledgers(table) if ledger.output == output_of(table)]
    if isinstance(table, OutputTable):
        # What `main` has instead of a day makes nothing good that the output lacks.
        live = {day: of_day for day, of_day in live.items() if day in table.owned}
    return waiting_days(ledgers, live)


def audits_of(table: IcebergTable, run: str, day: Day) -> list[dict[str, Any]]:
    """Return what the audits of a day found, from the evidence of its run."""
    entry = day_evidence(read_evidence(table, run), day)
    return list(entry["audits"]) if entry else []


def holding(table: IcebergTable, stage: HeldDay) -> list[str]:
    """Return what the audits that hold a day found, a line each."""
    return [audit["finding"] for audit in audits_of(table, stage.run, stage.day) if audit["holds"]]


def as_held(table: IcebergTable, stage: HeldDay) -> IcebergTable:
    """Return the table as a held day's candidate has it, whose columns are those that the day was written with.

    A run that was killed may have left none, or half of one; then the table is returned as it is.
    """
    with suppress(FileNotFoundError, ValidationError):
        return StaticTable.from_metadata(stage.candidate, table.io.properties)
    return table


def waiting_days(ledgers: Iterable[Ledger], live: Mapping[Day, LiveDay]) -> dict[Day, HeldDay]:
    """Return, of ledgers in order, the held days that nothing later made good."""
    return {
        day: stage for day, stage in _newest(ledgers).items() if day not in live or (live[day].run or "") < stage.run
    }


def _newest(ledgers: Iterable[Ledger]) -> dict[Day, HeldDay]:
    """Return the newest stage of each day that no later run cleared."""
    newest: dict[Day, HeldDay] = {}
    for ledger in ledgers:
        for day in ledger.cleared:
            newest.pop(day, None)
        newest |= ledger.held
    return newest


def read_ledgers(table: IcebergTable) -> list[Ledger]:
    """Return the table's ledgers, oldest run first."""
    with lake_faults(f"reading the stages of {'.'.join(table.name())}"):
        found = []
        for file in list_files(table.io, f"{records_of(table)}/staging"):
            if file.name.endswith(".json") and not file.name.endswith(CANDIDATE):
                data = read_file(table.io, file.location)
                if data is not None and (ledger := Ledger.parse(file, data)) is not None:
                    found.append(ledger)
        return sorted(found, key=lambda ledger: ledger.run)


def _write_candidate(table: IcebergTable, held: Staged) -> None:
    """Write table metadata in which the held days are published, beside the table, without a commit."""
    location = _candidate(table, held.run)
    with lake_faults(f"writing the candidate {location}"):
        transaction, producer = replacement(table, held, None, {})
        producer.commit()
        ToOutputFile.table_metadata(transaction.table_metadata, table.io.new_output(location), overwrite=True)
