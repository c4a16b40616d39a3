"""What a value is: number, text, time; as far as two spellings of one value depend on it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

DECIMAL = re.compile(r"decimal\(\s*\d+\s*,\s*(\d+)\s*\)")
NAMES = {
    "boolean": "bool",
    **dict.fromkeys(("tinyint", "smallint", "int", "integer", "long", "bigint", "hugeint", "uint", "ubigint"), "int"),
    **dict.fromkeys(("float", "double", "real"), "double"),
    **dict.fromkeys(("string", "varchar", "text", "char"), "text"),
    "date": "date",
    "timestamp": "time",
    **dict.fromkeys(("timestamptz", "timestamp with time zone"), "zoned"),
    "interval": "interval",
}
OTHER = "other"
TIMES = {"date", "time", "zoned"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def kind_of(type_name: str) -> str:
    """Return the kind of a type, by its name in Iceberg or DuckDB; `other` of what nothing is known."""
    name = type_name.lower()
    if decimal := DECIMAL.fullmatch(name):
        return f"decimal:{decimal[1]}"
    return NAMES.get(name, OTHER)


def is_number(kind: str) -> bool:
    """Whether a kind is added up and multiplied."""
    return kind in {"int", "double"} or kind.startswith("decimal")


def digits(kind: str) -> int | None:
    """Return how many decimal places the values of a kind have; None where they are not exact, or no numbers."""
    if kind == "int":
        return 0
    return int(kind.partition(":")[2]) if kind.startswith("decimal") else None


def exact(places: int | None) -> str:
    """Return the kind of numbers with so many decimal places; `double` where they are not exact."""
    return "double" if places is None else f"decimal:{places}" if places else "int"


def is_linear(kind: str) -> bool:
    """Whether values of a kind have differences: numbers, and times in microseconds."""
    return is_number(kind) or kind in TIMES or kind == "interval"


def microseconds(literal: str) -> int | None:
    """Return a day or a time as microseconds since 1970, None where the text is neither."""
    try:
        moment = datetime.fromisoformat(literal.strip())
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
