"""`lakeproof show TABLE@DAY --rejected`: the rows that audits refused, each with its reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeproof.contract import REJECTED_BY
from lakeproof.docket import Docket
from lakeproof.engine.duck import connect, files_relation
from lakeproof.errors import UnknownDayError, UnknownTableError, did_you_mean
from lakeproof.lake.catalog import columns_of
from lakeproof.lake.held import as_held, held_days
from lakeproof.lake.live import View
from lakeproof.rejects import Sifted, row_audits, table_of_rejects

if TYPE_CHECKING:
    from datetime import date

    import duckdb

    from lakeproof.cli.locations import Location
    from lakeproof.contract import Table
    from lakeproof.lake.catalog import Lake


def contract_named(locations: list[Location], name: str) -> Table:
    """Return the contract of a table: which row breaks which audit is not stored, but found out.

    Raises:
        UnknownTableError: No code location declares the table.
    """
    declared = {made.table.name: made.table for location in locations for made in location.tables}
    if name not in declared:
        msg = f"{name} is declared by no code location, so its audits are not known. {did_you_mean(name, declared)}"
        raise UnknownTableError(msg, next_step="go where workspace.yaml is, or name it: -w PATH")
    return declared[name]


def rejected_rows(lake: Lake, contract: Table, day: date | None) -> tuple[str, duckdb.DuckDBPyRelation]:
    """Return the rows of a day that audits refused, and where they are: held, or split off.

    Args:
        lake: The lake.
        contract: The table.
        day: The day; None for an unpartitioned table.

    Raises:
        UnknownDayError: No row of that day waits.
    """
    at = f"{contract.name}{f'@{day}' if day else ''}"
    view = View.open(lake, contract)
    if view.table is not None and (stage := held_days(view.table, view.days).get(day)) is not None:
        staged = as_held(view.table, stage)
        docket = Docket.open(lake, view.table, contract, [day])
        if row_audits(contract):
            found = Sifted.of(contract, docket, columns_of(staged), stage.paths).rejected()
            if found.limit(1).fetchall():
                return "held", found
    elif contract.on_reject == "split":
        split = View.open(lake, table_of_rejects(contract), [day])
        if split.table is not None and day in split.days:
            relation = files_relation(connect(), columns_of(split.table), split.days[day].paths, split.table.io)
            return f"in {contract.name}__rejected", relation.order(REJECTED_BY)
    msg = f"{at}: no row of it is held by an audit that names rows, and none was split off."
    raise UnknownDayError(msg, next_step=f"lakeproof show {at} says what became of it")
