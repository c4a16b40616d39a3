"""What is written, as the value that it is, or not at all."""

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


def as_float(doubles: pa.Array) -> pa.Array:
    """Return numbers that were written down as floats of 32 bits, where those read as they were written.

    0.1 does, though no float is the double 0.1; 0.123456789 and 1e39 do not.

    Raises:
        ArrowInvalid: A number has more digits than a float holds, or is out of its range.
    """
    made = doubles.cast(pa.float32(), safe=False)
    told = made.cast(pa.string()).cast(pa.float64())
    same = pc.or_(pc.equal(told, doubles), pc.and_(pc.is_nan(told), pc.is_nan(doubles)))
    if pc.all(pc.fill_null(same, fill_value=True)).as_py() is False:
        msg = "it has more digits than a float holds"
        raise pa.ArrowInvalid(msg)
    return made
