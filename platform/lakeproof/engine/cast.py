"""Rows as the contract says, or a refusal that names the column and a sample: nothing is lost in a cast."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from lakeproof.errors import RowsError, did_you_mean
from lakeproof.parts import DECIMAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lakeproof.contract import Table
    from lakeproof.parts import Column

ARROW_TYPES: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "string": pa.large_string(),
    "uuid": pa.uuid(),
    "binary": pa.large_binary(),
}
SAMPLE_VALUES = 3

WHOLE_DOUBLES = 2.0**52
"""From here on every double is a whole number (IEEE 754)."""


def arrow_type(name: str) -> pa.DataType:
    """Return Arrow's type for a contract's type name."""
    if decimal := DECIMAL.fullmatch(name):
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    return ARROW_TYPES[name]


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """Return a contract's columns as an Arrow schema."""
    return pa.schema([(column.name, arrow_type(column.type)) for column in columns])


def fit(reader: pa.RecordBatchReader, contract: Table, where: str) -> Iterator[pa.RecordBatch]:
    """Yield rows with exactly the contract's columns, in its order and of its types.

    Columns are matched by name. Widening is free; a narrower type is taken when every value survives it. Text is never
    parsed and numbers are never printed: that is the function's decision, not a cast's.

    Args:
        reader: The rows as they were made.
        contract: The table they are for.
        where: The table and days, for the refusal.

    Raises:
        RowsError: A column is missing, unknown, of another type, or a value does not survive its cast.
    """
    check_columns(reader.schema, contract, where)
    schema = arrow_schema(contract.columns)
    for batch in reader:
        columns = [cast_values(batch.column(c.name), c, schema.field(c.name).type, where) for c in contract.columns]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def check_columns(made: pa.Schema, contract: Table, where: str) -> None:
    """Refuse columns that are missing, unknown or of a type that cannot become the contract's."""
    twice = sorted({name for name in made.names if made.names.count(name) > 1})
    faults = [f"column {name} comes twice." for name in twice]
    for column in contract.columns:
        if column.name not in made.names:
            others = [name for name in made.names if name not in contract.column_names]
            hint = f" {did_you_mean(column.name, others)}" if others else ""
            faults.append(f"column {column.name} ({column.type}) is missing.{hint}")
        elif column.name not in twice and not may_become(made.field(column.name).type, arrow_type(column.type)):
            faults.append(f"column {column.name} is {made.field(column.name).type}, not {column.type}.")
    faults += [f"column {name} is not in the contract." for name in made.names if name not in contract.column_names]
    if faults:
        msg = f"{where}: " + " ".join(faults)
        raise RowsError(msg, next_step="return the contract's columns, or change the contract to what is true")


def may_become(made: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values of one type can become another's at all; each value is still looked at."""
    made = made.value_type if pa.types.is_dictionary(made) else made
    if made.equals(wanted) or pa.types.is_null(made):
        return True
    number = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    families = (
        number,
        (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
        (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view),
        (pa.types.is_date,),
        (pa.types.is_time,),
    )
    if any(any(t(made) for t in family) and any(t(wanted) for t in family) for family in families):
        return True
    if pa.types.is_timestamp(made) and pa.types.is_timestamp(wanted):
        return (made.tz is None) == (wanted.tz is None)
    text_or_bytes = (pa.types.is_fixed_size_binary, pa.types.is_binary, pa.types.is_large_binary, pa.types.is_string)
    return bool(wanted.equals(pa.uuid())) and any(t(made) for t in (*text_or_bytes, pa.types.is_large_string))


def cast_values(values: pa.Array, column: Column, wanted: pa.DataType, where: str) -> pa.Array:
    """Return values as a column's type, every one of them as it was.

    Raises:
        RowsError: A value does not survive.
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if column.digits is not None:
        return _rounded(values, column.digits).cast(wanted, safe=False)
    if values.type.equals(wanted):
        return values
    if wanted.equals(pa.uuid()):
        return _uuids(values, column, where)
    try:
        made = _through_integer(values, wanted).cast(wanted, safe=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        _refuse(values, column, wanted, where, str(error))
    if not _survived(made, values):
        _refuse(values, column, wanted, where, "digits would be lost")
    return made


def _rounded(values: pa.Array, digits: int) -> pa.Array:
    """Round to declared digits, which is a loss that was declared with them.

    By way of whole numbers, because Arrow leaves a value as it is when ten times it happens to be whole in binary:
    14.799999999999999 and 14.8 would stay two values. A double too large to have such digits has nothing to round.
    """
    doubles = values.cast(pa.float64())
    power = 10.0**digits
    rounded = pc.divide(pc.round(pc.multiply(doubles, power)), power)
    return pc.if_else(pc.less(pc.abs(doubles), WHOLE_DOUBLES / power), rounded, doubles)


def _survived(made: pa.Array, values: pa.Array) -> bool:
    """Whether every fractional value comes back as it was; Arrow's own check looks only at whole numbers."""
    from_floating = pa.types.is_floating(values.type)
    if not from_floating and not (pa.types.is_decimal(values.type) and pa.types.is_floating(made.type)):
        return True
    if from_floating:
        # A decimal comes back by way of its digits: multiplied out, 2.30 is not 2.3.
        back = (made.cast(pa.string()) if pa.types.is_decimal(made.type) else made).cast(pa.float64())
        told = values.cast(pa.float64())
        same = pc.or_(pc.equal(back, told), pc.and_(pc.is_nan(back), pc.is_nan(told)))
    else:
        same = pc.equal(
            pc.cast(made, pa.decimal128(38, values.type.scale), safe=False),
            values.cast(pa.decimal128(38, values.type.scale)),
        )
    return pc.all(pc.fill_null(same, fill_value=True)).as_py() is not False


def _uuids(values: pa.Array, column: Column, where: str) -> pa.Array:
    """Return UUIDs from their bytes, or from the text as which some engines hand them over."""
    try:
        if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
            values = values.cast(pa.binary()).cast(pa.binary(16))
        elif not pa.types.is_fixed_size_binary(values.type):
            values = pa.array([None if v is None else UUID(v).bytes for v in values.to_pylist()], pa.binary(16))
        return pa.ExtensionArray.from_storage(pa.uuid(), values)
    except (pa.ArrowInvalid, ValueError) as error:
        _refuse(values, column, pa.uuid(), where, str(error))


def _through_integer(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Arrow reads a decimal or integer of another width by way of a decimal that holds every 64-bit integer."""
    if pa.types.is_integer(values.type) and pa.types.is_decimal(wanted):
        return values.cast(pa.int64()).cast(pa.decimal128(19, 0)).cast(pa.decimal128(38, min(wanted.scale, 19)))
    return values


def _refuse(values: pa.Array, column: Column, wanted: pa.DataType, where: str, why: str) -> NoReturn:
    """Raise with the values that do not survive the cast, found one by one."""
    lost: list[str] = []
    for place in range(len(values)):
        if len(lost) == SAMPLE_VALUES:
            break
        one = values.slice(place, 1)
        try:
            if not _survived(_through_integer(one, wanted).cast(wanted, safe=True), one):
                lost.append(_text(one))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            lost.append(_text(one))
    sample = f", such as {', '.join(lost)}" if lost else ""
    reason = re.sub(r"\s+", " ", why)
    what = f"column {column.name} is {values.type} and cannot become {column.type} without loss"
    msg = f"{where}: {what}{sample} ({reason})."
    raise RowsError(msg, next_step="cast or round the values in the function, or widen the column's type")


def _text(one: pa.Array) -> str:
    """Return an array's only value as text, by Arrow: Python has no nanoseconds."""
    return str(one.cast(pa.string())[0].as_py())
