"""Items of JSON as rows, strictly: each value is of the type that its column says, or the item and field are named."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

import pyarrow as pa

from lakeproof.engine.cast import arrow_schema, arrow_type
from lakeproof.parts import DECIMAL
from lakeproof.source.fault import DeliveryFault, shown
from lakeproof.source.text import as_float, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeproof.parts import Column

_ABSENT = object()
_DELIVERED: Mapping[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "int": (int,),
    "long": (int,),
    "float": (float, int),
    "double": (float, int),
    "date": (str,),
    "time": (str,),
    "timestamp": (str,),
    "timestamptz": (str,),
    "string": (str,),
    "uuid": (str,),
    "binary": (),
}
"""The JSON types in which values of a column come; JSON has no bytes."""


def decode(text: str | bytes, *, exact: bool) -> Any:
    """Return what JSON says.

    Args:
        text: One JSON value, in UTF-8 where it is bytes.
        exact: Whether numbers with a point stay as they are written, for decimals.

    Raises:
        DeliveryFault: It is no JSON, not in UTF-8, names a field twice, or has a number that JSON has not.
    """
    try:
        return json.loads(
            text.decode() if isinstance(text, bytes) else text,
            parse_float=Decimal if exact else float,
            parse_constant=_no_number,
            object_pairs_hook=_once,
        )
    except UnicodeDecodeError as error:
        msg = f"it is not UTF-8: {error.reason} at byte {error.start + 1}"
        raise DeliveryFault(msg) from None
    except json.JSONDecodeError as error:
        msg = f"it is no JSON: {error.msg} at character {error.pos + 1}"
        raise DeliveryFault(msg) from None
    except (RecursionError, ValueError) as error:
        msg = f"it is no JSON that can be read: {error}"
        raise DeliveryFault(msg) from None


def rows_of(items: Sequence[Any], columns: Mapping[str, Column], line: int) -> pa.RecordBatch:
    """Return items as rows.

    Args:
        items: Objects.
        columns: The columns to take, by the path of each in an item: `lat`, or `location.lat` where it is nested.
        line: The line or number of the first item; each is one further.

    Raises:
        DeliveryFault: A field is absent, or its value is not what the column says.
    """
    for number, item in enumerate(items):
        if type(item) is not dict:
            msg = f"{shown(item)} is no JSON object"
            raise DeliveryFault(msg, line=line + number)
    arrays = [
        _array([_found(item, path, line + n) for n, item in enumerate(items)], path, column, line)
        for path, column in columns.items()
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(columns.values()))


def needs_exact(columns: Mapping[str, Column]) -> bool:
    """Whether a column is a decimal, whose digits a double would not keep."""
    return any(DECIMAL.fullmatch(column.type) for column in columns.values())


def _found(item: Mapping[str, Any], path: str, line: int) -> Any:
    value = item.get(path, _ABSENT)
    if value is not _ABSENT:
        return value
    at: Any = item
    for part in path.split("."):
        at = at.get(part, _ABSENT) if type(at) is dict else _ABSENT
    if at is _ABSENT:
        msg = "the field is absent"
        raise DeliveryFault(msg, line=line, field=path)
    return at


def _array(values: list[Any], path: str, column: Column, line: int) -> pa.Array:
    decimal = DECIMAL.fullmatch(column.type)
    allowed = (Decimal, int, str) if decimal else _DELIVERED[column.type]
    if {type(value) for value in values} - {*allowed, type(None), *((Decimal,) if float in allowed else ())}:
        number = next(n for n, value in enumerate(values) if value is not None and type(value) not in allowed)
        _refuse(values[number], path, column, line + number)
    try:
        return _converted(values, column)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, OverflowError, ArithmeticError):
        for number, value in enumerate(values):
            try:
                _converted([value], column)
            except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, OverflowError, ArithmeticError):
                _refuse(value, path, column, line + number)
        raise


def _converted(values: list[Any], column: Column) -> pa.Array:
    kind = arrow_type(column.type)
    if pa.types.is_decimal(kind):
        return pa.array([None if v is None else Decimal(v) for v in values], kind)
    if pa.types.is_floating(kind):
        doubles = pa.array([float(v) if isinstance(v, Decimal) else v for v in values], pa.float64())
        made = as_float(doubles) if kind.equals(pa.float32()) else doubles
        if any(v is not None and math.isinf(v) for v in made.to_pylist()):
            raise OverflowError
        return made
    if kind.equals(pa.uuid()):
        storage = pa.array([None if v is None else UUID(v).bytes for v in values], pa.binary(16))
        return pa.ExtensionArray.from_storage(kind, storage)
    if pa.types.is_temporal(kind):
        return parsed(pa.array(values, pa.string()), kind)
    return pa.array(values, kind)


def _refuse(value: Any, path: str, column: Column, line: int) -> NoReturn:
    names = {bool: "a boolean", int: "a number", float: "a number", Decimal: "a number", str: "text"}
    told = names.get(type(value), "no single value")
    msg = f"{shown(value)} is {told}, and no {column.type}"
    raise DeliveryFault(msg, line=line, field=path) from None


def _no_number(name: str) -> NoReturn:
    msg = f"{name} is no number of JSON"
    raise ValueError(msg)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    item = dict(pairs)
    if len(item) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        msg = f"field {twice} comes twice"
        raise ValueError(msg)
    return item
