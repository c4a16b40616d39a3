"""The one place that builds on PyIceberg's private snapshot producer: replace exactly some days, by metadata alone.

PyIceberg 0.12 overwrites a partition by two snapshots (delete, append), cannot replace a day by an empty one, and
carries delete-only manifests for ever. `ReplaceDays` makes one snapshot, plans it anew against the current head on each
attempt, and folds the manifests of every stretch it touches into one, so that planning stays flat as days add up. The
snapshots that the table's retention no longer keeps go in the same commit, so that its metadata stays flat, too.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.manifest import ManifestContent, ManifestEntry, ManifestEntryStatus
from pyiceberg.table import Transaction
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update import (
    AddSchemaUpdate,
    AssertRefSnapshotId,
    RemoveSnapshotsUpdate,
    SetCurrentSchemaUpdate,
    SetDefaultSortOrderUpdate,
    _apply_table_update,
    _TableMetadataUpdateContext,
)
from pyiceberg.table.update.snapshot import _SnapshotProducer
from pyiceberg.utils.datetime import days_to_date

from lakeproof.errors import LakeError
from lakeproof.lake.manifests import Listed, listed_manifests
from lakeproof.lake.retention import Retention, superseded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pyiceberg.io import FileIO
    from pyiceberg.manifest import DataFile, ManifestFile
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.update import TableUpdate, UpdatesAndRequirements

    from lakeproof.lake.days import Day

STRETCHES = ((36, 12), (12, 3))
"""After how many months days share a manifest with those of so many months; younger ones with those of their month."""


class DaysMovedError(Exception):
    """Days were published by another run since this one looked."""

    def __init__(self, days: set[Day]) -> None:
        super().__init__(f"moved: {sorted(map(str, days))}")
        self.days = days


class MemoizedTransaction(Transaction):
    """A transaction that applies its updates once, not to a deep copy of the metadata at each of some sixteen looks."""

    _seen: tuple[TableMetadata, tuple[TableUpdate, ...], TableMetadata] | None = None
    replans = True
    """Whether a lost commit may be planned anew by PyIceberg; if not, whoever began it has to."""

    @property
    def table_metadata(self) -> TableMetadata:
        """The metadata with the updates staged so far; it is never changed in place, so none is copied."""
        base, staged = self._table.metadata, self._updates
        if self._seen is None or self._seen[0] is not base or self._seen[1] is not staged:
            metadata, context = base, _TableMetadataUpdateContext()
            for update in staged:
                metadata = _apply_table_update(update, metadata, context)
            self._seen = (base, staged, metadata)
        return self._seen[2]

    def _rebuild_snapshot_updates(self) -> None:
        """Plan anew after a lost commit, with what expires: its winner may have let the same snapshots go.

        Where the schema changes too, give up: PyIceberg would plan the snapshot anew, and not the schema.
        """
        if not self.replans or any(
            isinstance(update, AddSchemaUpdate | SetCurrentSchemaUpdate | SetDefaultSortOrderUpdate)
            for update in self._updates
        ):
            msg = "another commit came first; all of this one has to be planned anew"
            raise CommitFailedException(msg)
        self._updates = tuple(update for update in self._updates if not isinstance(update, RemoveSnapshotsUpdate))
        super()._rebuild_snapshot_updates()


def day_of(data_file: DataFile) -> Day:
    """Return the day a data file belongs to: its first partition value, None when the table is unpartitioned."""
    values = data_file.partition
    if len(values) == 0:
        return None
    value = values[0]
    return value if isinstance(value, date) or value is None else days_to_date(value)


class ReplaceDays(_SnapshotProducer["ReplaceDays"]):
    """One snapshot in which the files of each given day are exactly the given ones.

    Args:
        transaction: The transaction the snapshot becomes part of.
        io: The table's file IO.
        files: The new files of each day; None stands for the whole of an unpartitioned table.
        base: For compare-and-swap, the paths each day had when the run began, and those of days that are only read;
            None to compare nothing.
        properties: What to add to the snapshot's summary.
        branch: The branch to commit to; it is there, or the transaction makes it.

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
        properties: Mapping[str, str],
        branch: str = MAIN_BRANCH,
    ) -> None:
        super().__init__(Operation.OVERWRITE, transaction, io, snapshot_properties=dict(properties), branch=branch)
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
        concerned = {**self._files, **(self._base or {})}
        days, whole = sorted(day for day in concerned if day is not None), None in concerned
        head = list(self._head_manifests())
        folds = Folds([*days, *(listed.bounds[1] for listed in head if listed.bounds)])
        touched = {folds.of(day) for day in days}
        kept: dict[Any, list[ManifestFile]] = defaultdict(list)
        read: list[ManifestFile] = []
        for listed in head:
            fold = folds.around(listed)
            if not whole and not listed.may_hold(days) and fold not in touched:
                kept[fold].append(listed.manifest)
            else:
                read.append(listed.manifest)
        # One stretch a commit that is in pieces, as months are that have become old: so that no commit pays for many.
        pieces = next((fold for fold, manifests in kept.items() if fold is not None and len(manifests) > 1), None)
        read += kept.pop(pieces, []) if pieces else []
        entries, found = self._entries(read, folds)
        self._compare(found)
        for day, data_files in self._files.items():
            entries[folds.of(day)].extend(self._added(data_file) for data_file in data_files)
        written = [self._write(stretch) for stretch in entries.values() if stretch]
        return [*written, *(manifest for manifests in kept.values() for manifest in manifests)]

    def _entries(
        self, manifests: Sequence[ManifestFile], folds: Folds
    ) -> tuple[dict[Any, list[ManifestEntry]], dict[Day, set[str]]]:
        """Return what becomes of the entries of manifests, by stretch, and the paths that each of their days has."""
        entries: dict[Any, list[ManifestEntry]] = defaultdict(list)
        found: dict[Day, set[str]] = defaultdict(set)
        for manifest in manifests:
            for entry in manifest.fetch_manifest_entry(self._io, discard_deleted=True):
                day = day_of(entry.data_file)
                found[day].add(entry.data_file.file_path)
                status = ManifestEntryStatus.DELETED if day in self._files else ManifestEntryStatus.EXISTING
                if status is ManifestEntryStatus.DELETED:
                    self._deleted_data_files.add(entry.data_file)
                entries[folds.of(day)].append(self._with_status(entry, status))
        return entries, found

    def _head_manifests(self) -> Iterator[Listed]:
        """Yield the head's manifests that hold live files."""
        metadata = self._transaction.table_metadata
        head = None if self._parent_snapshot_id is None else metadata.snapshot_by_id(self._parent_snapshot_id)
        for listed in listed_manifests(self._io, head) if head else ():
            manifest = listed.manifest
            if manifest.content != ManifestContent.DATA:
                msg = "The table holds row-level deletes of another engine; a day cannot be replaced under them."
                raise LakeError(msg, next_step="compact the table with that engine, then run the day again")
            if manifest.partition_spec_id != metadata.default_spec_id:
                msg = "The table holds files of another partition layout."
                raise LakeError(msg, next_step="rewrite them with the engine that wrote them, then run the day again")
            if manifest.has_added_files() or manifest.has_existing_files():
                yield listed

    def _commit(self) -> UpdatesAndRequirements:
        """Add the snapshot, and let go what the table's retention no longer keeps beside it."""
        updates, requirements = super()._commit()
        output = None if self._target_branch == MAIN_BRANCH else self._target_branch
        removal = _removal(self._transaction.table_metadata, datetime.now(UTC), adding=1, output=output)
        return (*updates, *removal), requirements

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


def expire_snapshots(table: IcebergTable, now: datetime) -> None:
    """Let go what the table's retention no longer keeps, in a commit of its own.

    Raises:
        Exception: Another commit came first; `is_conflict` knows which those are.
    """
    if updates := _removal(table.metadata, now):
        head = AssertRefSnapshotId.model_validate(
            {"ref": MAIN_BRANCH, "snapshot-id": table.metadata.current_snapshot_id}
        )
        transaction = MemoizedTransaction(table)
        transaction._apply(updates, (head,))  # noqa: SLF001 - as above
        transaction.commit_transaction()


def _removal(
    metadata: TableMetadata, now: datetime, *, adding: int = 0, output: str | None = None
) -> tuple[RemoveSnapshotsUpdate, ...]:
    """Let go what retention does not keep; a commit to an output, only what that output has superseded."""
    retention = Retention.of(metadata.properties)
    expired = superseded(metadata, output) if output else retention.expired(metadata, now, adding=adding)
    return (RemoveSnapshotsUpdate.model_validate({"snapshot-ids": expired}),) if expired else ()


class Folds:
    """Which stretch of days each manifest is for: a month of the last year, a quarter of the two before, then a year.

    Every commit writes the list of all manifests, and rewrites the ones it touches: fewer make the one cheaper and the
    other dearer. Old days are seldom touched.

    Args:
        days: Days of the table, the newest among them.
    """

    def __init__(self, days: Sequence[date]) -> None:
        self._newest = max(map(_month, days), default=0)

    def of(self, day: Day) -> tuple[int, int] | None:
        """Return the stretch of a day, as its first month and its length in months."""
        if day is None:
            return None
        month = _month(day)
        for age, length in STRETCHES:
            first = month - month % length
            if first + length <= self._newest - age:
                return first, length
        return month, 1

    def around(self, listed: Listed) -> tuple[int, int] | None:
        """Return the stretch that a manifest lies in; None when it does not lie in one."""
        if listed.bounds is None:
            return None
        first, last = map(self.of, listed.bounds)
        return first if first == last else None


def _month(day: date) -> int:
    return 12 * day.year + day.month - 1
