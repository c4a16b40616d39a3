"""What is asked for of a table, and what is remembered of it from one look to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeproof.lake.days import Day


@dataclass(frozen=True)
class Memory:
    """What is remembered of a table from one look to the next.

    Args:
        mark: What it and its inputs were at when it was last looked at closely; empty to look again.
        asked: The days that were asked for and are not settled, by their key, each with its causes so far.
        waits: What it waits for, in one line.
    """

    mark: str = ""
    asked: Mapping[str, Sequence[str]] = field(default_factory=dict)
    waits: str = ""


@dataclass(frozen=True)
class Wanted:
    """What to ask for of a table.

    Args:
        days: The days, in order, each with the cause; `None` is an unpartitioned table.
        memory: What to remember.
    """

    days: Mapping[Day, str]
    memory: Memory
