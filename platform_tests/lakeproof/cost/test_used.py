from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from lakeproof.cost.used import NAMES, Used

amounts = st.integers(0, 10**15)
used = st.builds(
    Used,
    **dict.fromkeys(NAMES, amounts),
    requests=st.dictionaries(st.sampled_from(["a.org", "b.org:8080"]), st.integers(1, 10**6)),
)


@given(used, st.lists(st.integers(0, 10**9), min_size=1, max_size=400))
def test_the_shares_of_the_days_are_the_run(whole: Used, rows: list[int]) -> None:
    """To the last microsecond, byte and request, and none is below nothing."""
    shares = whole.shares(rows)

    assert len(shares) == len(rows)
    assert reduce(Used.__add__, shares) == whole
    assert all(getattr(share, name) >= 0 for share in shares for name in NAMES)


@given(used)
def test_a_day_without_rows_has_no_share_beside_one_that_has(whole: Used) -> None:
    """Rows are what decides, and where there are none, all days are equal."""
    none, all_of_it = whole.shares([0, 5])

    assert (none, all_of_it) == (Used(), whole)
    assert [share.cpu for share in Used(cpu=6).shares([0, 0, 0])] == [2, 2, 2]


@given(used)
def test_what_is_told_is_what_was_used(whole: Used) -> None:
    """Seconds are told as numbers with a point, and lose nothing of a day's worth of them."""
    small = Used(**{name: getattr(whole, name) % 10**12 for name in NAMES}, requests=whole.requests)

    assert Used.of_record(small.as_record()) == small
