"""How many bytes a table keeps: the data files that its snapshots lead to, and the stages that are held."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from lakeproof.lake.faults import lake_faults
from lakeproof.lake.files import run_began
from lakeproof.lake.held import read_ledgers
from lakeproof.lake.manifests import listed_manifests, live_files
from lakeproof.lake.output import summary_of
from lakeproof.lake.promotion import RESTORED_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from pyiceberg.manifest import ManifestFile
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot

TOTAL, ADDED, REMOVED = "total-files-size", "added-files-size", "removed-files-size"
"""What Iceberg has in a snapshot's summary, in bytes."""


class Kept:
    """How many bytes of data files a table kept, at any instant.

    That is each file that a snapshot led to which was there then and still is, once, and each file of a held stage that
    is still there. Where each snapshot follows the one before, their summaries say it; else their manifests are read.
    Of an instant before all snapshots that are still there, it is what readers had then. Files that no snapshot leads
    to any more are not among them, nor are metadata and evidence.

    Args:
        table: The Iceberg table.
    """

    def __init__(self, table: IcebergTable) -> None:
        self._table = table
        self._snapshots = sorted(table.metadata.snapshots, key=lambda snapshot: snapshot.sequence_number or 0)
        self._files: dict[str, Mapping[str, int]] = {}

    def at(self, instant: datetime) -> int:
        """Return the bytes that it kept at an instant.

        Raises:
            LakeError: The storage refused.
        """
        known = [each for each in self._snapshots if each.timestamp_ms < instant.timestamp() * 1000]
        held = sum(size for began, size in self._held if began < instant)
        if known:
            return held + (_by_summaries(known) if self._in_line(known) else self._by_manifests(known))
        return held + (_before(self._snapshots[0]) if self._snapshots else 0)

    @cached_property
    def _held(self) -> list[tuple[datetime, int]]:
        """When each run began that left a held stage, and the size of what still lies there of it."""
        return [
            (run_began(ledger.run), sum(self._size(at) for stage in ledger.held.values() for at in stage.locations))
            for ledger in read_ledgers(self._table)
        ]

    def _size(self, location: str) -> int:
        with lake_faults(f"looking at {location}"), suppress(FileNotFoundError):
            return len(self._table.io.new_input(location))
        return 0

    def _in_line(self, snapshots: Sequence[Snapshot]) -> bool:
        """Whether each snapshot builds on the one before by files that are new, and says how large they are."""
        told = [summary_of(snapshot) for snapshot in snapshots]
        return all(after.parent_snapshot_id == before.snapshot_id for before, after in pairwise(snapshots)) and all(
            TOTAL in summary and RESTORED_KEY not in summary for summary in told
        )

    def _by_manifests(self, snapshots: Sequence[Snapshot]) -> int:
        files: dict[str, int] = {}
        with lake_faults(f"reading which files {'.'.join(self._table.name())} keeps"):
            for snapshot in snapshots:
                for listed in listed_manifests(self._table.io, snapshot):
                    files |= self._listed(listed.manifest)
        return sum(files.values())

    def _listed(self, manifest: ManifestFile) -> Mapping[str, int]:
        """Return the live files of a manifest, each with its size; kept, since most snapshots share most manifests."""
        if manifest.manifest_path not in self._files:
            found = {file.file_path: file.file_size_in_bytes for file in live_files(self._table.io, manifest)}
            self._files[manifest.manifest_path] = found
        return self._files[manifest.manifest_path]


def _by_summaries(snapshots: Sequence[Snapshot]) -> int:
    added = sum(int(summary_of(snapshot).get(ADDED, 0)) for snapshot in snapshots[1:])
    return int(summary_of(snapshots[0])[TOTAL]) + added


def _before(oldest: Snapshot) -> int:
    """Return what readers had before a snapshot: what it has, without what it added, and with what it removed."""
    told = summary_of(oldest)
    if TOTAL not in told:
        return 0
    return int(told[TOTAL]) - int(told.get(ADDED, 0)) + int(told.get(REMOVED, 0))
