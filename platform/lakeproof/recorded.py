"""The inputs of a published day, found again by the content that its evidence records, or why they are gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakeproof.contract import Input
from lakeproof.engine.function import StreamRows
from lakeproof.errors import LakeproofError
from lakeproof.lake.catalog import columns_of, local_path
from lakeproof.lake.days import key_day
from lakeproof.lake.evidence import day_evidence, sha256_if_there, sound_evidence
from lakeproof.lake.live import View
from lakeproof.lake.retention import Retention
from lakeproof.merge import MERGE_BASE
from lakeproof.reading import columns_digested, digest_files, rows_in
from lakeproof.verdict import Content
from lakeproof.window import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.contract import Table
    from lakeproof.engine.function import Rows
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.lake.live import LiveDay
    from lakeproof.source.protocol import Source


class GoneError(LakeproofError):
    """An input is no longer there as it was read."""


@dataclass
class Recorded:
    """Finds inputs again; keeps what it has read, because days of a run share most of it.

    Args:
        lake: The lake.
        table: The contract of the table whose inputs are looked for.
    """

    lake: Lake
    table: Table
    _views: dict[str, View] = field(default_factory=dict)
    _evidence: dict[tuple[str, str], dict[str, Any] | None] = field(default_factory=dict)
    _contents: dict[tuple[str, ...], Content] = field(default_factory=dict)
    _digests: dict[str, str | None] = field(default_factory=dict)

    def view(self, table: Table) -> View:
        """Return what is published of a table, as it was when it was first asked for."""
        if table.name not in self._views:
            self._views[table.name] = View.open(self.lake, table)
        return self._views[table.name]

    def evidence(self, table: IcebergTable, run: str) -> dict[str, Any] | None:
        """Return the evidence of a run; None when there is none that can be believed."""
        at = ".".join(table.name()), run
        if at not in self._evidence:
            self._evidence[at] = sound_evidence(table, run)
        return self._evidence[at]

    def rows(self, name: str, how: Input | Source, record: Mapping[str, Any], day: Day) -> Rows:
        """Return what a day read of an input.

        Args:
            name: The input's name.
            how: How the table reads it today.
            record: The evidence of the run that made the day.
            day: The day.

        Raises:
            GoneError: It is not there any more, or is read in another way today.
        """
        told = record["inputs"].get(name)
        if told is None:
            msg = f"{name}: the run had no input of that name"
            raise GoneError(msg)
        if not isinstance(how, Input):
            return self._of_source(name, how, told, record, day)
        if (told.get("table"), told.get("kind"), told.get("trailing_days")) != (how.table.name, how.kind, how.days):
            was = f"{told.get('kind')} of {told.get('table') or told.get('source')}, {told.get('trailing_days')} days"
            msg = f"{name}: it was read as {was}; today's code reads {how.kind} of {how.table.name}, {how.days} days"
            raise GoneError(msg)
        entries = entries_read(how, self.table, told, record, day)
        paths = [path for of, entry in entries.items() for path in self._paths(how.table, of, entry)]
        return rows_in(self.view(how.table), how.table, paths)

    def base(self, record: Mapping[str, Any]) -> frozenset[str]:
        """Return the files that a merge built on.

        Args:
            record: The evidence of the run that merged.

        Raises:
            GoneError: They are not there any more, or the run did not merge.
        """
        told = record["inputs"].get(MERGE_BASE)
        if told is None:
            msg = f"{MERGE_BASE}: the run replaced the table; today's contract merges into it"
            raise GoneError(msg)
        days = {key_day(key): entry for key, entry in told["days"].items()}
        return frozenset(path for day, entry in days.items() for path in self._paths(self.table, day, entry))

    def _of_source(
        self, name: str, source: Source, told: Mapping[str, Any], record: Mapping[str, Any], day: Day
    ) -> Rows:
        """Return a source's rows, if it says of the run's days what it said then."""
        days = [of for key in record["days"] if (of := key_day(key)) is not None]
        whole = Window.of(min(days), max(days), self.table.timezone) if days else None
        if told.get("source") != source.name:
            msg = f"{name}: it was read from {told.get('source') or told.get('table')}, today from {source.name}"
            raise GoneError(msg)
        try:
            version = dict(source.version(whole))
        except LakeproofError as error:
            msg = f"{name}: {error.what}"
            raise GoneError(msg) from error
        if version != told["version"]:
            names = sorted({*version, *told["version"]})
            changes = [
                f"{n} was {told['version'].get(n)}, is {version.get(n)}"
                for n in names
                if version.get(n) != told["version"].get(n)
            ]
            msg = f"{name}: source {source.name} is no longer as it was read: {'; '.join(changes)}"
            raise GoneError(msg)
        window = None if day is None else Window.of(day, timezone=self.table.timezone)
        return StreamRows(lambda: source.read(window).rows)

    def _paths(self, table: Table, day: Day, entry: Mapping[str, Any]) -> tuple[str, ...]:
        """Return files with the recorded content: the live ones, or those of the run that had it."""
        view, at = self.view(table), f"{table.name} {day or ''}".strip()
        live, run = view.days.get(day), entry.get("run")
        wanted = Content(entry["key"], entry["digest"], entry["rows"])
        if live is not None and self._content(view, live, wanted.key) == wanted:
            return live.paths
        now = f"run {live.run or 'of another engine'} published other content since" if live else "it is not published"
        if view.table is None or run is None:
            msg = f"{at}: {now}, and the files that were read are not recorded"
            raise GoneError(msg)
        told = day_evidence(self.evidence(view.table, run), day)
        if told is None:
            msg = f"{at}: {now}, and the evidence of run {run}, which was read, is gone or damaged"
            raise GoneError(msg)
        for file in told["files"]:
            found = self._sha256(view.table, file["location"])
            if found != file["sha256"]:
                kept = Retention.of(view.table.properties).replaced.days
                collected = f"was collected: replaced files are kept for {kept} days"
                what = collected if found is None else "has other bytes now"
                msg = f"{at}: {now}, and {file['location']} of run {run}, which was read, {what}"
                raise GoneError(msg)
        return tuple(local_path(file["location"]) for file in told["files"])

    def _content(self, view: View, live: LiveDay, key: str) -> Content:
        """Return a live day's content, computed from its files: a digest that someone wrote down proves no bytes.

        It is over the columns that the key is over, or those of today where the table never had them.
        """
        assert view.table is not None  # noqa: S101 - a view with a day has a table
        at = key, *live.locations
        if at not in self._contents:
            columns = columns_digested(view.table, key) or columns_of(view.table)
            self._contents[at] = digest_files(columns, live, view.table.io)
        return self._contents[at]

    def _sha256(self, table: IcebergTable, location: str) -> str | None:
        if location not in self._digests:
            self._digests[location] = sha256_if_there(table, location)
        return self._digests[location]


def entries_read(
    how: Input, table: Table, told: Mapping[str, Any], record: Mapping[str, Any], day: Day
) -> dict[Day, Mapping[str, Any]]:
    """Return what the evidence has of each day of an input that a day read.

    A chain recorded the day before its first one; each later day read the one before it from the run's own stage, so
    that one's content and files are in the same evidence.
    """
    entries = {key_day(key): entry for key, entry in told["days"].items()}
    if how.kind == "previous":
        entries |= {
            key_day(key): {**entry["content"], "run": record["run"]}
            for key, entry in record["days"].items()
            if key not in told["days"]
        }
    if how.kind == "latest" or day is None:
        return entries
    needed = how.window(Window.of(day, timezone=table.timezone))
    return {of: entries[of] for of in (needed.days if needed else ()) if of in entries}
