"""A run's claim on the files it is writing, so that upkeep knows a run at work from one that was killed.

Before its first file a run writes `<table>/staging/<run>.running`, and removes it as the last thing it does. On a local
disk its process also locks that file, so that the moment it is killed, however, everybody sees that it is dead. In a
bucket, and on another machine, a run is dead when it did not renew its claim for a day.
"""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyiceberg.io.pyarrow import PyArrowFileIO

from lakeproof.errors import LakeError
from lakeproof.lake.days import day_key, key_day
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.files import RUN, StoredFile, list_files, read_file, records_of, run_began
from lakeproof.lake.lock import lock_if_free, lock_new
from lakeproof.lake.output import MAIN, output_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.lake.days import Day

SUFFIX = ".running"
LEASE = timedelta(hours=24)
"""How long a run whose lock cannot be asked is taken to be alive after it last renewed its claim."""

RENEW_SECONDS = 60


class Claim:
    """A run's claim, held from before its first file to after its last.

    Args:
        table: The Iceberg table.
        run: The run's id.
        days: The days it makes, for whoever waits for them.

    Raises:
        LakeError: The storage refused.
    """

    def __init__(self, table: IcebergTable, run: str, days: Iterable[Day] = ()) -> None:
        self.commits = False
        self._table = table
        self._record = {"format": 1, "run": run, "host": platform.node(), "pid": os.getpid(), "started": _now()}
        self._record |= {"output": output_of(table), "days": [day_key(day) for day in days]}
        self.location = f"{records_of(table)}/staging/{run}{SUFFIX}"
        self._lock = None
        if _is_local(self.location):
            with lake_faults(f"writing {self.location}"):
                self._lock = lock_new(_path(self.location), self._bytes())
        if self._lock is None:
            self._write()
        self._renewed = time.monotonic()

    def commit(self) -> None:
        """Renew the claim: from here on, what the run wrote may be what readers see.

        Raises:
            LakeError: The run was taken for dead and its files were removed.
        """
        self.commits = True
        try:
            self.renew()
        except BaseException:
            self.commits = False
            raise

    def renew(self) -> None:
        """Say that the run is still at work.

        Raises:
            LakeError: The run was taken for dead and its files were removed.
        """
        with lake_faults(f"renewing {self.location}"):
            if not self._table.io.new_input(self.location).exists():
                msg = f"{'.'.join(self._table.name())}: upkeep took this run for dead and removed its files."
                raise LakeError(msg, readers="see what they saw before this run", next_step="run the same days again")
            if self._lock is None:
                self._write()
            else:
                os.pwrite(self._lock, self._bytes(), 0)  # the same length each time
        self._renewed = time.monotonic()

    def renewing(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield rows as they come, and renew the claim once a minute of them."""
        for batch in batches:
            self.beat()
            yield batch

    def beat(self) -> None:
        """Renew the claim if it was not for a minute.

        Raises:
            LakeError: The run was taken for dead and its files were removed.
        """
        if time.monotonic() - self._renewed >= RENEW_SECONDS:
            self.renew()

    def release(self) -> None:
        """Say that the run is over and left nothing that is not accounted for."""
        with suppress(OSError):
            self._table.io.delete(self.location)
        self.abandon()

    def abandon(self) -> None:
        """Let upkeep find out what the run left: it ended without knowing whether its commit landed."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _bytes(self) -> bytes:
        said = self._record | {"renewed": _now(), "publishing": int(self.commits)}
        return json.dumps(said, indent=1).encode()

    def _write(self) -> None:
        with (
            lake_faults(f"writing {self.location}"),
            self._table.io.new_output(self.location).create(overwrite=True) as out,
        ):
            out.write(self._bytes())


@contextmanager
def claimed(table: IcebergTable, run: str, days: Iterable[Day] = ()) -> Iterator[Claim]:
    """Claim a run's files while the block runs.

    A block that fails before it commits has removed what it wrote. One that fails later does not know what became of
    its commit, and leaves its claim for upkeep to settle.

    Raises:
        LakeError: The storage refused.
    """
    claim = Claim(table, run, days)
    try:
        yield claim
    except BaseException:
        if claim.commits:
            claim.abandon()
        else:
            claim.release()
        raise
    claim.release()


@dataclass(frozen=True)
class RunningStage:
    """A claim as another process sees it.

    Args:
        run: The run's id.
        file: The claim.
        record: What it says; empty when it cannot be read.
    """

    run: str
    file: StoredFile
    record: dict[str, Any]

    @property
    def location(self) -> str:
        """Where the claim lies."""
        return self.file.location

    @property
    def publishing(self) -> datetime | None:
        """Since when the run may be about to commit; None while it only stages."""
        return None if self.record.get("publishing") == 0 else self._renewed if self.record else run_began(self.run)

    @contextmanager
    def dead(self, now: datetime) -> Iterator[bool]:
        """Find out whether the run is dead; while the block runs, it is what it is found to be."""
        lock = lock_if_free(_path(self.location)) if self._is_of_this_machine else None
        try:
            yield lock is not None or (not self._is_of_this_machine and now - self._renewed >= LEASE)
        finally:
            if lock is not None:
                os.close(lock)

    @property
    def _is_of_this_machine(self) -> bool:
        return _is_local(self.location) and self.record.get("host") == platform.node()

    @property
    def _renewed(self) -> datetime:
        said = self.record.get("renewed")
        return max(self.file.modified, datetime.fromisoformat(said)) if said else self.file.modified


def running_stages(table: IcebergTable) -> list[RunningStage]:
    """Return the claims of all runs of a table, dead ones included, oldest first."""
    with lake_faults(f"reading the running stages of {'.'.join(table.name())}"):
        found = []
        for file in list_files(table.io, f"{records_of(table)}/staging"):
            run = file.name.removesuffix(SUFFIX)
            if file.name.endswith(SUFFIX) and RUN.fullmatch(run):
                found.append(RunningStage(run, file, _parsed(read_file(table.io, file.location))))
        return sorted(found, key=lambda stage: stage.run)


def runs_at_work(table: IcebergTable, output: str | None = None) -> dict[Day, str]:
    """Return the days that runs are making now for an output, each with its run.

    Args:
        table: The Iceberg table.
        output: The output; by default the one that the table was opened for.
    """
    at_work: dict[Day, str] = {}
    for stage in running_stages(table):
        with stage.dead(datetime.now(UTC)) as dead:
            if not dead and stage.record.get("output", MAIN) == (output or output_of(table)):
                at_work |= {key_day(key): stage.run for key in stage.record.get("days", ())}
    return at_work


def _parsed(data: bytes | None) -> dict[str, Any]:
    try:
        record = json.loads(data or b"")
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _is_local(location: str) -> bool:
    return PyArrowFileIO.parse_location(location)[0] == "file"


def _path(location: str) -> Path:
    return Path(PyArrowFileIO.parse_location(location)[2])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
