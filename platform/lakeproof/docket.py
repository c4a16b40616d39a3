"""A stage, audited: what its audits look at besides the staged rows, and the one scan that judges them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb

from lakeproof.audit.counting import DuckCounter
from lakeproof.audit.history import Past
from lakeproof.audit.judge import Known, judge
from lakeproof.audit.kinds import Historical, References
from lakeproof.audit.plan import reference_view
from lakeproof.engine.duck import BOUNDED, connect, files_relation, looked_at_whole
from lakeproof.lake.catalog import columns_of
from lakeproof.lake.live import View, data_files, live_days, null_counts
from lakeproof.reading import Referred, contents_of
from lakeproof.storage import refuse
from lakeproof.window import ONE_DAY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.audit.counting import Counter
    from lakeproof.contract import Table
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.lake.stage import Staged
    from lakeproof.verdict import Content, Verdict


@dataclass(frozen=True)
class Docket:
    """What audits look at besides the staged rows, at one snapshot each.

    Args:
        table: The Iceberg table.
        referred: What each reference audit refers to, by its name.
        past: What is known of the published days that audits compare with.
        contents: The content digest of each of those days.
    """

    table: IcebergTable
    referred: Mapping[str, Referred]
    past: Past = field(default_factory=Past)
    contents: Mapping[Day, Content] = field(default_factory=dict)

    @classmethod
    def open(cls, lake: Lake, table: IcebergTable, contract: Table, days: Sequence[Day]) -> Docket:
        """Open what a table's audits look at; the history comes from metadata, no row is read.

        Args:
            lake: The lake.
            table: The Iceberg table.
            contract: Its contract.
            days: The days that will be audited; `(None,)` for an unpartitioned table.
        """
        listed = [day for day in days if day is not None]
        referred = {
            audit.name: opened
            for audit in contract.audits
            if isinstance(audit, References) and (opened := Referred.open(lake, audit, listed)) is not None
        }
        longest = max((audit.days for audit in contract.audits if isinstance(audit, Historical)), default=0)
        if not longest:
            return cls(table, referred)
        before = {day - n * ONE_DAY for day in listed for n in range(longest + 1)}
        found, columns = list(data_files(table, before if listed else None)), columns_of(table)
        files: dict[Day, list[DataFile]] = defaultdict(list)
        for day, file in found:
            files[day].append(file)
        head = table.current_snapshot()
        view = View(table, head.snapshot_id if head else None, live_days(found))
        nulls = {day: null_counts(columns, of_day) for day, of_day in files.items()}
        return cls(table, referred, Past({day: live.rows for day, live in view.days.items()}, nulls), contents_of(view))

    def show_references(self, connection: duckdb.DuckDBPyConnection, contract: Table) -> dict[str, str]:
        """Make a view of what each reference audit refers to, under the name that the plan reads it by.

        Returns:
            Why there is none, by the audit's name.
        """
        broken = {}
        for condition in contract.audits:
            if isinstance(condition, References):
                try:
                    relation = self.referred[condition.name].relation(connection)
                    relation.create_view(reference_view(condition), replace=True)
                except KeyError:
                    broken[condition.name] = f"{condition.table} is not there to refer to"
                except duckdb.Error as error:
                    refuse(f"reading {condition.table} for audit {condition.name} of {contract.name}", error)
                    broken[condition.name] = str(error).splitlines()[0]
        return broken


def audit(table: Table, staged: Staged, docket: Docket, counter: Counter | None = None) -> dict[Day, Verdict]:
    """Audit the staged files of all days in one scan; the verdict of each day is bound to its files.

    Args:
        table: The contract.
        staged: The stage.
        docket: What its audits look at besides.
        counter: The engine that has the staged rows; by default DuckDB, in this process.

    Raises:
        AuditError: The staged rows could not be read at all.
    """
    nulls = {day: null_counts(staged.columns, [f.data_file for f in files]) for day, files in staged.files.items()}
    stages = {day: staged.digest(day) for day in staged.days}
    return judge(table, counter or _in_process(table, staged, docket), stages, Known(docket.past, nulls))


def _in_process(table: Table, staged: Staged, docket: Docket) -> DuckCounter:
    connection = looked_at_whole(connect(BOUNDED))
    broken = docket.show_references(connection, table)

    def rows_of(days: Sequence[Day]) -> duckdb.DuckDBPyRelation:
        return files_relation(connection, staged.columns, staged.paths(*days), docket.table.io)

    return DuckCounter(table, connection, rows_of, broken)
