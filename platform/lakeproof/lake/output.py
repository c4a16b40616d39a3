"""A table as an output has it: the output's own days from a line beside `main`, and every other day from `main`.

The line is a branch of the table. Where its columns are not those of `main`, or it was asked for, it is a table of its
own: a branch shares its table's columns. Each commit to a line names, in its snapshot, a ledger of the days that the
output owns, so that the two cannot disagree.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType

from lakeproof.errors import LakeError
from lakeproof.lake.days import day_key, key_day
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.files import read_file, records_of
from lakeproof.verdict import Content

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

    from lakeproof.lake.days import Day

MAIN = MAIN_BRANCH
"""The output that readers see."""

OUTPUT_KEY = "lakeproof.output"
"""In a snapshot's summary, and in the properties of a table that is a line: the output's name."""

LEDGER_KEY = "lakeproof.output-ledger"
"""In a snapshot's summary: where the output's ledger lies."""

TABLE_KEY = "lakeproof.output-table."
"""Before an output's name, in the properties of a table: the name of the table that is the output's line."""

COMPARED = ".compared.json"
"""How the name of a file ends that says what was compared, in the folder of an output's ledgers."""

FORKED_KEY = "lakeproof.output-forked-at-column"
"""In the properties of a table that is a line: the last column's id of `main` as it was forked."""


@dataclass(frozen=True)
class OwnedDay:
    """A day that an output has of its own.

    Args:
        day: The day.
        run: The run that judged its files, and made them unless the output showed these rows already.
        evidence: The SHA-256 of that run's evidence.
        content: The digest of its rows.
        base: The digest of the files that `main` had for the day when that run began; None when it had none.
        base_run: The run that had published those.
    """

    day: Day
    run: str
    evidence: str
    content: Content
    base: str | None
    base_run: str | None


@dataclass(frozen=True)
class OutputLedger:
    """The days that an output owns in a table.

    Args:
        began: The run that made the line, which tells it from another that had the same name.
        written: The run that last wrote to it.
        days: The days.
    """

    began: str
    written: str
    days: Mapping[Day, OwnedDay] = field(default_factory=dict)

    def as_json(self, output: str, table: str) -> bytes:
        """Return the ledger as it is stored."""
        days = {
            day_key(day): {k: v for k, v in asdict(owned).items() if k != "day"} for day, owned in self.days.items()
        }
        told = {"format": 1, "output": output, "table": table, "began": self.began, "written": self.written}
        return json.dumps(told | {"days": days}, indent=1).encode()

    @classmethod
    def parse(cls, data: bytes) -> OutputLedger:
        """Read a stored ledger."""
        told = json.loads(data)
        days = {
            key_day(key): OwnedDay(**entry | {"day": key_day(key), "content": Content(**entry["content"])})
            for key, entry in told["days"].items()
        }
        return cls(told["began"], told["written"], days)


class OutputTable(IcebergTable):
    """A table as an output has it. Its columns are those of the output's line.

    Args:
        main: The table as readers have it.
        output: The output's name.
        line: The stored table that holds the line: `main` itself for a branch.
        head: The line's head; None before the output's first commit to this table.
        ledger: The days that the output owns; None before its first.
        metadata: The metadata to show in place of the stored: with columns that are not stored yet.
    """

    def __init__(
        self,
        main: IcebergTable,
        output: str,
        line: IcebergTable,
        head: Snapshot | None,
        ledger: OutputLedger | None,
        metadata: TableMetadata | None = None,
    ) -> None:
        super().__init__(main.name(), metadata or line.metadata, line.metadata_location, main.io, main.catalog)
        self.main = main
        self.output = output
        self.line = line
        self.head = head
        self.ledger = ledger

    @classmethod
    def of(cls, main: IcebergTable, output: str) -> OutputTable:
        """Return a table as an output has it.

        Raises:
            LakeError: A branch of that name is not an output's; the ledger is gone; or the line's columns and those of
                `main` have become others under the same ids.
        """
        line = line_table(main, output) or main
        if line is not main:
            _demand_columns(main, line, output)
            head = line.current_snapshot()
        else:
            head = line.metadata.snapshot_by_name(output)
            if head is not None and not is_of_output(head, output):
                msg = f"{'.'.join(main.name())} has a branch {output!r} that is not an output of Lakeproof."
                raise LakeError(msg, next_step="choose another name for the output")
        return cls(main, output, line, head, _ledger_of(main, head, output))

    @property
    def owned(self) -> Mapping[Day, OwnedDay]:
        """The days that the output owns."""
        return self.ledger.days if self.ledger else {}

    @property
    def is_branch(self) -> bool:
        """Whether the line is, or would be, a branch of the table, and not a table of its own."""
        return self.line is self.main

    @property
    def line_name(self) -> str:
        """The name of the stored table that holds the line."""
        return ".".join(self.line.name())

    @property
    def branch(self) -> str:
        """The branch of the stored table that the line is."""
        return self.output if self.is_branch else MAIN

    def current_snapshot(self) -> Snapshot | None:
        """Return the line's head, or that of `main` where the output has no line yet."""
        return self.head or self.main.current_snapshot()

    def declared(self, metadata: TableMetadata) -> OutputTable:
        """Return the same with other metadata to show."""
        return OutputTable(self.main, self.output, self.line, self.head, self.ledger, metadata)

    def refresh(self) -> OutputTable:
        """Return the table as the output has it now."""
        return OutputTable.of(self.main.catalog.load_table(self.name()), self.output)


def output_of(table: IcebergTable) -> str:
    """Return which output a table was opened for."""
    return table.output if isinstance(table, OutputTable) else MAIN


def line_table(main: IcebergTable, output: str) -> IcebergTable | None:
    """Return the table that is an output's line; None when the line is a branch, or there is none.

    Raises:
        LakeError: The catalog cannot be used, or another tool dropped that table.
    """
    name = main.properties.get(TABLE_KEY + output)
    if name is None:
        return None
    with lake_faults(f"reading table {name}"):
        try:
            return main.catalog.load_table(name)
        except NoSuchTableError as error:
            msg = f"{'.'.join(main.name())}: the table {name}, which holds output {output}, is gone."
            raise LakeError(msg, readers="see what they saw before", next_step=f"lakeproof discard {output}") from error


def is_line(table: IcebergTable) -> bool:
    """Whether a table of the catalog is an output's line, and no table of its own."""
    return OUTPUT_KEY in table.properties


def is_of_output(snapshot: Snapshot, output: str | None = None) -> bool:
    """Whether a snapshot was committed to an output's line.

    Args:
        snapshot: The snapshot.
        output: The output; None for any.
    """
    name = summary_of(snapshot).get(OUTPUT_KEY)
    return name is not None and output in {None, name}


def summary_of(snapshot: Snapshot) -> Mapping[str, str]:
    """Return what a snapshot says of itself."""
    return snapshot.summary.additional_properties if snapshot.summary else {}


def outputs_of(main: IcebergTable) -> Iterator[str]:
    """Yield the names of the outputs that have a line in a table."""
    for name, ref in main.metadata.refs.items():
        snapshot = main.metadata.snapshot_by_id(ref.snapshot_id)
        is_branch = ref.snapshot_ref_type == SnapshotRefType.BRANCH and name != MAIN
        if is_branch and TABLE_KEY + name not in main.properties and snapshot and is_of_output(snapshot, name):
            yield name
    yield from (name.removeprefix(TABLE_KEY) for name in main.properties if name.startswith(TABLE_KEY))


def ledger_location(table: IcebergTable, output: str, name: str) -> str:
    """Return where a ledger lies."""
    return f"{records_of(table)}/outputs/{output}/{name}.json"


def _ledger_of(main: IcebergTable, head: Snapshot | None, output: str) -> OutputLedger | None:
    location = summary_of(head).get(LEDGER_KEY) if head else None
    if location is None:
        return None
    with lake_faults(f"reading the ledger of output {output}"):
        data = read_file(main.io, location)
    try:
        return OutputLedger.parse(data or b"")
    except (ValueError, LookupError, TypeError) as error:
        msg = f"{'.'.join(main.name())}: the ledger of output {output} is gone or damaged: {location}."
        raise LakeError(msg, readers="see what they saw before", next_step=f"lakeproof discard {output}") from error


def _demand_columns(main: IcebergTable, line: IcebergTable, output: str) -> None:
    """Refuse a line whose new columns have ids that `main` has given to others since."""
    forked = int(line.properties.get(FORKED_KEY, "0"))
    ours: dict[int, Any] = {f.field_id: (f.name, f.field_type) for f in line.schema().fields if f.field_id > forked}
    theirs = {f.field_id: (f.name, f.field_type) for f in main.schema().fields}
    if clash := [number for number, column in ours.items() if theirs.get(number, column) != column]:
        names = ", ".join(ours[number][0] for number in clash)
        msg = f"{'.'.join(main.name())}: its columns changed since output {output} added {names} of its own."
        remedy = f"lakeproof discard {output}, then run it again"
        raise LakeError(msg, readers="see what they saw before", next_step=remedy)
