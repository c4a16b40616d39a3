"""Files that a process holds a lock on while it lives, so that a killed one is told from one at work for sure."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def lock_new(path: Path, data: bytes) -> int:
    """Make a file that is locked and whole from the instant it can be seen.

    Returns:
        The descriptor that holds the lock, until it is closed or the process ends.
    """
    new = path.with_suffix(".claiming")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.pwrite(lock, data, 0)
        new.rename(path)
    except BaseException:
        os.close(lock)
        new.unlink(missing_ok=True)
        raise
    return lock


def lock_if_free(path: Path) -> int | None:
    """Lock a file whose process is gone; None when it is alive, or the file has gone meanwhile."""
    try:
        lock = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
