"""What JSON writes for each type of a contract, and how it becomes Arrow without loss."""

from __future__ import annotations

import re
import struct
from datetime import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa

from lakeproof.parts import DECIMAL
from lakeproof.source.text import as_float

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DATE_LETTERS = 10
"""Letters of a date. Arrow reads one as an instant, which would hide that the time of day is gone."""

TIME = re.compile(r"\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?")

JSON_TYPES: dict[str, Any] = {
    "boolean": bool,
    "int": int,
    "long": int,
    # A whole number stays one, so that Arrow can refuse what no double holds.
    "float": int | float,
    "double": int | float,
    "decimal": Decimal,
    # Arrow reads these from their text: it refuses digits beyond microseconds, where Python rounds.
    "date": str,
    "time": str,
    "timestamp": str,
    "timestamptz": str,
    "string": str,
    "uuid": UUID,
    "binary": bytes,
}

TEXTS = frozenset(kind for kind, made in JSON_TYPES.items() if made in (str, UUID, bytes))
"""The types that come as text, whatever their value."""


def kind_of(name: str) -> str:
    """Return a contract type's name without its parameters."""
    return "decimal" if DECIMAL.fullmatch(name) else name


def _plain(values: Sequence[Any], wanted: pa.DataType) -> pa.Array:
    return pa.array(values, wanted)


def _whole(letter: str) -> Callable[[Sequence[Any], pa.DataType], pa.Array]:
    def convert(values: Sequence[Any], wanted: pa.DataType) -> pa.Array:
        try:
            # Arrow takes several times as long, one by one.
            packed = struct.pack(f"={len(values)}{letter}", *values)
        except struct.error:  # a null, or a number out of range
            return _within(values, wanted)
        return pa.Array.from_buffers(wanted, len(values), [None, pa.py_buffer(packed)])

    return convert


def _float(values: Sequence[Any], wanted: pa.DataType) -> pa.Array:
    del wanted
    return as_float(pa.array(values, pa.float64()))


def _within(values: Sequence[Any], wanted: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, wanted)
    except (OverflowError, pa.ArrowException) as error:
        raise pa.ArrowInvalid(str(error)) from None


def _parsed(written: str, longer_than: int = 0) -> Callable[[Sequence[Any], pa.DataType], pa.Array]:
    def convert(values: Sequence[Any], wanted: pa.DataType) -> pa.Array:
        try:
            made = pa.array(values, pa.string()).cast(wanted)
        except pa.ArrowInvalid:
            made = None
        if made is None or min(map(len, filter(None, values)), default=DATE_LETTERS + 1) <= longer_than:
            msg = f"there is no such {written}"
            raise pa.ArrowInvalid(msg)
        return made

    return convert


def _time(values: Sequence[Any], wanted: pa.DataType) -> pa.Array:
    if any(value is not None and not TIME.fullmatch(value) for value in values):
        msg = "it is not written HH:MM:SS with up to six decimals"
        raise pa.ArrowInvalid(msg)
    try:
        return pa.array([None if value is None else time.fromisoformat(value) for value in values], wanted)
    except ValueError as error:
        raise pa.ArrowInvalid(str(error)) from None


def _uuid(values: Sequence[Any], wanted: pa.DataType) -> pa.Array:
    stored = pa.array([None if value is None else value.bytes for value in values], pa.binary(16))
    return pa.ExtensionArray.from_storage(wanted, stored)


CONVERT: dict[str, Callable[[Sequence[Any], pa.DataType], pa.Array]] = dict.fromkeys(JSON_TYPES, _plain) | {
    "int": _whole("i"),
    "long": _whole("q"),
    "float": _float,
    "decimal": _within,
    "date": _parsed("date, written YYYY-MM-DD"),
    "time": _time,
    "timestamp": _parsed("instant, written YYYY-MM-DDTHH:MM:SS without a zone", DATE_LETTERS),
    "timestamptz": _parsed("instant, written YYYY-MM-DDTHH:MM:SS with a zone", DATE_LETTERS),
    "uuid": _uuid,
}
"""Turns decoded values into an array; raises `pyarrow.ArrowInvalid` where one would be lost."""
