"""Days whose rows readers have already: found before a file is written for them, so that a rerun costs a comparison."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakeproof.audit.content import empty_content
from lakeproof.audit.counting import digest_days
from lakeproof.engine.cast import arrow_schema
from lakeproof.engine.duck import BOUNDED, connect
from lakeproof.engine.stream import as_stream
from lakeproof.lake.catalog import columns_of
from lakeproof.lake.live import View, data_files
from lakeproof.lake.stage import StagedFile, sha256_of
from lakeproof.reading import content_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.contract import Table
    from lakeproof.lake.days import Day


def without_unchanged(
    table: IcebergTable,
    contract: Table,
    rows: Callable[[], Iterator[pa.RecordBatch]],
    base: Mapping[Day, frozenset[str]],
) -> tuple[Iterator[pa.RecordBatch], dict[Day, tuple[StagedFile, ...]]]:
    """Part rows into those to write, and days that are published with exactly these rows.

    The files of such a day take the place of staged ones: they are audited again, and found unchanged at publish. What
    moves under the run meanwhile is noticed there, as for any day.

    Args:
        table: The Iceberg table.
        contract: Its contract.
        rows: Yields all rows of the days, cast to the contract, as often as it is called. They are digested as they are
            cast, and none is kept: memory for a whole day's cast rows costs more time than to cast them again.
        base: The files that each day had as the run began.

    Returns:
        The rows of the other days, and the files of the unchanged ones.

    Raises:
        LakeproofError: Whatever `rows` raises while it is read.
    """
    published = [day for day, files in base.items() if files]
    if not published:
        return rows(), {}
    view = View.of(table, published)
    standing = {day: live for day, live in view.days.items() if frozenset(live.locations) == base.get(day)}
    connection = connect(BOUNDED)
    with as_stream(rows(), arrow_schema(contract.columns)) as stream:
        contents = digest_days(contract, connection, connection.from_arrow(stream))
    empty = empty_content(contract.columns)
    columns = columns_of(table)
    same = {day for day, live in standing.items() if content_of(view, live, columns) == contents.get(day, empty)}
    if not same:
        return rows(), {}
    files: dict[Day, tuple[StagedFile, ...]] = defaultdict(tuple)
    for day, file in data_files(table, same):
        files[day] += (StagedFile(file, sha256_of(table, file.file_path)),)
    return _others(contract, rows(), same), files


def _others(contract: Table, rows: Iterator[pa.RecordBatch], same: set[Day]) -> Iterator[pa.RecordBatch]:
    if contract.partition is None:
        return
    known = pa.array([day for day in same if day is not None], pa.date32())
    for batch in rows:
        is_known = pc.fill_null(pc.is_in(batch.column(contract.partition), value_set=known), fill_value=False)
        yield batch.filter(pc.invert(is_known))  # rows of no day stay, to be refused
