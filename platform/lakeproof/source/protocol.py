"""What every source can be asked, wherever it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lakeproof.engine.function import StreamRows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from lakeproof.engine.function import Rows
    from lakeproof.parts import Column
    from lakeproof.window import Window


@dataclass(frozen=True)
class Completeness:
    """Whether a source has all of a day.

    Args:
        complete: Whether it has.
        reason: Why, in one line.
    """

    complete: bool
    reason: str


@runtime_checkable
class Source(Protocol):
    """Something outside the lake that a table collects from."""

    @property
    def name(self) -> str:
        """What a person calls it; holds no credential."""

    @property
    def fields(self) -> Sequence[Column]:
        """Its contract: the fields that are read, and their types."""

    def precheck(self, window: Window | None) -> Sequence[str]:
        """Make a small call that proves that the source still looks as its contract says.

        Returns:
            What differs, a line each; nothing when it looks right.
        """

    def complete(self, window: Window | None) -> Completeness:
        """Say whether the source has all of a window of one day."""

    def count(self, window: Window | None) -> int | None:
        """Count the rows of a window without reading them; None when the source cannot."""

    def version(self, window: Window | None) -> Mapping[str, str]:
        """Return what tells this state of the source from any other, as far as it can: digests, versions, marks."""

    def read(self, window: Window | None) -> pa.RecordBatchReader:
        """Read exactly the rows of a window; None stands for all that there is."""


@dataclass(frozen=True)
class SourceReader:
    """A source as an input of a run.

    Args:
        source: The source.
        window: All days of the run.
    """

    source: Source
    window: Window | None

    def rows(self, window: Window | None) -> Rows:
        """Return the rows of a window, read when they are asked for."""
        return StreamRows(lambda: self.source.read(window))

    def record(self) -> dict[str, Any]:
        """Return what was read, for the evidence."""
        fields = {field.name: field.type for field in self.source.fields}
        return {"source": self.source.name, "fields": fields, "version": dict(self.source.version(self.window))}
