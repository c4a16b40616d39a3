"""Rows handed to an engine as a stream, without what breaks in them being lost on the way."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@contextmanager
def as_stream(rows: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatchReader]:
    """Give rows as a stream that an engine reads, once.

    Args:
        rows: The rows.
        schema: Their columns.

    Raises:
        BaseException: Whatever `rows` raised while it was read, as it was: an engine makes a text of it, also of a
            person's interrupt.
    """
    broken: list[BaseException] = []
    try:
        yield pa.RecordBatchReader.from_batches(schema, watched(rows, broken))
    except Exception:
        if broken:
            raise broken[0] from None
        raise


def watched(rows: Iterable[pa.RecordBatch], broken: list[BaseException]) -> Iterator[pa.RecordBatch]:
    """Yield rows, and remember what breaks while they are read.

    Args:
        rows: The rows.
        broken: Where to remember it.
    """
    try:
        yield from rows
    except GeneratorExit:
        raise  # whoever read them wants no more
    except BaseException as error:
        broken.append(error)
        raise
