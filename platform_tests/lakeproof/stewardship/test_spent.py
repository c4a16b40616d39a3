from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeproof.errors import UsageError
from lakeproof.stewardship.spent import Spent, attributed

DAY = date(2026, 11, 5)
NAMES = [f"t.t{number}" for number in range(8)]

usd = st.floats(0, 1e6)
spent_on = st.builds(Spent, st.just(DAY), st.sampled_from(NAMES), usd, usd, usd, usd)


@st.composite
def lineages(draw: st.DrawFn) -> dict[str, list[str]]:
    """Draw which tables each table reads: any of those before it, and perhaps itself."""
    return {name: draw(st.lists(st.sampled_from(NAMES[: place + 1]), unique=True)) for place, name in enumerate(NAMES)}


@given(st.lists(spent_on, max_size=20), lineages(), st.sets(st.sampled_from(NAMES)))
def test_no_dollar_is_lost(spent: list[Spent], upstream: dict[str, list[str]], ends: set[str]) -> None:
    """What stays with the ends is what was spent, whoever reads whom; no full cost is below a table's own."""
    costs = attributed(spent, upstream, ends)

    whole = sum(each.usd for each in spent)
    assert sum(cost.borne for cost in costs.values()) == pytest.approx(whole, rel=1e-9, abs=1e-9)
    assert all(cost.full >= cost.own for cost in costs.values())
    assert all(cost.borne <= cost.full for cost in costs.values())
    assert {name for name, cost in costs.items() if cost.borne} - ends <= {
        name for name in NAMES if not any(name in reads for other, reads in upstream.items() if other != name)
    }


def test_a_diamond_is_counted_once() -> None:
    """A table that is reached by two ways gets both halves, and not the whole twice."""
    spent = [Spent(DAY, name, compute=usd) for name, usd in (("a.raw", 8.0), ("a.l", 1.0), ("a.r", 2.0), ("a.v", 4.0))]

    costs = attributed(spent, {"a.l": ["a.raw"], "a.r": ["a.raw"], "a.v": ["a.l", "a.r"]})

    assert {name: cost.full for name, cost in costs.items()} == {"a.raw": 8.0, "a.l": 5.0, "a.r": 6.0, "a.v": 15.0}
    assert costs["a.v"].borne == 15.0


def test_an_end_that_others_read_keeps_its_share() -> None:
    """One share for itself, one for each reader."""
    spent = [Spent(DAY, "a.raw", compute=6.0), Spent(DAY, "a.one", compute=1.0), Spent(DAY, "a.two", wasted=1.0)]

    costs = attributed(spent, {"a.one": ["a.raw"], "a.two": ["a.raw"]}, ends=["a.raw"])

    assert [costs[name].borne for name in ("a.raw", "a.one", "a.two")] == [2.0, 3.0, 3.0]


def test_a_circle_is_refused() -> None:
    """With its tables; a table that reads itself the day before is none."""
    with pytest.raises(UsageError, match=r"in a circle: a\.\w+ reads a\.\w+ reads"):
        attributed([], {"a.x": ["a.y"], "a.y": ["a.x"]})

    assert attributed([Spent(DAY, "a.x", compute=1.0)], {"a.x": ["a.x"]})["a.x"].borne == 1.0
