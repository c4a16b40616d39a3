"""The vocabulary of audits. Each function returns a condition; a table lists the ones its days must meet."""

from __future__ import annotations

from lakeproof.audit.collected import duplicates, late, missing_hours, missing_numbers, new_nulls
from lakeproof.audit.vocabulary import (
    accepted_values,
    between,
    matches,
    not_null,
    python,
    references,
    row_count,
    sql,
    sql_result,
    unique,
    volume,
)

__all__ = [
    "accepted_values",
    "between",
    "duplicates",
    "late",
    "matches",
    "missing_hours",
    "missing_numbers",
    "new_nulls",
    "not_null",
    "python",
    "references",
    "row_count",
    "sql",
    "sql_result",
    "unique",
    "volume",
]
