"""Numbers of a page are put together many at once: as they come one by one, or not at all."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeproof.engine.cast import ARROW_TYPES
from lakeproof.source.values import CONVERT

NUMBERS = st.integers(-(2**31) - 2, 2**31 + 1) | st.integers(-(2**63) - 2, 2**63 + 1) | st.integers(-3, 3)


def one_by_one(values: list[Any], wanted: pa.DataType) -> pa.Array | None:
    """Return values as Arrow reads each; None where it does not."""
    try:
        return pa.array(values, wanted)
    except (pa.ArrowInvalid, OverflowError):
        return None


@pytest.mark.parametrize("kind", ["int", "long"])
@given(values=st.lists(st.none() | NUMBERS, max_size=6) | st.lists(NUMBERS, max_size=6))
def test_numbers_are_all_there_or_refused(kind: str, values: list[int | None]) -> None:
    """Also null, the largest and the smallest, and none that does not fit comes as another."""
    wanted = one_by_one(values, ARROW_TYPES[kind])

    if wanted is None:
        with pytest.raises(pa.ArrowInvalid):
            CONVERT[kind](values, ARROW_TYPES[kind])
        return
    made = CONVERT[kind](values, ARROW_TYPES[kind])
    made.validate(full=True)
    assert made.equals(wanted)
