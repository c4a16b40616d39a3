"""How much of the past a table keeps: snapshots by number and age, replaced files by days.

Everything is a property of the table, under Iceberg's own name where it has one, so that a contract's `properties` set
it and other engines heed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from lakeproof.errors import LakeError
from lakeproof.lake.output import is_of_output

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pyiceberg.table.metadata import TableMetadata

MIN_SNAPSHOTS = "history.expire.min-snapshots-to-keep"
MAX_AGE_MS = "history.expire.max-snapshot-age-ms"
MAX_SNAPSHOTS = "lakeproof.max-snapshots"
REPLACED_DAYS = "lakeproof.keep-replaced-days"

RETENTION = {
    MIN_SNAPSHOTS: "10",
    MAX_AGE_MS: "432000000",  # five days, as Iceberg has it
    MAX_SNAPSHOTS: "25",  # every commit reads and writes all of them, so their number is what bounds its time
    REPLACED_DAYS: "30",
}
"""What a table keeps when its contract says nothing else."""


@dataclass(frozen=True)
class Retention:
    """What a table keeps.

    Args:
        min_snapshots: The newest snapshots that are kept whatever their age.
        max_age: How long a snapshot is kept beyond those.
        max_snapshots: How many are kept at most, besides those that a branch or tag names.
        replaced: How long data files are kept after the run began that replaced them.
    """

    min_snapshots: int
    max_age: timedelta
    max_snapshots: int
    replaced: timedelta

    @classmethod
    def of(cls, properties: Mapping[str, str]) -> Retention:
        """Read what a table's properties say.

        Raises:
            LakeError: One of them is not a number that can be kept to.
        """
        return cls(
            min_snapshots=_number(properties, MIN_SNAPSHOTS, 1),
            max_age=timedelta(milliseconds=_number(properties, MAX_AGE_MS, 0)),
            max_snapshots=_number(properties, MAX_SNAPSHOTS, 1),
            replaced=timedelta(days=_number(properties, REPLACED_DAYS, 0)),
        )

    def expired(self, metadata: TableMetadata, now: datetime, *, adding: int = 0) -> list[int]:
        """Return the snapshots to let go, oldest first.

        Never the head, and never what a branch or tag names. A branch that is made at the head while this is decided is
        safe as well: whoever commits what is returned here also demands that the head is still the same.

        Args:
            metadata: The table's metadata.
            now: The time to judge ages by.
            adding: How many snapshots the same commit adds.
        """
        named = _named(metadata)
        oldest = (now - self.max_age).timestamp() * 1000
        own = [snapshot for snapshot in metadata.snapshots if not is_of_output(snapshot)]
        newest_first = sorted(own, key=lambda snapshot: snapshot.sequence_number or 0, reverse=True)
        gone = [
            snapshot.snapshot_id
            for place, snapshot in enumerate(newest_first, adding)
            if snapshot.snapshot_id not in named
            and (place >= self.max_snapshots or (place >= self.min_snapshots and snapshot.timestamp_ms < oldest))
        ]
        return [*superseded(metadata), *gone[::-1]]


def superseded(metadata: TableMetadata, output: str | None = None) -> list[int]:
    """Return the snapshots that an output, or any, has no use for: all but the one that its branch is at."""
    named = _named(metadata)
    return [s.snapshot_id for s in metadata.snapshots if s.snapshot_id not in named and is_of_output(s, output)]


def _named(metadata: TableMetadata) -> set[int | None]:
    return {ref.snapshot_id for ref in metadata.refs.values()} | {metadata.current_snapshot_id}


def _number(properties: Mapping[str, str], name: str, least: int) -> int:
    value = properties.get(name, RETENTION[name])
    try:
        number = int(value)
    except ValueError:
        number = least - 1
    if number < least:
        msg = f"The table property {name} is {value!r}, which is no whole number of at least {least}."
        raise LakeError(msg, next_step="set it right in the contract's properties, or in the catalog")
    return number
