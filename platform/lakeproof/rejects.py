"""Which rows of a stage are at fault, each with its reasons; and a stage without them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lakeproof.audit.kinds import References, RowCondition, Unique
from lakeproof.audit.plan import REASONS, STAGED, Plan
from lakeproof.audit.vocabulary import not_null
from lakeproof.contract import REJECTED_BY
from lakeproof.engine.cast import fit
from lakeproof.engine.duck import BOUNDED, connect, files_relation, looked_at_whole, quoted
from lakeproof.engine.sort import in_order
from lakeproof.errors import AuditError
from lakeproof.forms import BATCH_ROWS
from lakeproof.lake.stage_writer import StageWriter
from lakeproof.parts import Column
from lakeproof.window import days_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.contract import Table
    from lakeproof.docket import Docket
    from lakeproof.lake.days import Day
    from lakeproof.lake.stage import Staged
    from lakeproof.parts import Audit
    from lakeproof.verdict import Verdict


def table_of_rejects(table: Table) -> Table:
    """Return the contract of the table of a table's rejects, which has a day for each that is published."""
    return table._but(  # noqa: SLF001 - a table of the same kind, under a name of its own
        name=f"{table.name}__rejected",
        description=f"Rows that the audits of {table.name} refused, each with the audits.",
        columns=[Column(REJECTED_BY, "string", "The audits that refused the row."), *table.columns],
        audits=[not_null(REJECTED_BY)],
        key=(),
        sort=(),
        allow_empty=True,
        on_reject="hold",
        sla=None,
        value=None,
    )


def row_audits(table: Table) -> list[Audit]:
    """Return the blocking audits of a table that say which row is at fault."""
    kinds = (RowCondition, References, Unique)
    return [audit for audit in table.audits if audit.severity == "blocking" and isinstance(audit, kinds)]


def days_to_split(table: Table, verdicts: Mapping[Day, Verdict]) -> list[Day]:
    """Return the refused days of which every finding that holds them names its rows."""
    named = {audit.name for audit in row_audits(table)}
    return [
        day
        for day, verdict in verdicts.items()
        if not verdict.passed and all(r.audit in named and r.error is None for r in verdict.holding)
    ]


@dataclass(frozen=True)
class Sifted:
    """Staged rows, told apart by the audits that name rows.

    Args:
        contract: The table.
        relation: The rows, and in `_reasons` the names of the audits that each of them breaks; null for a good one.
    """

    contract: Table
    relation: duckdb.DuckDBPyRelation

    @classmethod
    def of(cls, contract: Table, docket: Docket, columns: Mapping[int, Column], paths: Sequence[str]) -> Sifted:
        """Sift the rows of files.

        Of rows that are equal in every column all but one are copies; of rows that differ and have the same key, no one
        knows which is right, and all are at fault.

        Args:
            contract: The table.
            docket: What its audits look at besides.
            columns: The columns by field id that the files were written with.
            paths: The files.

        Raises:
            AuditError: What an audit refers to is not there.
        """
        connection = looked_at_whole(connect(BOUNDED))
        broken = docket.show_references(connection, contract)
        if broken:
            msg = f"{contract.name}: {'; '.join(broken.values())}."
            raise AuditError(msg, next_step="publish what the audit refers to, then run the days again")
        files_relation(connection, columns, paths, docket.table.io).create_view(STAGED, replace=True)
        plan = Plan(contract, row_audits(contract))
        return cls(contract, connection.sql(plan.reasons().sql(dialect="duckdb")))

    def rejected(self) -> duckdb.DuckDBPyRelation:
        """Return the rows at fault, in the order of their columns, with their reasons first."""
        names = ", ".join(map(quoted, self.contract.column_names))
        bad = self.relation.filter(f"{REASONS} IS NOT NULL")
        return bad.project(f"{REASONS} AS {REJECTED_BY}, {names}").order(f"{names}, {REJECTED_BY}")

    def good(self) -> duckdb.DuckDBPyRelation:
        """Return the others."""
        return self.relation.filter(f"{REASONS} IS NULL").project(f"* EXCLUDE ({REASONS})")


def without_rejects(table: IcebergTable, docket: Docket, staged: Staged, days: Sequence[Day]) -> Staged:
    """Stage some days again without the rows at fault; what was staged of them stays where it is.

    Args:
        table: The Iceberg table.
        docket: What the audits look at besides.
        staged: The whole stage.
        days: The days to stage again.

    Returns:
        A stage of those days alone.
    """
    contract = staged.contract
    written = sum(len(files) for files in staged.files.values())
    writer = StageWriter(table, contract, staged.run, first_file=written)
    try:
        for day in days:
            where = f"{contract.name} {days_text([day]) if day else ''}".strip()
            good = Sifted.of(contract, docket, staged.columns, staged.paths(day)).good()
            rows = fit(good.to_arrow_reader(BATCH_ROWS), contract, where)
            writer.write(in_order(rows, contract, where), [day])
        return writer.close(days)
    except BaseException:
        writer.discard()
        raise


def restaged(whole: Staged, parts: Staged) -> Staged:
    """Return a stage in which some days are those of another."""
    return replace(whole, files={**whole.files, **parts.files})
