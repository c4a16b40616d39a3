"""Which of Dagster's runs are at work: a process holds a lock while it lives, so a run whose process was killed shows.

Dagster itself does not watch a run that a command executes, nor one whose launcher has gone: it stays started for ever.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from lakeproof.lake.lock import lock_if_free, lock_new

if TYPE_CHECKING:
    import dagster as dg

FOLDER, SUFFIX = "lakeproof-at-work", ".runs"

_LOCKS: dict[Path, int] = {}
"""The lock that this process holds under each Dagster home; the kernel lets it go when the process ends."""


def at_work(instance: dg.DagsterInstance, run_id: str) -> None:
    """Say that a run is at work in this process. A record that does not outlive the process is not told.

    Args:
        instance: Dagster's record.
        run_id: The run.
    """
    if not instance.is_persistent:
        return
    folder = Path(instance.root_directory) / FOLDER
    if folder not in _LOCKS:
        _LOCKS[folder] = lock_new(folder / f"{secrets.token_hex(8)}{SUFFIX}", b"")
    lock = _LOCKS[folder]
    os.pwrite(lock, f"{run_id}\n".encode(), os.fstat(lock).st_size)


def close_killed(instance: dg.DagsterInstance, *, dry_run: bool = False) -> list[str]:
    """Let runs end as failed whose process is gone, and return them.

    Args:
        instance: Dagster's record.
        dry_run: Whether to only say which they are.
    """
    closed = []
    for file in sorted((Path(instance.root_directory) / FOLDER).glob(f"*{SUFFIX}")):
        if (lock := lock_if_free(file)) is None:
            continue
        try:
            for run_id in file.read_text().split():
                run = instance.get_run_by_id(run_id)
                if run is not None and not run.is_finished:
                    closed.append(run_id)
                    if not dry_run:
                        instance.report_run_failed(run, "Its process was killed; what it had published is recorded.")
            if not dry_run:
                file.unlink(missing_ok=True)
        finally:
            os.close(lock)
    return closed
