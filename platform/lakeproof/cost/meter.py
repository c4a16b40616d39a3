"""Measures what a run uses: the operating system counts processors, and whoever moves bytes or asks servers, the rest.

All is counted for the process, as `getrusage` does, since libraries work in threads of their own. A process runs one
table at a time.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from lakeproof.cost.used import MILLION, NAMES, REQUESTS, Used

if TYPE_CHECKING:
    from collections.abc import Mapping

_counted: Counter[str] = Counter()
_lock = Lock()


def count(**amounts: int) -> None:
    """Count what was used, by the names of `Used`.

    Args:
        **amounts: How much, in the units of `Used`.
    """
    with _lock:
        _counted.update(amounts)


def count_request(host: str) -> None:
    """Count a request.

    Args:
        host: To whom it is sent.
    """
    with _lock:
        _counted[f"{REQUESTS}{host}"] += 1


@dataclass(frozen=True)
class Meter:
    """What the process had used when a run began.

    Args:
        cpu: Microseconds of processors.
        began: When it was, by the monotonic clock, in seconds.
        counted: What was counted until then.
    """

    cpu: int
    began: float
    counted: Mapping[str, int]

    @classmethod
    def begin(cls) -> Meter:
        """Begin to measure."""
        with _lock:
            return cls(_cpu(), time.monotonic(), dict(_counted))

    def used(self) -> Used:
        """Return what was used since."""
        with _lock:
            since = Counter({name: number - self.counted.get(name, 0) for name, number in _counted.items()})
        numbers = {name: since[name] for name in NAMES}
        numbers |= {"cpu": _cpu() - self.cpu, "wall": round((time.monotonic() - self.began) * MILLION)}
        named = ((name, number) for name, number in since.items() if name.startswith(REQUESTS) and number)
        return Used(**numbers, requests={name.removeprefix(REQUESTS): number for name, number in named})


def _cpu() -> int:
    """Return the microseconds that this process and its children that ended had of processors, in user and system."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(sum(usage.ru_utime + usage.ru_stime for usage in both) * MILLION)
