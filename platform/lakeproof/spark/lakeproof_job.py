"""What a PySpark job of Lakeproof runs in: exactly its window in, rows of its contract out, audited where they are.

This file goes with the job's script to wherever Spark runs, and needs pyspark and dagster-pipes there, and nothing of
Lakeproof. A script ends with `lakeproof_job.run(function)`. The function takes `window`, an input by each other name as
a DataFrame, and `spark` if it wants the session; it returns the rows of the window as a DataFrame.

What it may read and where it writes come in the order: lists of Parquet files, and a folder that is the run's own. It
is given no catalog, so nothing that it does can reach a table.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from dagster_pipes import PipesCliArgsParamsLoader, PipesS3ContextLoader, PipesS3MessageWriter, open_dagster_pipes
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - what PySpark's own pages call it
from pyspark.sql import types as T  # noqa: N812 - as above

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FIELD_ID = "parquet.field.id"
DAY = "_day"
STAGED = "staged"
RUN_DAY = timedelta(days=1)

SETTINGS = {
    # Sums that overflow, and casts that lose, are errors and not other values.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.fieldId.read.enabled": "true",
    "spark.sql.parquet.fieldId.write.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # The proleptic calendar, which is Iceberg's; Spark would else refuse days before 1582.
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.adaptive.enabled": "true",
}

TYPES: dict[str, T.DataType] = {
    "boolean": T.BooleanType(),
    "int": T.IntegerType(),
    "long": T.LongType(),
    "float": T.FloatType(),
    "double": T.DoubleType(),
    "date": T.DateType(),
    "timestamp": T.TimestampNTZType(),
    "timestamptz": T.TimestampType(),
    "string": T.StringType(),
    "binary": T.BinaryType(),
}
WIDER: tuple[tuple[type[T.DataType], ...], ...] = (
    (T.ByteType, T.ShortType, T.IntegerType, T.LongType),
    (T.FloatType, T.DoubleType),
)
"""Types that become a later one of their line with every value as it was."""

WHOLE_DOUBLES = 2.0**52
"""From here on every double is a whole number (IEEE 754)."""


class RefusedError(Exception):
    """Rows do not fit the contract.

    Args:
        what: What does not.
        remedy: What to do.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


@dataclass(frozen=True)
class Window:
    """The half-open interval of logical days `[first, until)` that a call is about.

    Args:
        first: The first day in the window.
        until: The day after the last one.
        timezone: The zone in which the days begin and end.
    """

    first: date
    until: date
    timezone: str = "UTC"

    @property
    def last(self) -> date:
        """The last day in the window."""
        return self.until - RUN_DAY

    @property
    def days(self) -> tuple[date, ...]:
        """Every day in the window, in order."""
        return tuple(self.first + n * RUN_DAY for n in range((self.until - self.first).days))

    @property
    def ds(self) -> str:
        """The day of a window of one day, as `YYYY-MM-DD`."""
        if self.last != self.first:
            msg = f"This window holds {len(self.days)} days, so it has no single day."
            raise ValueError(msg)
        return self.first.isoformat()

    @property
    def start(self) -> datetime:
        """The instant at which the window begins, with its zone."""
        return datetime.combine(self.first, time.min, ZoneInfo(self.timezone))

    @property
    def end(self) -> datetime:
        """The instant at which the window has ended, with its zone; itself outside the window."""
        return datetime.combine(self.until, time.min, ZoneInfo(self.timezone))


def run(function: Callable[..., DataFrame]) -> None:
    """Do what was ordered with a function that makes rows, tell the platform what came of it, and end.

    Args:
        function: Takes `window` and the inputs, returns a DataFrame.
    """
    with open_dagster_pipes(**_channels()) as pipes:
        report = carry_out(SparkSession.builder.getOrCreate, function, pipes.extras, pipes.log.info)
        pipes.report_custom_message({"lakeproof": report})
    if "failed" in report:
        sys.exit(1)


def _channels() -> dict[str, Any]:
    """Return how the order comes and the report goes: as the environment says, or by arguments that name a bucket."""
    given = PipesCliArgsParamsLoader()  # type: ignore[no-untyped-call]  # dagster-pipes left it so
    if not given.is_dagster_pipes_process():
        return {}
    import boto3  # noqa: PLC0415 - wherever jobs are started by arguments it is there

    client = boto3.client("s3")
    return {
        "params_loader": given,
        "context_loader": PipesS3ContextLoader(client),
        "message_writer": PipesS3MessageWriter(client, interval=1.0),
    }


def carry_out(
    session: Callable[[], SparkSession],
    function: Callable[..., DataFrame],
    order: Mapping[str, Any],
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Make the ordered days, write them, digest and audit what was written.

    Args:
        session: Starts Spark.
        function: Takes `window` and the inputs, returns a DataFrame.
        order: What to do.
        tell: Takes a line of progress.

    Returns:
        The report: files, what the scan counted, samples of rows at fault, seconds since Spark was there; or why it
        failed.
    """
    try:
        spark = session()
        began = monotonic()
        for name, value in {**order.get("conf", {}), **SETTINGS}.items():
            spark.conf.set(name, value)
        tell(f"Spark {spark.version}: {order['table']}, {len(order['calls'])} calls")
        for call in order["calls"]:
            _write(_made(spark, function, order, call), order)
        files = _digested(spark, order["output"])
        tell(f"wrote {len(files)} files, {sum(file['bytes'] for file in files):,} bytes")
        report: dict[str, Any] = {"spark": spark.version, "files": files}
        if "audits" in order:
            report |= _audited(spark, order, [file["path"] for file in files])
            tell("audited")
        report["seconds"] = round(monotonic() - began, 3)
    except RefusedError as error:
        return {"failed": {"kind": "rows", "what": error.what, "remedy": error.remedy}}
    except Exception as error:  # noqa: BLE001 - whatever it is, the platform tells it as the table's failure
        return {"failed": {"kind": "make", "what": _first_line(error), "trace": traceback.format_exc()}}
    return report


def read(spark: SparkSession, columns: list[dict[str, Any]], paths: list[str]) -> DataFrame:
    """Return files as a DataFrame, their columns matched by Iceberg field id.

    Args:
        spark: The session.
        columns: The columns: `id`, `name` and `type`, by Iceberg's names.
        paths: The files; none has no rows.
    """
    schema = T.StructType([_field(column) for column in columns if _spark_type(column["type"]) is not None])
    return spark.read.schema(schema).parquet(*paths) if paths else spark.createDataFrame([], schema)


def _field(column: Mapping[str, Any]) -> T.StructField:
    kind = _spark_type(column["type"])
    assert kind is not None  # noqa: S101 - looked at by the caller
    return T.StructField(column["name"], kind, nullable=True, metadata={FIELD_ID: column["id"]})


def _spark_type(name: str) -> T.DataType | None:
    """Return Spark's type for one of Iceberg's; None where it has none."""
    if name.startswith("decimal"):
        precision, scale = name.removeprefix("decimal(").rstrip(")").split(",")
        return T.DecimalType(int(precision), int(scale))
    return TYPES.get(name)


def _made(
    spark: SparkSession, function: Callable[..., DataFrame], order: Mapping[str, Any], call: Mapping[str, Any]
) -> DataFrame:
    """Call the function for one window, with the files that the window may read and no others."""
    window = None
    if call["window"] is not None:
        first, until = (date.fromisoformat(day) for day in call["window"])
        window = Window(first, until, order["timezone"])
    given: dict[str, Any] = {"window": window, "spark": spark}
    for name, days in call["reads"].items():
        told = order["inputs"][name]
        given[name] = read(spark, told["columns"], [path for day in days for path in told["files"].get(day, ())])
    rows = function(**{name: given[name] for name in inspect.signature(function).parameters})
    return _fitted(rows, order)


def _fitted(rows: DataFrame, order: Mapping[str, Any]) -> DataFrame:
    """Return rows with exactly the contract's columns, or refuse them by name."""
    columns = order["output"]["columns"]
    known = [column["name"] for column in columns]
    faults = [f"column {name} comes twice." for name in sorted({n for n in rows.columns if rows.columns.count(n) > 1})]
    faults += [f"column {name} is missing." for name in known if name not in rows.columns]
    faults += [f"column {name} is not in the contract." for name in rows.columns if name not in known]
    chosen: list[Column] = []
    for column in columns if not faults else ():
        wanted = _spark_type(column["type"])
        assert wanted is not None  # noqa: S101 - refused when the table is declared
        made = rows.schema[column["name"]].dataType
        if not _may_become(made, wanted, rounded=column["digits"] is not None):
            faults.append(f"column {column['name']} is {made.simpleString()}, not {column['type']}.")
            continue
        value = F.col(f"`{column['name']}`")
        if column["digits"] is not None:
            value = _rounded(value.cast("double"), column["digits"])
        chosen.append(value.cast(wanted).alias(column["name"], metadata={FIELD_ID: column["id"]}))
    if faults:
        raise RefusedError(" ".join(faults), "return the contract's columns, or change the contract to what is true")
    return rows.select(*chosen)


def _may_become(made: T.DataType, wanted: T.DataType, *, rounded: bool) -> bool:
    """Whether every value of a type is one of another; with declared digits, a number is rounded."""
    if made == wanted or isinstance(made, T.NullType):
        return True
    if rounded and isinstance(made, T.NumericType):
        return True
    if isinstance(made, T.DecimalType) and isinstance(wanted, T.DecimalType):
        return bool(made.scale <= wanted.scale and made.precision - made.scale <= wanted.precision - wanted.scale)
    for line in WIDER:
        if type(made) in line and type(wanted) in line:
            return line.index(type(made)) <= line.index(type(wanted))
    return False


def _rounded(value: Column, digits: int) -> Column:
    """Round to declared digits by way of whole numbers, as the platform does; too large a double has none to lose."""
    power = 10.0**digits
    return F.when(F.abs(value) < F.lit(WHOLE_DOUBLES / power), F.rint(value * F.lit(power)) / F.lit(power)).otherwise(
        value
    )


def _write(rows: DataFrame, order: Mapping[str, Any]) -> None:
    """Write rows to the run's folder, a day's in files of about the table's target size, in its sort order."""
    output = order["output"]
    day = output["partition"]
    # A shuffle is about three times what Parquet makes of it.
    rows.sparkSession.conf.set("spark.sql.adaptive.advisoryPartitionSizeInBytes", str(3 * output["file_bytes"]))
    sort = [F.col(name).desc_nulls_first() if down else F.col(name).asc_nulls_first() for name, down in output["sort"]]
    if day is not None:
        rows = rows.withColumn(DAY, F.col(day)).hint("rebalance", DAY)
        sort = [F.col(DAY), *sort]
    else:
        rows = rows.hint("rebalance")
    writer = (rows.sortWithinPartitions(*sort) if output["sort"] else rows).write.mode("append")
    for name, value in output["options"].items():
        writer = writer.option(name, value)
    (writer if day is None else writer.partitionBy(DAY)).parquet(output["folder"])


def _digested(spark: SparkSession, output: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the files that were written, each with its size and the digest of its bytes, before anyone reads rows."""
    found = (
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", "true")
        .option("pathGlobFilter", "*.parquet")
        .load(output["folder"])
        .select("path", "length", F.sha2("content", 256).alias("sha256"))
    )
    return [{"path": row.path, "bytes": row.length, "sha256": row.sha256} for row in found.orderBy("path").collect()]


def _audited(spark: SparkSession, order: Mapping[str, Any], paths: list[str]) -> dict[str, Any]:
    """Ask the audits of what was written; where the one statement breaks, ask each by itself."""
    audits = order["audits"]
    read(spark, order["output"]["columns"], paths).createOrReplaceTempView(STAGED)
    for view, told in audits["references"].items():
        rows = read(spark, told["columns"], told["files"])
        day = F.col(f"`{told['day']}`") if told["day"] else F.lit(None).cast("date")
        rows.select(F.col(f"`{told['column']}`").alias("_value"), day.alias("_of_day")).createOrReplaceTempView(view)
    errors: dict[str, str] = {}
    try:
        counts = list(_rows(spark, audits["scan"]))
    except Exception:  # noqa: BLE001 - which of the audits it is, is found out one by one
        counts = list(_rows(spark, audits["bare"]))
        for name, statement in audits["alone"].items():
            try:
                alone = {row["_day"]: row for row in _rows(spark, statement["sql"])}
            except Exception as error:  # noqa: BLE001 - an audit that cannot be asked has not judged
                errors[name] = _first_line(error)
                continue
            for row in counts:
                row[statement["column"]] = alone[row["_day"]][statement["column_alone"]]
    samples = {}
    for name, sample in audits["samples"].items():
        if name not in errors and any(_at_fault(row, sample) for row in counts):
            samples[name] = list(_rows(spark, sample["sql"]))
    return {"counts": counts, "errors": errors, "samples": samples}


def _at_fault(row: Mapping[str, Any], sample: Mapping[str, Any]) -> bool:
    number = row.get(sample["column"]) or 0
    return bool(number != row["_rows"]) if sample["distinct"] else bool(number)


def _rows(spark: SparkSession, statement: str) -> Iterator[dict[str, Any]]:
    found = spark.sql(statement)
    # By Spark, in UTC: PySpark would make instants local to this process, without a zone.
    instants = {field.name: F.col(f"`{field.name}`").cast("string") for field in found.schema if _is_instant(field)}
    for row in (found.withColumns(instants) if instants else found).collect():
        yield {name: _plain(value) for name, value in row.asDict().items()}


def _is_instant(field: T.StructField) -> bool:
    return isinstance(field.dataType, T.TimestampType)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: whole numbers whole, however wide, and what JSON has no word for as text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, bytes | bytearray):
        return value.hex()
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _first_line(error: BaseException) -> str:
    """Return what an error says; of one in Java, what the last of its causes says."""
    java = getattr(error, "java_exception", None)
    if java is not None:
        while java.getCause() is not None:
            java = java.getCause()
        return str(java.toString()).splitlines()[0]
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
