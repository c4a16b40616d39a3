"""Which of Dagster's runs are at work: a process holds a lock while it lives, so a run whose process was killed shows.

Dagster itself does not watch a run that a command executes, nor one whose launcher has gone: it stays started for ever.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg

FOLDER = "lakeproof-at-work"

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
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / secrets.token_hex(8), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        _LOCKS[folder] = lock
    os.write(_LOCKS[folder], f"{run_id}\n".encode())


def close_killed(instance: dg.DagsterInstance, *, dry_run: bool = False) -> list[str]:
    """Let runs end as failed whose process is gone, and return them.

    Args:
        instance: Dagster's record.
        dry_run: Whether to only say which they are.
    """
    closed = []
    for file in sorted((Path(instance.root_directory) / FOLDER).glob("*")):
        with suppress(FileNotFoundError), file.open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            for run_id in lock.read().decode().split():
                run = instance.get_run_by_id(run_id)
                if run is not None and not run.is_finished:
                    closed.append(run_id)
                    if not dry_run:
                        instance.report_run_failed(run, "Its process was killed; what it had published is recorded.")
            if not dry_run:
                file.unlink(missing_ok=True)
    return closed
