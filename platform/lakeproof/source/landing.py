"""Files that someone else drops into a folder or bucket: a day is read when all of it is there, exactly as it is."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakeproof.cost.meter import count
from lakeproof.engine.cast import arrow_schema
from lakeproof.errors import ContractError, SourceError
from lakeproof.source.delimited import Delimited
from lakeproof.source.drift import compare_names
from lakeproof.source.fault import DeliveryFault
from lakeproof.source.folder import Folder, Landed, check_pattern
from lakeproof.source.formats import EMPTY, FileReading, Format, kind_of, parquet_rows
from lakeproof.source.manifest import Listed, parse_manifest
from lakeproof.source.protocol import Completeness, Delivery, Precheck
from lakeproof.source.template import check_template, fill, has_day
from lakeproof.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lakeproof.parts import Column
    from lakeproof.source.protocol import Day

NEXT = "have the delivery mended where it comes from, then run the same days again"


@dataclass(frozen=True)
class LandingSource:
    """Files of a day in a folder or bucket: CSV, JSON lines (`.jsonl`, `.ndjson`) or Parquet, also `.gz` and `.zst`.

    A day is complete when its marker is there, or its manifest and every file that it lists; without either, when it
    has a file and all of them held still for a while.

    Args:
        path: Where a day's files lie below the root: `weather/{ds}/*.csv`.
        fields: The fields to read, as delivered and typed.
        root: The folder, or `s3://bucket/prefix`, which is reached as AWS's environment says.
        root_env: The environment variable that holds the root, in place of it.
        names: What a file calls a field, where it is not the field's own name; `location.lat` is nested JSON.
        marker: A file beside a day's files that is put there last, such as `_SUCCESS`.
        manifest: A file beside them that lists them, such as `manifest.json`:
            `{"files": [{"name": "a.csv", "bytes": 120, "rows": 7, "sha256": "…"}]}`; rows and digest if it knows them.
        settle: How long files must hold still, where there is neither.
        null: How CSV writes a missing value. Between quotes it is text.
        delimiter: What is between the values of CSV.
        unterminated: Whether the last line of a file may lack its newline; without, it is a file that was cut short.

    Raises:
        ContractError: The path leads out of the root, its end names no format, or a placeholder is not known.
    """

    path: str
    fields: Sequence[Column]
    root: str | None = None
    root_env: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    marker: str | None = None
    manifest: str | None = None
    settle: timedelta = timedelta(minutes=5)
    null: str = ""
    delimiter: str = ","
    unterminated: bool = False

    def __post_init__(self) -> None:
        """Refuse what can be known to be wrong without a look at any file."""
        where = f"LandingSource {self.path}"
        if (self.root is None) == (self.root_env is None):
            msg = f"{where}: give root or root_env, one of them."
            raise ContractError(msg)
        if self.root is not None and _holds_credential(self.root):
            msg = f"{where}: the root seems to hold a credential."
            raise ContractError(msg, next_step="leave it to AWS's environment variables, or to a profile")
        check_pattern(where, self.path)
        self._check_format(where)
        for beside in (self.marker, self.manifest):
            if beside is None:
                continue
            check_pattern(where, beside)
            if has_day(self.path) and not (has_day(self._folder) or has_day(beside)):
                msg = f"{where}: {beside} would be one file for all days."
                raise ContractError(msg, next_step=f"name the day in it, such as {{ds}}.{beside.lstrip('_')}")
        for text in filter(None, (self.path, self.marker, self.manifest)):
            check_template(where, text)
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            msg = f"{where}: delimiter {self.delimiter!r} is not one character that values can be told apart by."
            raise ContractError(msg)
        known = [column.name for column in self.fields]
        if unknown := [name for name in self.names if name not in known]:
            msg = f"{where}: names has {', '.join(unknown)}, which is no field."
            raise ContractError(msg)

    def _check_format(self, where: str) -> None:
        if self.path.endswith("*"):
            return  # each file's own name tells
        try:
            kind_of(self.path)
        except DeliveryFault as fault:
            msg = f"{where}: {fault}."
            raise ContractError(msg, next_step="end the path with the format that its files have") from None

    @property
    def name(self) -> str:
        """The root as it is declared, and the path."""
        return f"{self.root.rstrip('/') if self.root is not None else f'${self.root_env}'}/{self.path}"

    def precheck(self, window: Window | None) -> Precheck:
        """Read the header and the first rows of each file of a window, as strictly as all of them will be."""
        faults: list[str] = []
        learned: dict[str, None] = {}
        items: list[Mapping[str, Any]] = []
        for day in self._days(window):
            for reading in self._readings(day):
                try:
                    rows = self._head(reading)
                except DeliveryFault as fault:
                    faults.append(_placed(reading.file.name, fault))
                else:
                    items += rows if not items else []
                if reading.names:
                    learned |= dict.fromkeys(self._news(reading))
        return Precheck(tuple(faults), tuple(learned), tuple(items))

    def complete(self, window: Window | None) -> dict[Day, Completeness]:
        """Say of each day whether all of it is there: by marker or manifest, or because its files held still."""
        answers: dict[Day, Completeness] = {}
        for day in self._days(window):
            try:
                answers[_key(day)] = self._complete(day)
            except SourceError as error:
                answers[_key(day)] = Completeness.refused(error)
        return answers

    def count(self, window: Window | None) -> dict[Day, int] | None:
        """Count the rows of each day, where its manifest or the footers of its Parquet files tell."""
        counts: dict[Day, int] = {}
        for day in self._days(window):
            listed = self._manifest(day)
            files = self._files(day)
            rows = [listed[one.name].rows if one.name in listed else self._parquet_rows(day, one) for one in files]
            if any(number is None for number in rows):
                return None
            counts[_key(day)] = sum(number or 0 for number in rows)
        return counts

    def version(self, window: Window | None) -> dict[str, str]:
        """Return each file's size and when it was modified."""
        return {file.name: file.state for day in self._days(window) for file in self._files(day)}

    def read(self, window: Window | None) -> Delivery:
        """Read all rows of a window's files; a file that is not whole, or changes meanwhile, is refused by name."""
        told: dict[str, Any] = {"files": [], "rows": 0, "bytes": 0}
        schema = arrow_schema(self.fields)

        def batches() -> Iterator[pa.RecordBatch]:
            for day in self._days(window):
                files = self._files(day)
                listed = self._manifest(day)
                for reading in self._readings(day, files):
                    try:
                        for batch in self._rows(reading):
                            yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
                        _check_listed(reading, listed)
                    except DeliveryFault as fault:
                        raise self._refused(day, _placed(reading.file.name, fault)) from None
                    told["files"].append(_told(reading))
                    told["rows"] += reading.rows
                    told["bytes"] += reading.file.bytes
                    count(read=reading.file.bytes)
                    if news := self._news(reading):
                        told["learned"] = sorted({*told.get("learned", ()), *news})
                self._check_still(day, files)

        return Delivery(pa.RecordBatchReader.from_batches(schema, batches()), told)

    @property
    def _folder(self) -> str:
        """The part of the path above the files: where marker and manifest lie."""
        parts = self.path.split("/")[:-1]
        wild = next((n for n, part in enumerate(parts) if set("*?[") & set(part)), len(parts))
        return "/".join(parts[:wild])

    @property
    def _where(self) -> Folder:
        root = self.root if self.root is not None else os.environ.get(str(self.root_env))
        if not root:
            msg = f"{self.name}: the environment variable {self.root_env} is not set."
            raise SourceError(msg, next_step=f"set {self.root_env} to the folder or bucket prefix")
        if self.root_env is not None and _holds_credential(root):
            msg = f"{self.name}: the root that {self.root_env} holds has a credential in it."
            raise SourceError(msg, next_step="leave it to AWS's environment variables, or to a profile")
        return Folder(root, self.name)

    def _days(self, window: Window | None) -> list[Window | None]:
        if not has_day(self.path):
            return [None]
        if window is None:
            msg = f"{self.name} has days, so a table without days cannot read it."
            raise SourceError(msg, next_step="give the table a partition, or the path no placeholder")
        return [Window.of(day, timezone=window.timezone) for day in window.days]

    def _beside(self, name: str, day: Window | None) -> list[Landed]:
        return self._where.find(fill(f"{self._folder}/{name}".lstrip("/"), day))

    def _files(self, day: Window | None) -> list[Landed]:
        other = {fill(f"{self._folder}/{name}".lstrip("/"), day) for name in (self.marker, self.manifest) if name}
        return [file for file in self._where.find(fill(self.path, day)) if file.name not in other]

    def _readings(self, day: Window | None, files: Sequence[Landed] | None = None) -> list[FileReading]:
        how = Format(
            {self.names.get(column.name, column.name): column for column in self.fields},
            Delimited(self.delimiter, self.null),
            self.unterminated,
        )
        return [FileReading(self._where, file, how) for file in (self._files(day) if files is None else files)]

    def _head(self, reading: FileReading) -> list[dict[str, Any]]:
        if not reading.file.bytes:
            raise DeliveryFault(EMPTY)
        return reading.head()

    def _rows(self, reading: FileReading) -> Iterator[pa.RecordBatch]:
        if not reading.file.bytes:
            raise DeliveryFault(EMPTY)
        yield from reading.batches()

    def _news(self, reading: FileReading) -> tuple[str, ...]:
        return compare_names([name.split(".")[0] for name in reading.how.columns], list(reading.names))[1]

    def _manifest(self, day: Window | None) -> Mapping[str, Listed]:
        """Return what the manifest lists, by name below the root; nothing where none is declared."""
        if self.manifest is None:
            return {}
        found = self._beside(self.manifest, day)
        if not found:
            raise self._refused(day, f"{fill(self.manifest, day)} is not there")
        try:
            with self._where.open(found[0]) as stream:
                listed = parse_manifest(stream.read())
        except DeliveryFault as fault:
            raise self._refused(day, _placed(found[0].name, fault)) from None
        folder = fill(self._folder, day)
        return {f"{folder}/{name}".lstrip("/"): one for name, one in listed.items()}

    def _complete(self, day: Window | None) -> Completeness:
        reasons = []
        files = self._files(day)
        if self.marker is not None:
            if not self._beside(self.marker, day):
                return Completeness(complete=False, reason=f"{self._named(day)}: {fill(self.marker, day)} is not there")
            reasons.append(f"{fill(self.marker, day)} is there")
        if self.manifest is not None:
            if lack := _lack(self._manifest(day), files):
                return Completeness(complete=False, reason=f"{self._named(day)}: {lack}")
            reasons.append(f"every file that {fill(self.manifest, day)} lists is there")
        if reasons:
            why = f"{self._named(day)}: {' and '.join(reasons)}"
            return Completeness(complete=True, reason=why, version=_state(files))
        return self._settled(day, files)

    def _settled(self, day: Window | None, files: Sequence[Landed]) -> Completeness:
        if not files:
            return Completeness(complete=False, reason=f"{self._named(day)}: no file is there")
        if empty := [file.name for file in files if not file.bytes]:
            return Completeness(complete=False, reason=f"{self._named(day)}: {empty[0]} is empty")
        youngest = max(files, key=lambda file: file.modified)
        still = datetime.now(UTC) - datetime.fromtimestamp(youngest.modified / 1e9, UTC)
        if still < self.settle:
            ago = max(still.total_seconds(), 0)
            why = f"{youngest.name} changed {ago:.0f} s ago and must hold still for {self.settle}"
            return Completeness(complete=False, reason=f"{self._named(day)}: {why}")
        why = f"{self._named(day)}: all files held still for {self.settle}"
        return Completeness(complete=True, reason=why, version=_state(files))

    def _parquet_rows(self, day: Window | None, file: Landed) -> int | None:
        if kind_of(file.name)[0] != "parquet":
            return None
        try:
            return parquet_rows(self._where, file)
        except DeliveryFault as fault:
            raise self._refused(day, _placed(file.name, fault)) from None

    def _check_still(self, day: Window | None, files: Sequence[Landed]) -> None:
        """Refuse a day whose files are not those that they were when its reading began."""
        before, after = set(files), set(self._files(day))
        if moved := sorted({file.name for file in before ^ after}):
            raise self._refused(day, f"{', '.join(moved)} changed while the day was read")

    def _named(self, day: Window | None) -> str:
        return f"{self.name}, {day}" if day is not None else self.name

    def _refused(self, day: Window | None, why: str) -> SourceError:
        return SourceError(f"{self._named(day)}: {why}", next_step=NEXT)


def _holds_credential(root: str) -> bool:
    """Whether an address of a bucket has a user's name or a key before it, which messages would repeat."""
    return "@" in root and "://" in root


def _key(day: Window | None) -> Day:
    return None if day is None else day.day


def _placed(file: str, fault: DeliveryFault) -> str:
    text = str(fault)
    return f"{file}, {text}" if fault.line or fault.field else f"{file}: {text}"


def _told(reading: FileReading) -> dict[str, Any]:
    told = {"name": reading.file.name, "bytes": reading.file.bytes, "rows": reading.rows, "sha256": reading.sha256}
    return {name: value for name, value in told.items() if value is not None}


def _lack(listed: Mapping[str, Listed], files: Sequence[Landed]) -> str | None:
    """Say what is missing of what a manifest lists, or is there without being listed."""
    there = {file.name: file for file in files}
    for name, one in listed.items():
        if name not in there:
            return f"{name}, which the manifest lists, is not there"
        if there[name].bytes != one.bytes:
            return f"{name} has {there[name].bytes:,} bytes, where the manifest says {one.bytes:,}"
    extra = [name for name in there if name not in listed]
    return f"{extra[0]} is there, which the manifest does not list" if extra else None


def _check_listed(reading: FileReading, listed: Mapping[str, Listed]) -> None:
    """Refuse a file that is not, in rows or bytes, what its manifest says."""
    one = listed.get(reading.file.name)
    if one is None:
        return
    if one.rows is not None and one.rows != reading.rows:
        msg = f"it has {reading.rows:,} rows, where the manifest says {one.rows:,}"
        raise DeliveryFault(msg)
    if one.sha256 is not None and one.sha256 != (reading.sha256 or reading.digest()):
        msg = "its SHA-256 is not the one that the manifest says"
        raise DeliveryFault(msg)


def _state(files: Iterable[Landed]) -> str:
    """Return what tells a day's files from any others: their names, sizes and times, as one digest."""
    told = "\n".join(sorted(f"{file.name} {file.state}" for file in files))
    return hashlib.sha256(told.encode()).hexdigest()
