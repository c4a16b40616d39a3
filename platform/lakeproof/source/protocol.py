"""What every source can be asked, wherever it is."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import pyarrow as pa

from lakeproof.engine.function import StreamRows
from lakeproof.errors import LakeproofError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lakeproof.engine.function import Rows
    from lakeproof.parts import Column
    from lakeproof.window import Window

T = TypeVar("T")

Day = date | None
"""A day of a source, or None for one that has no days."""


@dataclass(frozen=True)
class Completeness:
    """Whether a source has all of a day.

    Args:
        complete: Whether it has.
        reason: Why, in one line.
        version: What tells this state of the day from any other, where the source says so without being read.
        next_step: What helps, where the source knows better than to wait for it.
    """

    complete: bool
    reason: str
    version: str | None = None
    next_step: str | None = None

    @classmethod
    def refused(cls, error: LakeproofError) -> Completeness:
        """Say that nobody knows, because the source could not be asked."""
        return cls(complete=False, reason=error.what, next_step=error.next_step)


@dataclass(frozen=True)
class Precheck:
    """What a small call found, before anything is collected.

    Args:
        faults: What would lose data: a field that is gone, renamed or of a type that does not fit. A line each, with
            the item at fault; nothing is collected.
        learned: What is new and loses nothing, a line each: a field that the contract does not have.
        items: The few items that were looked at, by the contract's names, their values as delivered.
    """

    faults: tuple[str, ...] = ()
    learned: tuple[str, ...] = ()
    items: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Delivery:
    """Rows on their way from a source.

    Args:
        rows: The rows, of exactly the source's fields.
        told: What was delivered, for the evidence: files, pages, bytes, digests. The source fills it as the rows are
            read; it is whole when they are. It holds no credential.
    """

    rows: pa.RecordBatchReader
    told: dict[str, Any] = field(default_factory=dict)


@runtime_checkable
class Awaited(Protocol):
    """Something outside the lake that a table waits for, day by day, and reads no row from."""

    @property
    def name(self) -> str:
        """What a person calls it; holds no credential."""

    def complete(self, window: Window | None) -> Mapping[Day, Completeness]:
        """Say of each day of a window whether all of it is there; under None where there are no days.

        What cannot be reached has no day complete, and the reason says so.
        """


@runtime_checkable
class Source(Awaited, Protocol):
    """Something outside the lake that a table collects from."""

    @property
    def fields(self) -> Sequence[Column]:
        """Its contract: the fields that are read, and their types."""

    def precheck(self, window: Window | None) -> Precheck:
        """Make a small call that shows whether the source still looks as its contract says.

        Raises:
            SourceError: It cannot be reached.
        """

    def count(self, window: Window | None) -> Mapping[Day, int] | None:
        """Count the rows of each day of a window without reading them; None when the source cannot."""

    def version(self, window: Window | None) -> Mapping[str, str]:
        """Return what tells this state of the source from any other, as far as it can: digests, versions, marks."""

    def read(self, window: Window | None) -> Delivery:
        """Read exactly the rows of a window; None stands for all that there is.

        Raises:
            SourceError: It cannot be reached, or what it delivers is not what its contract says; then or while the rows
                are read.
        """


@dataclass(frozen=True)
class SourceReader:
    """A source as an input of a run.

    Args:
        source: The source.
        window: All days of the run.
        counts: How many rows the source counted of each day before it was read; None when it cannot.
        states: What told each day's state from any other as the run began, where the source says so.
        delivered: What was read so far.
    """

    source: Source
    window: Window | None
    counts: Mapping[Day, int] | None = None
    states: Mapping[Day, str] = field(default_factory=dict)
    delivered: list[dict[str, Any]] = field(default_factory=list, compare=False)

    def rows(self, window: Window | None) -> Rows:
        """Return the rows of a window, read when they are asked for."""
        return StreamRows(lambda: self._read(window))

    def _read(self, window: Window | None) -> pa.RecordBatchReader:
        with self._blamed():
            delivery = self.source.read(window)
        self.delivered.append(delivery.told)

        def batches() -> Iterator[pa.RecordBatch]:
            with self._blamed():
                yield from delivery.rows

        return pa.RecordBatchReader.from_batches(delivery.rows.schema, batches())

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Let what a source raises that is no refusal be told as the source's, and not as the function's."""
        try:
            yield
        except LakeproofError:
            raise
        except Exception as error:
            msg = f"{self.source.name}: it cannot be read, or not to its end: {type(error).__name__}: {error}"
            raise SourceError(msg, next_step="mend the source, then run the same days again") from error

    def record(self) -> dict[str, Any]:
        """Return what was read, for the evidence."""
        return {
            "source": self.source.name,
            "fields": {field.name: field.type for field in self.source.fields},
            "version": dict(self.source.version(self.window)),
            "states": by_key(self.states),
            "counts": by_key(self.counts or {}),
            "delivered": [told for told in self.delivered if told],
        }


def by_key(days: Mapping[Day, T]) -> dict[str, T]:
    """Return what is told of days as the evidence keeps it."""
    return {"all" if day is None else str(day): told for day, told in days.items()}
