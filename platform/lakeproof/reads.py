"""A table and what it reads, as those see it who ask for its days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from lakeproof.audit.kinds import References
from lakeproof.contract import Input

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeproof.contract import Table
    from lakeproof.source.protocol import Awaited, Source


class Reads(Protocol):
    """A table and what it reads."""

    @property
    def table(self) -> Table:
        """The contract."""

    @property
    def inputs(self) -> Mapping[str, Input | Source]:
        """What it reads, by name."""

    @property
    def waits(self) -> Mapping[str, Awaited]:
        """What it only waits for, by name."""


def tables_read(made: Reads) -> list[tuple[str, Input]]:
    """Return the tables that a table reads, each with the input's name."""
    return [(name, how) for name, how in made.inputs.items() if isinstance(how, Input)]


def awaited_by(made: Reads) -> dict[str, Awaited]:
    """Return what a table waits for outside the lake, by name: the sources it reads, and what it reads nothing from."""
    return {name: how for name, how in made.inputs.items() if not isinstance(how, Input)} | dict(made.waits)


def upstream_of(made: Reads) -> set[str]:
    """Return the names of the tables that a table reads or refers to."""
    refers = {audit.table for audit in made.table.audits if isinstance(audit, References)}
    return refers | {how.table.name for _, how in tables_read(made)}


def is_scheduled(table: Table) -> bool:
    """Whether a schedule says when the table is asked for."""
    return table.pipeline is not None and table.pipeline.schedule is not None


def declared_days(table: Table) -> list[Any]:
    """Return what a contract says of which days there are."""
    return [str(table.start), str(table.end), sorted(f"{day} {reason}" for day, reason in table.gaps.items())]
