"""What a table's metadata leads to: every file that a reader of any snapshot, branch, tag or candidate may open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyiceberg.exceptions import ValidationError
from pyiceberg.table import StaticTable

from lakeproof.lake.files import key_of
from lakeproof.lake.manifests import listed_manifests, live_files
from lakeproof.lake.output import LEDGER_KEY, line_table, outputs_of, summary_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

    from lakeproof.lake.days import Day
    from lakeproof.lake.live import LiveDay

LIVE = "published"
EARLIER = "an earlier snapshot"
METADATA = "table metadata"
CANDIDATE = "a held day's candidate"


class Reach:
    """The files that a table's metadata leads to, each with the first reason that was found for it.

    Args:
        table: The Iceberg table, as it is now.
        live: Its published days, at the same snapshot.
    """

    def __init__(self, table: IcebergTable, live: Mapping[Day, LiveDay]) -> None:
        self._table = table
        self.reasons: dict[str, str] = {}
        metadata = table.metadata
        self._add_metadata(table, METADATA)
        head = metadata.current_snapshot()
        if head is not None:
            self._add(head.manifest_list, LIVE)
            for listed in listed_manifests(table.io, head):
                self._add(listed.manifest.manifest_path, LIVE)
            for location in (location for day in live.values() for location in day.locations):
                self._add(location, LIVE)
        for output in outputs_of(table):
            line = line_table(table, output)
            if line is not None:
                self._add_line(line, f"output {output}")
        named = {ref.snapshot_id: f"{ref.snapshot_ref_type} {name}" for name, ref in metadata.refs.items()}
        for snapshot in sorted(metadata.snapshots, key=lambda snapshot: snapshot.snapshot_id not in named):
            self._add_snapshot(snapshot, named.get(snapshot.snapshot_id, EARLIER))

    def __contains__(self, location: str) -> bool:
        return key_of(location) in self.reasons

    def reason(self, location: str) -> str | None:
        """Return why a file is needed; None when nothing leads to it."""
        return self.reasons.get(key_of(location))

    def _add_line(self, line: IcebergTable, reason: str) -> None:
        """Add what an output's own table leads to: its files lie in this table's folders."""
        self._add_metadata(line, reason)
        for snapshot in line.metadata.snapshots:
            self._add_snapshot(snapshot, reason)

    def _add_metadata(self, table: IcebergTable, reason: str) -> None:
        """Add a table's metadata, as it is and as far as it remembers what it was, and its statistics."""
        metadata = table.metadata
        for location in (table.metadata_location, *(entry.metadata_file for entry in metadata.metadata_log)):
            self._add(location, reason)
        for statistics in (*metadata.statistics, *metadata.partition_statistics):
            self._add(statistics.statistics_path, reason)

    def add_candidate(self, location: str) -> None:
        """Add what a candidate leads to, as far as it still can be read: it is no part of the table."""
        try:
            metadata: TableMetadata = StaticTable.from_metadata(location, dict(self._table.io.properties)).metadata
            snapshot = metadata.current_snapshot()
            if snapshot is not None:
                self._add_snapshot(snapshot, CANDIDATE)
        except (FileNotFoundError, ValueError, ValidationError):
            return
        self._add(location, CANDIDATE)

    def _add(self, location: str, reason: str) -> bool:
        """Remember a file; whether it is new."""
        key = key_of(location)
        new = key not in self.reasons
        if new:
            self.reasons[key] = reason
        return new

    def _add_snapshot(self, snapshot: Snapshot, reason: str) -> None:
        self._add(snapshot.manifest_list, reason)
        if (ledger := summary_of(snapshot).get(LEDGER_KEY)) is not None:
            self._add(ledger, reason)
        for listed in listed_manifests(self._table.io, snapshot):
            if self._add(listed.manifest.manifest_path, reason):
                for file in live_files(self._table.io, listed.manifest):
                    self._add(file.file_path, reason)
