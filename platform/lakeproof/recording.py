"""Dagster's events of a ranged run, written as one SQLite transaction.

A year of days with ten audits is some four thousand events, and Dagster's SQLite storage opens four connections for
each: 36 seconds. With its two connections pinned for the burst it is 4. On any other storage, and on a Dagster whose
storage looks otherwise inside, this does nothing.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dagster as dg

BUSY_SECONDS = 60
"""How long a burst waits for another process's burst."""

INDEX_SHARD = "index"
"""Dagster's name for the database of all runs."""


@contextmanager
def one_transaction(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Write the events of the block in one transaction a database.

    What was recorded before the block raised is kept, as single writes would have been.
    """
    storage: Any = instance.event_log_storage
    plain = type(storage) is SqliteEventLogStorage and not {"_connect", "has_table"} & set(vars(storage))
    if not plain or not all(hasattr(storage, name) for name in ("_connect", "conn_string_for_shard", "has_table")):
        yield
        return
    with ExitStack() as stack:
        for shard in (run_id, INDEX_SHARD):
            with storage._connect(shard):  # noqa: SLF001 - no public way; makes the run's database if it is new
                pass
        stack.enter_context(_pinned(storage, (run_id, INDEX_SHARD)))
        yield


@contextmanager
def _pinned(storage: Any, shards: tuple[str, ...]) -> Iterator[None]:
    me, connect, has_table = threading.get_ident(), storage._connect, storage.has_table  # noqa: SLF001 - no public way
    connections: dict[str, sa.Connection] = {}
    tables: dict[str, bool] = {}

    @contextmanager
    def pinned_connect(shard: str) -> Iterator[sa.Connection]:
        if threading.get_ident() != me or shard not in shards:
            with connect(shard) as connection:
                yield connection
            return
        if shard not in connections:
            url, waiting = storage.conn_string_for_shard(shard), {"timeout": BUSY_SECONDS}
            connections[shard] = sa.create_engine(url, poolclass=NullPool, connect_args=waiting).connect()
            connections[shard].begin()
        yield connections[shard]

    def remembered_has_table(name: str) -> bool:
        if name not in tables:
            tables[name] = has_table(name)
        return tables[name]

    storage._connect, storage.has_table = pinned_connect, remembered_has_table  # noqa: SLF001 - no public way
    try:
        yield
    finally:
        del storage._connect, storage.has_table  # noqa: SLF001 - no public way
        for connection in connections.values():
            try:
                connection.commit()
            finally:
                connection.close()
                connection.engine.dispose()
