"""What tells a day's rows from others, whatever their order: a digest, keyed by the algorithm that made it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import duckdb
from sqlglot import exp

from lakeproof.audit.kinds import DIALECT
from lakeproof.audit.plan import STAGED, digest, hashed
from lakeproof.verdict import Content

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lakeproof.parts import Column

CONTENT_KEY = f"duckdb-{duckdb.__version__}/hash-hash-xor-sum-1"
"""The algorithm of content digests: DuckDB's row hash, combined by xor and by sum: the order of rows does not matter.

DuckDB does not promise `hash` to stay the same between versions, so the version is part of the key; `content_key` adds
the columns.
"""

SPARK_CONTENT_KEY = "spark/xxhash64-nulls-xor-sum-1"
"""The algorithm where Spark audits: its `xxhash64` of a row and of which values are null, combined in the same way.

Spark promises `xxhash64` to stay what it is, for it is the algorithm's own name.
"""


def content_key(columns: Iterable[Column], algorithm: str | None = None) -> str:
    """Return the key of content digests over some columns: their names and types count, their order does not.

    Args:
        columns: The columns.
        algorithm: What digests them; by default DuckDB, in the version that is installed.
    """
    listed = "\n".join(sorted(f"{column.name} {column.type.replace(' ', '')}" for column in columns))
    return f"{algorithm or CONTENT_KEY}/{hashlib.sha256(listed.encode()).hexdigest()[:16]}"


def algorithm_of(key: str) -> str:
    """Return the algorithm that a key of `content_key` names."""
    return key.rpartition("/")[0]


def digest_rows(
    columns: Sequence[str],
    connection: duckdb.DuckDBPyConnection,
    rows: duckdb.DuckDBPyRelation,
    key: str = CONTENT_KEY,
) -> Content:
    """Return the content digest of rows that are all of one day.

    Args:
        columns: The columns that count.
        connection: Where the relation lives.
        rows: The rows.
        key: What to tell the digest by; `content_key` where it is compared with those of other times.
    """
    rows.create_view(STAGED, replace=True)
    statement = exp.select(*digest()).from_(hashed(columns)).sql(dialect=DIALECT)
    total, xor, total_sum = connection.execute(statement).fetchall()[0]
    return counted_content(key, {"_rows": total, "_xor": xor, "_sum": total_sum} if total else None)


def empty_content(columns: Iterable[Column]) -> Content:
    """Return the content digest of a day without rows."""
    return counted_content(content_key(columns), None)


def counted_content(key: str, count: Mapping[str, Any] | None) -> Content:
    """Return a content digest from what a scan counted of a day; None where it met no row of it.

    Args:
        key: What to tell the digest by.
        count: The scan's `_rows`, `_xor` and `_sum`.
    """
    if count is None:
        return Content(key, "empty", 0)
    return Content(key, f"{count['_xor']:016x}{count['_sum']:032x}", count["_rows"])
