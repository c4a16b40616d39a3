"""Which outputs a lake has, in which tables, and when each was last used."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lakeproof.lake.files import run_began
from lakeproof.lake.output import MAIN, OutputTable, is_line, outputs_of
from lakeproof.outputs.compared import last_compared

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.lake.catalog import Lake


@dataclass(frozen=True)
class Line:
    """An output in one table.

    Args:
        name: The table's name.
        table: The table as the output has it.
        used: When a run last wrote to it, or someone compared it.
    """

    name: str
    table: OutputTable
    used: datetime


def lines_in(lake: Lake, output: str | None = None) -> Iterator[Line]:
    """Yield the lines of an output, or of all, table by table.

    Args:
        lake: The lake.
        output: The output; None for every one.

    Raises:
        LakeError: The catalog cannot be used, or a ledger is gone.
    """
    for main in _mains(lake):
        for found in outputs_of(main):
            if output in {None, found}:
                table = OutputTable.of(main, found)
                yield Line(".".join(main.name()), table, _used(table))


def tables_of_outputs(lake: Lake) -> dict[str, list[IcebergTable]]:
    """Return, for each output of a lake, the tables that it has a line in, as readers have them; no ledger is read."""
    found: dict[str, list[IcebergTable]] = defaultdict(list)
    for main in _mains(lake):
        for output in outputs_of(main):
            found[output].append(main)
    return dict(found)


def _mains(lake: Lake) -> Iterator[IcebergTable]:
    """Yield the tables of a lake, without those that are an output's line."""
    on_main = lake.on(MAIN)
    for name in on_main.tables():
        main = on_main.find(name)
        if main is not None and not is_line(main):
            yield main


def outputs_in(lake: Lake) -> dict[str, datetime]:
    """Return the outputs of a lake, each with when it was last used."""
    return {output: last_used(lines) for output, lines in lines_by_output(lake).items()}


def lines_by_output(lake: Lake) -> dict[str, list[Line]]:
    """Return the lines of each output of a lake."""
    found: dict[str, list[Line]] = defaultdict(list)
    for line in lines_in(lake):
        found[line.table.output].append(line)
    return found


def last_used(lines: Iterable[Line]) -> datetime:
    """Return when an output, whose lines these are, was last used."""
    return max(line.used for line in lines)


def _used(table: OutputTable) -> datetime:
    """Return when a line was last used."""
    head = table.head
    committed = datetime.fromtimestamp(head.timestamp_ms / 1000, UTC) if head else datetime.min.replace(tzinfo=UTC)
    written = run_began(table.ledger.written) if table.ledger else committed
    return max(written, committed, last_compared(table) or written)
