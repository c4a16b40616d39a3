"""A PySpark job as what makes a table's rows: it stages them by itself, and audits them where they are."""

from __future__ import annotations

import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lakeproof.audit.kinds import References
from lakeproof.audit.plan import reference_view
from lakeproof.audit.spark import SparkCounter, asked_of_spark, statements
from lakeproof.cost.meter import Meter, count
from lakeproof.cost.used import MILLION
from lakeproof.engine.code import code_digest
from lakeproof.engine.duck import BOUNDED, connect, files_relation, looked_at_whole
from lakeproof.engine.function import FileRows, Made
from lakeproof.errors import ContractError, MakeError, RowsError
from lakeproof.forms import BATCH_ROWS
from lakeproof.lake.adopted import WrittenFile, adopt, folder_of, remove_folder
from lakeproof.lake.catalog import columns_of
from lakeproof.lake.days import day_key, key_day
from lakeproof.layout import FileLayout
from lakeproof.making import calls
from lakeproof.reading import TableReader
from lakeproof.spark.configured import configured
from lakeproof.spark.launcher import HELPER, Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.contract import Input, Table
    from lakeproof.docket import Docket
    from lakeproof.engine.function import Connected, Rows
    from lakeproof.lake.days import Day
    from lakeproof.lake.stage import Staged
    from lakeproof.parts import Column
    from lakeproof.source.protocol import Source
    from lakeproof.spark.launcher import Launcher
    from lakeproof.window import Window
    from lakeproof.work import Work

UNKNOWN_TO_SPARK = ("time", "uuid")
"""Types of Iceberg's that Spark does not have."""

LONGEST = timedelta(hours=12)
"""How long a job may take, unless its table says otherwise."""

_DAY = re.compile(r"/_day=([^/]+)/")


@dataclass(frozen=True)
class SparkMaker:
    """A script that ends with `lakeproof_job.run(function)`; build it with `spark_maker`.

    Args:
        table: The contract.
        script: The script.
        declared_in: The file that declares the table.
        conf: Settings of Spark for this table's job.
        timeout: How long a job may take.
        launcher: Where Spark runs; None: where the configuration says, as the job is launched.
    """

    table: Table
    script: Path
    declared_in: Path
    conf: Mapping[str, str] = field(default_factory=dict)
    timeout: timedelta = LONGEST
    launcher: Launcher | None = None

    @property
    def kind(self) -> str:
        """What the UI shows it as."""
        return "pyspark"

    @property
    def one_day_at_a_time(self) -> bool:
        """Whether it can only be asked for one day: no, its inputs decide."""
        return False

    @cached_property
    def code(self) -> str:
        """The digest of the script, of what goes with it, and of the file that declares the table."""
        return code_digest(self.script, HELPER, self.declared_in)

    def stage(
        self, table: IcebergTable, work: Work, run: str, docket: Docket, beat: Callable[[], None]
    ) -> tuple[Staged, SparkCounter, dict[str, Any]]:
        """Let one job make, write and audit all days; see `making.Stager`."""
        launcher = self.launcher or configured()
        broken = _broken(self.table, docket)
        audits = asked_of_spark(self.table, broken)
        windows = list(calls(work))
        reads = {name: reader for name, reader in work.readers.items() if isinstance(reader, TableReader)}
        order = self._order(columns_of(table), table.properties, launcher.located(folder_of(table, run))) | {
            "inputs": {name: _input(reader, launcher) for name, reader in reads.items()},
            "calls": [
                {"window": _told(window), "reads": {name: _days(reader, window) for name, reader in reads.items()}}
                for window, _ in windows
            ],
            "audits": statements(self.table, audits) | {"references": _references(self.table, docket, launcher)},
        }
        try:
            storage = {name: str(value) for name, value in table.io.properties.items() if name.startswith("s3.")}
            report = _run(launcher, work.context, replace(self._job(run, order), storage=storage), beat)
            files = [_written(table, run, told, self.table) for told in report["files"]]
            staged = adopt(table, self.table, run, files, work.days)
        finally:
            remove_folder(table, run)
        connection = looked_at_whole(connect(BOUNDED))
        counter = SparkCounter(
            self.table,
            audits,
            report,
            lambda day: files_relation(connection, staged.columns, staged.paths(day), table.io),
            broken,
        )
        engine = {"name": "spark", "version": report["spark"], "launcher": type(launcher).__name__}
        return staged, counter, {**engine, "seconds": report["seconds"], **report.get("ran", {})}

    def make(self, window: Window | None, inputs: Mapping[str, Rows], connected: Connected, context: object) -> Made:
        """Return the rows of a window, made by a job of their own: for whoever makes a day again and publishes nothing.

        Raises:
            MakeError: The job failed; or Spark runs where it does not see this machine's files.
            RowsError: What it made does not fit the contract.
        """
        launcher = self.launcher or configured()
        if not launcher.is_local:
            msg = f"{self.script.name} runs on a cluster, which does not write to this machine."
            raise MakeError(msg, next_step="set LAKEPROOF_SPARK=local[*], where Spark is installed")
        folder = tempfile.TemporaryDirectory(prefix="lakeproof-spark-")
        columns = dict(enumerate(self.table.columns, start=1))
        rows = {name: given for name, given in inputs.items() if isinstance(given, FileRows)}
        order = self._order(columns, {}, f"{folder.name}/rows") | {
            "inputs": {
                name: {"columns": _columns(given.columns), "files": {"all": [*map(launcher.located, given.paths)]}}
                for name, given in rows.items()
            },
            "calls": [{"window": _told(window), "reads": {name: ["all"] for name in rows}}],
        }
        try:
            report = launcher.run(context, self._job("again", order), lambda: None)
        except BaseException:
            folder.cleanup()
            raise
        paths = [re.sub(r"^file:(//)?(?=/)", "", unquote(told["path"])) for told in report["files"]]
        reader = files_relation(connected(), columns, paths, None).to_arrow_reader(BATCH_ROWS)
        return Made(_while_there(reader, folder))

    def _job(self, run: str, order: Mapping[str, Any]) -> Job:
        return Job(self.table.name, self.table.owner, run, self.script, order, self.conf, self.timeout)

    def _order(self, columns: Mapping[int, Column], properties: Mapping[str, str], folder: str) -> dict[str, Any]:
        """Return what every job is told, whatever it reads."""
        layout = FileLayout.of({**properties, **self.table.properties})
        options: dict[str, str] = {"compression": layout.codec}
        if layout.level is not None:
            options[f"parquet.compression.codec.{layout.codec}.level"] = str(layout.level)
        if layout.page_bytes is not None:
            options["parquet.page.size"] = str(layout.page_bytes)
        output = {
            "folder": folder,
            # Their digits are the contract's: Iceberg's schema has no word for them.
            "columns": [told | {"digits": self.table.column(told["name"]).digits} for told in _columns(columns)],
            "partition": self.table.partition,
            "sort": list(self.table.sort_columns),
            "file_bytes": layout.file_bytes,
            "options": options,
        }
        return {"table": self.table.name, "timezone": self.table.timezone, "output": output}


def _run(launcher: Launcher, context: Any, job: Job, beat: Callable[[], None]) -> dict[str, Any]:
    """Run a job, and count for how long a cluster was at work, unless its launcher counts what it is billed by.

    A job that failed is counted from its launch to its end: it told nothing of itself. One on this machine is a child
    of the process, which the operating system counts.
    """
    meter, seconds = Meter.begin(), None
    try:
        report = launcher.run(context, job, beat)
        seconds = report["seconds"]
        return report
    finally:
        used = meter.used()
        if not launcher.is_local and not used.dpu:
            count(cluster=used.wall if seconds is None else round(seconds * MILLION))


def spark_maker(
    table: Table,
    job: str,
    search_path: Sequence[Path],
    declared_in: Path,
    inputs: Mapping[str, Input | Source],
    **options: Any,
) -> SparkMaker:
    """Find a script, and refuse what a job cannot do.

    Args:
        table: The contract.
        job: The script, relative to a folder of the search path.
        search_path: Folders; the first match wins.
        declared_in: The file that declares the table.
        inputs: What it reads, by name.
        **options: `conf`, `timeout` and `launcher`, as in `SparkMaker`.

    Raises:
        ContractError: It is not there, or the table or an input is none for Spark.
    """
    script = next((path for folder in search_path if (path := (folder / job).resolve()).is_file()), None)
    if script is None:
        msg = f"{table.name}: no job {job!r} in {', '.join(str(folder) for folder in search_path)}."
        raise ContractError(msg, next_step="put the script into jobs/, or name its folder: search_path=[…]")
    faults = {
        "its rows are merged by key": table.write == "merge",
        "its rejects are split off": table.on_reject == "split",
    }
    for name, how in inputs.items():
        faults[f"input {name} is a source"] = not hasattr(how, "kind") or not hasattr(how, "table")
        faults[f"input {name} is the table itself, the day before"] = getattr(how, "kind", None) == "previous"
    for column in table.columns:
        faults[f"column {column.name} is {column.type}, which Spark does not have"] = column.type in UNKNOWN_TO_SPARK
    if named := [fault for fault, is_so in faults.items() if is_so]:
        msg = f"{table.name} cannot be made by a Spark job: {'; '.join(named)}."
        raise ContractError(msg, next_step="collect with daily_table, and let a job read that table")
    return SparkMaker(table, script, declared_in, **options)


def _broken(table: Table, docket: Docket) -> dict[str, str]:
    """Return why reference audits have nothing to refer to, by their names."""
    return {
        audit.name: f"{audit.table} is not there to refer to"
        for audit in table.audits
        if isinstance(audit, References) and audit.name not in docket.referred
    }


def _references(table: Table, docket: Docket, launcher: Launcher) -> dict[str, Any]:
    """Return what each reference audit refers to, by the view that the plan reads."""
    told = {}
    for audit in table.audits:
        if isinstance(audit, References) and (referred := docket.referred.get(audit.name)) is not None:
            stored = referred.view.table
            assert stored is not None  # noqa: S101 - opened from a table
            columns = columns_of(stored)
            days = [columns[part.source_id].name for part in stored.spec().fields]
            told[reference_view(audit)] = {
                "columns": _columns(columns),
                "files": [launcher.located(at) for live in referred.view.days.values() for at in live.locations],
                "column": referred.column,
                "day": days[0] if days else None,
            }
    return told


def _columns(columns: Mapping[int, Column]) -> list[dict[str, Any]]:
    return [{"id": number, "name": column.name, "type": column.type} for number, column in columns.items()]


def _input(reader: TableReader, launcher: Launcher) -> dict[str, Any]:
    """Return an input's columns, and its files by day, at the one snapshot that the run reads."""
    stored = reader.view.table
    columns = dict(enumerate(reader.input.table.columns, start=1)) if stored is None else columns_of(stored)
    files = {day_key(day): [*map(launcher.located, live.locations)] for day, live in reader.view.days.items()}
    return {"columns": _columns(columns), "files": files}


def _days(reader: TableReader, window: Window | None) -> list[str]:
    """Return the days of an input that a window may read."""
    days = reader.days(window)
    count(read=sum(reader.view.days[day].bytes for day in days if day in reader.view.days))
    return list(map(day_key, days))


def _told(window: Window | None) -> list[str] | None:
    return None if window is None else [window.first.isoformat(), window.until.isoformat()]


def _written(table: IcebergTable, run: str, told: Mapping[str, Any], contract: Table) -> WrittenFile:
    """Return a file of the report, by the name that Iceberg has for it."""
    location = f"{folder_of(table, run)}/{unquote(told['path']).partition(f'/{run}/rows/')[2]}"
    day: Day = None
    if contract.partition is not None:
        named = _DAY.search(location)
        try:
            day = key_day(named[1]) if named else None
        except ValueError:
            day = None
        if not isinstance(day, date):
            msg = f"{contract.name}: the job made rows whose {contract.partition} is null."
            raise RowsError(msg, next_step=f"return only rows whose {contract.partition} is a day of the window")
    return WrittenFile(location, day, told["bytes"], told["sha256"])


def _while_there(reader: pa.RecordBatchReader, folder: tempfile.TemporaryDirectory[str]) -> pa.RecordBatchReader:
    """Return the same rows; the folder that they lie in goes when they have been read."""

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from reader
        finally:
            with suppress(OSError):
                folder.cleanup()

    return type(reader).from_batches(reader.schema, batches())
