"""The one place that builds on PyIceberg's private snapshot producer: replace exactly some days, by metadata alone.

PyIceberg 0.12 overwrites a partition by two snapshots (delete, append), cannot replace a day by an empty one, and
carries delete-only manifests for ever. `ReplaceDays` makes one snapshot, plans it anew against the current head on each
attempt, and folds the manifests of every month it touches into one, so that planning stays flat as days add up.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import TYPE_CHECKING, Any

from pyiceberg.conversions import from_bytes
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.manifest import ManifestContent, ManifestEntry, ManifestEntryStatus
from pyiceberg.table import Transaction
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update import AddSchemaUpdate, SetCurrentSchemaUpdate, SetDefaultSortOrderUpdate
from pyiceberg.table.update.snapshot import _SnapshotProducer
from pyiceberg.types import DateType
from pyiceberg.utils.datetime import days_to_date

from lakeproof.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile, ManifestFile
    from pyiceberg.table.metadata import TableMetadata

Day = date | None
"""A day of a daily table, or None for the whole of an unpartitioned one."""


class DaysMovedError(Exception):
    """Days were published by another run since this one looked."""

    def __init__(self, days: set[Day]) -> None:
        super().__init__(f"moved: {sorted(map(str, days))}")
        self.days = days


class MemoizedTransaction(Transaction):
    """A transaction that applies its updates to a copy of the metadata once, not at each of some sixteen looks."""

    _seen: tuple[TableMetadata, int, TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        """The table's metadata with the updates staged so far."""
        base, staged = self._table.metadata, len(self._updates)
        if not staged:
            return base
        if self._seen is None or self._seen[0] is not base or self._seen[1] != staged:
            self._seen = (base, staged, super().table_metadata)
        return self._seen[2]

    def _rebuild_snapshot_updates(self) -> None:
        """Give up where the schema changes too: PyIceberg would plan the snapshot anew, and not the schema."""
        if any(
            isinstance(update, AddSchemaUpdate | SetCurrentSchemaUpdate | SetDefaultSortOrderUpdate)
            for update in self._updates
        ):
            msg = "another commit came first; the schema has to be planned anew"
            raise CommitFailedException(msg)
        super()._rebuild_snapshot_updates()


def day_of(data_file: DataFile) -> Day:
    """Return the day a data file belongs to: its first partition value, None when the table is unpartitioned."""
    values = data_file.partition
    if len(values) == 0:
        return None
    value = values[0]
    return value if isinstance(value, date) or value is None else days_to_date(value)


def may_hold(manifest: ManifestFile, days: Sequence[date]) -> bool:
    """Whether a manifest's bounds allow it to hold files of a stretch between the first and last of `days`."""
    bounds = _bounds(manifest)
    return bounds is None or not (bounds[1] < min(days) or bounds[0] > max(days))


def _bounds(manifest: ManifestFile) -> tuple[date, date] | None:
    if (
        not manifest.partitions
        or (summary := manifest.partitions[0]).lower_bound is None
        or summary.upper_bound is None
    ):
        return None
    low, high = (int(from_bytes(DateType(), bound)) for bound in (summary.lower_bound, summary.upper_bound))
    return days_to_date(low), days_to_date(high)


class ReplaceDays(_SnapshotProducer["ReplaceDays"]):
    """One snapshot in which the files of each given day are exactly the given ones.

    Args:
        transaction: The transaction the snapshot becomes part of.
        io: The table's file IO.
        files: The new files of each day; None stands for the whole of an unpartitioned table.
        base: For compare-and-swap, the paths each day had when the run began, and those of days that are only read;
            None to compare nothing.
        properties: What to add to the snapshot's summary.

    Raises:
        DaysMovedError: A day's paths are not those of `base`.
        LakeError: Another engine left row-level deletes or another partition layout in the table.
    """

    def __init__(
        self,
        transaction: Transaction,
        io: FileIO,
        *,
        files: Mapping[Day, Sequence[DataFile]],
        base: Mapping[Day, frozenset[str]] | None,
        properties: dict[str, str],
    ) -> None:
        super().__init__(Operation.OVERWRITE, transaction, io, snapshot_properties=properties)
        self._files = files
        self._base = base
        for day_files in files.values():
            self._added_data_files.extend(day_files)

    def _manifests(self) -> list[ManifestFile]:
        """Plan against the current head: keep what is untouched, fold what is touched."""
        spec = self._transaction.table_metadata.default_spec_id
        if any(data_file.spec_id != spec for data_file in self._added_data_files):
            msg = "The table's partition layout changed after the days were staged."
            raise LakeError(msg, next_step="run the same days again")
        self._deleted_data_files = set()
        days = [day for day in {**self._files, **(self._base or {})} if day is not None]
        kept: list[ManifestFile] = []
        entries: dict[Any, list[ManifestEntry]] = defaultdict(list)
        found: dict[Day, set[str]] = defaultdict(set)
        for manifest in self._head_manifests():
            if days and not self._is_touched(manifest, days):
                kept.append(manifest)
                continue
            for entry in manifest.fetch_manifest_entry(self._io, discard_deleted=True):
                day = day_of(entry.data_file)
                found[day].add(entry.data_file.file_path)
                if day in self._files:
                    self._deleted_data_files.add(entry.data_file)
                    entries[_month(day)].append(self._with_status(entry, ManifestEntryStatus.DELETED))
                else:
                    entries[_month(day)].append(self._with_status(entry, ManifestEntryStatus.EXISTING))
        self._compare(found)
        for day, data_files in self._files.items():
            entries[_month(day)].extend(self._added(data_file) for data_file in data_files)
        return [*(self._write(month) for month in entries.values() if month), *kept]

    def _head_manifests(self) -> Iterator[ManifestFile]:
        """Yield the head's manifests that hold live files."""
        metadata = self._transaction.table_metadata
        head = None if self._parent_snapshot_id is None else metadata.snapshot_by_id(self._parent_snapshot_id)
        for manifest in head.manifests(self._io) if head else []:
            if manifest.content != ManifestContent.DATA:
                msg = "The table holds row-level deletes of another engine; a day cannot be replaced under them."
                raise LakeError(msg, next_step="compact the table with that engine, then run the day again")
            if manifest.partition_spec_id != metadata.default_spec_id:
                msg = "The table holds files of another partition layout."
                raise LakeError(msg, next_step="rewrite them with the engine that wrote them, then run the day again")
            if manifest.has_added_files() or manifest.has_existing_files():
                yield manifest

    def _is_touched(self, manifest: ManifestFile, days: list[date]) -> bool:
        """Whether a manifest may hold one of the days, or lies in a month that is being folded."""
        bounds = _bounds(manifest)
        if bounds is None:
            return True
        low, high = bounds
        months = {_month(day) for day in days}
        return any(low <= day <= high for day in days) or (_month(low) == _month(high) and _month(low) in months)

    def _compare(self, found: Mapping[Day, set[str]]) -> None:
        if self._base is not None:
            moved = {day for day, paths in self._base.items() if found.get(day, set()) != paths}
            if moved:
                raise DaysMovedError(moved)

    def _with_status(self, entry: ManifestEntry, status: ManifestEntryStatus) -> ManifestEntry:
        return ManifestEntry.from_args(
            status=status,
            snapshot_id=self.snapshot_id if status is ManifestEntryStatus.DELETED else entry.snapshot_id,
            sequence_number=entry.sequence_number,
            file_sequence_number=entry.file_sequence_number,
            data_file=entry.data_file,
        )

    def _added(self, data_file: DataFile) -> ManifestEntry:
        return ManifestEntry.from_args(
            status=ManifestEntryStatus.ADDED,
            snapshot_id=self.snapshot_id,
            sequence_number=None,
            file_sequence_number=None,
            data_file=data_file,
        )

    def _write(self, entries: list[ManifestEntry]) -> ManifestFile:
        with self.new_manifest_writer(self._transaction.table_metadata.spec()) as writer:
            for entry in entries:
                writer.add_entry(entry)
        return writer.to_manifest_file()

    def _validate_concurrency(self) -> None:
        """Do nothing: planning anew against the head, and comparing with `base`, is the validation."""

    def _existing_manifests(self) -> list[ManifestFile]:
        """Return nothing: `_manifests` plans all of them."""
        return []

    def _deleted_entries(self) -> list[ManifestEntry]:
        """Return nothing: `_manifests` plans all of them."""
        return []


def _month(day: Day) -> tuple[int, int] | None:
    return None if day is None else (day.year, day.month)
