"""Values as text that is the same whichever engine read them. Plain Python: readers have environments of their own."""

from __future__ import annotations

import struct
from datetime import UTC
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, time


def _bits(form: str) -> Callable[[float], str]:
    """Return what tells a number by its bits; but one NaN is like another."""
    return lambda value: "nan" if value != value else struct.pack(form, value).hex()  # noqa: PLR0124 - NaN alone differs


def _uuid(value: UUID | str | bytes) -> str:
    return str(UUID(bytes=value) if isinstance(value, bytes) else value)


def _time(value: datetime | time) -> str:
    return value.isoformat(timespec="microseconds")


TEXT: dict[str, Callable[[Any], str]] = {
    "float": _bits(">f"),
    "double": _bits(">d"),
    "time": _time,
    "timestamp": _time,
    "timestamptz": lambda value: _time(value.astimezone(UTC)),
    "uuid": _uuid,
    "binary": lambda value: bytes(value).hex(),
}
"""How values of a type are told, where Python's own text would not do."""


def canonical(kind: str, value: Any) -> str | None:
    """Return a value as text, exactly.

    Args:
        kind: The column's type in the contract.
        value: What a reader's Python has for it.
    """
    if value is None:
        return None
    if kind.startswith("decimal"):
        scale = kind.rstrip(")").split(",")[1].strip()
        return f"{value:.{scale}f}"
    return TEXT.get(kind, str)(value)


def canonical_rows(kinds: dict[str, str], rows: list[dict[str, Any]]) -> list[list[str | None]]:
    """Return rows in the order of their text, each with its values in the order of the columns.

    Args:
        kinds: The type of each column.
        rows: The rows, each with exactly these columns.
    """
    assert all(list(row) == list(kinds) for row in rows)
    return sorted(([canonical(kinds[name], row[name]) for name in kinds] for row in rows), key=repr)
