"""A turn at a table's commit, among the processes of one machine: it saves lost attempts, and nothing rests on it."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lakeproof.lake.catalog import local_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyiceberg.table import Table as IcebergTable

LONGEST_WAIT_SECONDS = 2.0
"""How long a turn is waited for: a commit takes milliseconds, so by then its holder hangs, and is not waited for."""

BETWEEN_SECONDS = 0.005


@contextmanager
def turn(table: IcebergTable) -> Iterator[None]:
    """Let the commits to a table in a local folder come one after another; one in a bucket has no lock to take.

    Two commits at once are safe without it: the catalog takes one, and the other plans anew. But each that loses leaves
    a metadata file that nothing leads to, and waits a tenth of a second or more.

    Args:
        table: The Iceberg table.
    """
    folder = Path(local_path(table.location()))
    if not folder.is_absolute():
        yield
        return
    lock = os.open(folder, os.O_RDONLY)  # the folder itself, so that there is no file to clean up
    try:
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while not _taken(lock) and time.monotonic() < deadline:
            time.sleep(BETWEEN_SECONDS)
        yield
    finally:
        os.close(lock)


def _taken(lock: int) -> bool:
    """Take the lock if it is free; the system frees it when it is closed, or its process dies."""
    with suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
