"""What a run used, in whole units, so that its days' shares add up to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MILLION = 1_000_000

PREFIX = "used: "
"""How the names of what was used begin, in Dagster's metadata."""

REQUESTS = "requests to "
"""How the name of a count of requests begins; the host follows."""

NAMES: Mapping[str, tuple[str, int]] = {
    "cpu": ("processor seconds", MILLION),
    "wall": ("wall seconds", MILLION),
    "cluster": ("cluster seconds", MILLION),
    "dpu": ("DPU-hours", MILLION),
    "unseen": ("seconds without a measure", MILLION),
    "read": ("bytes read", 1),
    "written": ("bytes written", 1),
}
"""What each quantity is called, and how many of its whole units make one of that name."""


@dataclass(frozen=True)
class Used:
    """What a run, or a day of it, used.

    Args:
        cpu: Microseconds of processors of this machine: of the process, and of its children that ended.
        wall: Microseconds from its begin to its end.
        cluster: Microseconds for which a cluster was at work for it.
        dpu: Millionths of a DPU-hour, of AWS Glue.
        unseen: Microseconds of runs that left no measure, by the clock: Dagster saw them begin and end.
        read: Bytes of the data files of its inputs, and of what sources delivered, as far as they count it.
        written: Bytes of data files.
        requests: Requests sent, by host.
    """

    cpu: int = 0
    wall: int = 0
    cluster: int = 0
    dpu: int = 0
    unseen: int = 0
    read: int = 0
    written: int = 0
    requests: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Used) -> Used:
        """Return both together."""
        numbers = {name: getattr(self, name) + getattr(other, name) for name in NAMES}
        return Used(**numbers, requests=dict(Counter(self.requests) + Counter(other.requests)))

    def shares(self, weights: Sequence[int]) -> list[Used]:
        """Return its share for each of some weights, such as rows: in proportion, or equal where there are none.

        The shares add up to the whole, to the last microsecond and byte.

        >>> [share.cpu for share in Used(cpu=10).shares([1, 1, 1])]
        [3, 3, 4]
        >>> [share.read for share in Used(read=9).shares([0, 0])]
        [4, 5]

        Args:
            weights: One for each share, at least one; none below zero.
        """
        parts = list(weights) if any(weights) else [1] * len(weights)
        bounds = [0, *accumulate(parts)]

        def share(whole: int, begin: int, end: int) -> int:
            return whole * end // bounds[-1] - whole * begin // bounds[-1]

        found = []
        for begin, end in pairwise(bounds):
            part = partial(share, begin=begin, end=end)
            requests = {host: count for host, number in self.requests.items() if (count := part(number))}
            found.append(Used(**{name: part(getattr(self, name)) for name in NAMES}, requests=requests))
        return found

    def as_record(self) -> dict[str, float | int]:
        """Return what there is of it by name, in seconds, DPU-hours, bytes and requests; what is none is left out."""
        told: dict[str, float | int] = {}
        for name, (words, units) in NAMES.items():
            if number := getattr(self, name):
                told[words] = number if units == 1 else number / units
        return told | {f"{REQUESTS}{host}": number for host, number in sorted(self.requests.items())}

    @classmethod
    def of_record(cls, told: Mapping[str, Any]) -> Used:
        """Return what `as_record` gave, and ignore all else.

        >>> Used.of_record({"processor seconds": 1.5, "requests to api.example.org": 3, "rows": 7})
        Used(cpu=1500000, wall=0, cluster=0, dpu=0, unseen=0, read=0, written=0, requests={'api.example.org': 3})
        """
        numbers = {name: round(told.get(words, 0) * units) for name, (words, units) in NAMES.items()}
        requests = {name.removeprefix(REQUESTS): n for name, n in told.items() if name.startswith(REQUESTS)}
        return cls(**numbers, requests=requests)


assert {each.name for each in fields(Used)} == {*NAMES, "requests"}  # noqa: S101 - a quantity without a name is lost
