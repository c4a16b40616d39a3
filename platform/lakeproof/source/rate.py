"""A rate limit that all runs on one machine keep together."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lakeproof.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Rate:
    """How many requests a source takes, from all runs of one machine and user together.

    They are spaced evenly, so that no stretch of `seconds` holds more, however the server counts.

    Args:
        requests: How many.
        seconds: In how many seconds.
    """

    requests: int
    seconds: float = 1

    def __post_init__(self) -> None:
        """Refuse a rate at which nothing would ever be sent."""
        if self.requests < 1 or self.seconds <= 0:
            msg = f"Rate(requests={self.requests}, seconds={self.seconds:g}) lets nothing through."
            raise ContractError(msg, next_step="give at least one request, in more than no time")

    @property
    def interval(self) -> float:
        """Seconds from one request to the next."""
        return self.seconds / self.requests

    def wait(self, origin: str) -> float:
        """Wait until a request may be sent to an origin, and return the seconds that it took.

        Whoever is next holds the lock while it waits, and the others wait for the lock: the kernel keeps the queue, and
        a process that is killed frees its place.

        Args:
            origin: Scheme, host and port.
        """
        began = time.monotonic()
        with _turn(origin) as slot:
            # The monotonic clock is one for all processes of a machine, and starts anew with it: a slot further off
            # than one interval is from before that.
            due = min(_read(slot), time.monotonic() + self.interval)
            while (left := due - time.monotonic()) > 0:
                time.sleep(left)
            os.pwrite(slot, f"{time.monotonic() + self.interval:020.6f}".encode(), 0)
        return time.monotonic() - began


@contextlib.contextmanager
def _turn(origin: str) -> Iterator[int]:
    folder = Path(tempfile.gettempdir()) / f"lakeproof-rates-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    name = hashlib.sha256(origin.encode()).hexdigest()[:32]
    slot = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(slot, fcntl.LOCK_EX)
        yield slot
    finally:
        os.close(slot)


def _read(slot: int) -> float:
    try:
        return float(os.pread(slot, 32, 0))
    except ValueError:
        return 0.0
