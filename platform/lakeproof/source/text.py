"""Text as the value that it is, or not at all."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

DATE_LETTERS = 10


def parsed(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return dates, times, timestamps and decimals from their text, ISO 8601 for what is of time.

    Raises:
        ArrowInvalid: A text is none, or has more digits than the type.
    """
    if pa.types.is_date(kind) and (pc.max(pc.utf8_length(texts)).as_py() or 0) > DATE_LETTERS:
        msg = "a date has a time of day beside it"  # which Arrow would drop
        raise pa.ArrowInvalid(msg)
    if not pa.types.is_time(kind):
        return texts.cast(kind)
    # Arrow reads no time of day by itself, and Python's own reader drops digits.
    instants = pc.binary_join_element_wise("1970-01-01T", texts.cast(pa.string()), "").cast(pa.timestamp("us"))
    return instants.cast(kind)
