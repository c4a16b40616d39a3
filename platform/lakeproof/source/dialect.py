"""What a database source must know of a kind of database; each kind has a module of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from lakeproof.engine.duck import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from lakeproof.parts import Column
    from lakeproof.window import Window


class Reader:
    """A connection of ADBC, within one transaction that sees one state of the database.

    Args:
        connection: The connection.
        **options: Of the driver, for each statement.
    """

    def __init__(self, connection: Any, **options: Any) -> None:
        self._connection, self._options = connection, options
        self._cursors: list[Any] = []  # a stream ends with its cursor

    def stream(self, statement: str) -> pa.RecordBatchReader:
        """Run a statement, and return its rows as they come."""
        cursor = self._connection.cursor()
        self._cursors.append(cursor)
        if self._options:
            cursor.adbc_statement.set_options(**self._options)
        cursor.execute(statement)
        return cursor.fetch_record_batch()

    def close(self) -> None:
        """Close what is still open, as the connection cannot be before."""
        for cursor in self._cursors:
            cursor.close()


class Dialect(Protocol):
    """A kind of database. What it raises may hold the address: whoever calls it sees to that."""

    def connect(self, dsn: str) -> AbstractContextManager[Reader]:
        """Open a connection that reads one state of the database and writes nothing."""

    def catalog(self, table: str) -> str:
        """Return the statement that gives the name and the type of each column of a table."""

    def lacks(self, column: Column, delivered: str) -> bool:
        """Whether a column's declared type says that its values cannot be what the contract says."""

    def select(self, columns: Mapping[str, Column], table: str, where: str, limit: int | None) -> str:
        """Return the statement that reads columns, by name; its rows go to `rows`."""

    def rows(self, reader: pa.RecordBatchReader, columns: Mapping[str, Column]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of such a statement as the contract says.

        Raises:
            DeliveryFault: A value is not what its column says.
        """

    def within(self, name: str, column: Column, window: Window) -> str:
        """Return the condition that a row belongs to a window, by its day's column.

        A row whose value is no day at all meets the condition of every window, so that it is refused and not lost.
        """

    def counts(self, name: str, column: Column, table: str, window: Window) -> str:
        """Return the statement that gives each day of a window that has rows, as ISO text, and how many."""

    def latest(self, expression: str, table: str) -> str:
        """Return the statement that gives the largest value of an expression, as ISO text."""


def table_name(table: str) -> str:
    """Return a table's name, with its schema if it has one, quoted."""
    return ".".join(quoted(part) for part in table.split("."))
