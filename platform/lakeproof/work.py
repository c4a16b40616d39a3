"""What a run is to do, and what was published as it began."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lakeproof.cost.meter import Meter
from lakeproof.lake.beside import Beside
from lakeproof.lake.live import View
from lakeproof.lake.output import MAIN
from lakeproof.lake.publish import paths_of
from lakeproof.merge import Merge
from lakeproof.reading import TableReader
from lakeproof.window import ONE_DAY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeproof.contract import Table
    from lakeproof.engine.function import Maker
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.reading import Reader


@dataclass(frozen=True)
class Work:
    """What a run is to do.

    Args:
        table: The contract.
        maker: What makes its rows.
        readers: Its inputs, opened, by name.
        days: The days, in order; `(None,)` for an unpartitioned table.
        base: The files of each day as the run began, before its inputs were opened; from `base_of`.
        sequential: Whether each day is made on its own: it reads a trailing window, or itself the day before.
        context: What the function gets as `context`, when it takes one.
        dagster_run: The id of the Dagster run, for the evidence.
        waited: What it waited for and reads no row of, by name, for the evidence.
        waived: By day, the input days that were declared never to come, each with its reason.
        rejects_base: The files of each day of the table of rejects, taken just before `base`, where rows are split off.
        unready: By day, what it lacked when it was run all the same.
        why_unready: Why it was run all the same.
        beside: What a run to an output is beside; None for `main`.
        meter: What measures the run, from its begin.
    """

    table: Table
    maker: Maker
    readers: Mapping[str, Reader]
    days: tuple[Day, ...]
    base: Mapping[Day, frozenset[str]]
    sequential: bool = False
    context: object = None
    dagster_run: str | None = None
    waited: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    waived: Mapping[Day, Mapping[str, str]] = field(default_factory=dict)
    rejects_base: Mapping[Day, frozenset[str]] | None = None
    unready: Mapping[Day, tuple[str, ...]] = field(default_factory=dict)
    why_unready: str = ""
    beside: Beside | None = None
    meter: Meter = field(default_factory=Meter.begin)

    @property
    def chain(self) -> TableReader | None:
        """The input that is the table itself the day before, when there is one."""
        for reader in self.readers.values():
            if isinstance(reader, TableReader) and reader.input.kind == "previous":
                return reader
        return None

    @cached_property
    def merge(self) -> Merge | None:
        """The merge with what was published as the run began, for a table that is not replaced."""
        return Merge(self.table, self.base[None]) if self.table.write == "merge" else None


def base_of(lake: Lake, table: Table, days: Sequence[Day], *, chained: bool = False) -> dict[Day, frozenset[str]]:
    """Return the files of each day as they are now, to compare with at publish.

    Take it before any input is opened: what is published after that, a run has not seen, and must not replace.

    Args:
        lake: The lake.
        table: The contract.
        days: The days of the run.
        chained: Whether each day builds on the one before, so that the day before the first counts too.
    """
    before = days[0] - ONE_DAY if chained and days[0] is not None else None
    listed = days if before is None or not table.has_day(before) else (before, *days)
    live = View.open(lake, table, listed).days
    return {day: paths_of(live, day) for day in listed}


def beside_of(lake: Lake, table: Table, days: Sequence[Day], as_table: str | None = None) -> Beside:
    """Return what `main` has of days now, for a run to an output that is made beside it.

    Args:
        lake: The lake.
        table: The contract.
        days: The days of the run.
        as_table: A name for the output's line, as a table of its own.
    """
    stored = lake.on(MAIN).find(table.name)
    return Beside({} if stored is None else View.of(stored, days).days, as_table)
