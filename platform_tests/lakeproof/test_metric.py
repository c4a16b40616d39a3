"""Metrics are checked where they are declared."""

from __future__ import annotations

from typing import Any

import pytest

from lakeproof import Column, LakeproofError, Metric, Table, audit

COLUMNS = [Column("day", "date"), Column("shop", "string"), Column("amount", "long"), Column("gift", "boolean")]


def table(name: str, *metrics: Metric, **options: Any) -> Table:
    """Return a daily table with metrics."""
    return Table(
        f"measured.{name}",
        columns=COLUMNS,
        partition="day",
        start="2024-01-01",
        layer="analysis",
        owner="team:lab",
        key=["day", "shop"],
        audits=[audit.unique()],
        metrics=metrics,
        **options,
    )


def metric(sql: str, **options: Any) -> Metric:
    """Return a metric called `measure`."""
    given: dict[str, Any] = {"description": "What it tells.", "unit": "USD", "direction": "higher", "grain": ["shop"]}
    return Metric("measure", sql, **{**given, **options})


@pytest.mark.parametrize(
    "sql",
    [
        "sum(amount)",
        "count(*) filter (where gift) / count(*)",
        "sum(amount) / nullif(count(amount), 0)",
        "percentile_cont(0.9) within group (order by amount)",
        "count(distinct amount) * 2 + length(shop)",
    ],
)
def test_a_metric_that_is_one_value_a_group_is_accepted(sql: str) -> None:
    """What stands beside the aggregates is of the grain."""
    (found,) = table("accepted", metric(sql)).metrics

    assert found == metric(sql)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("sum(amount", "does not parse"),
        ("sum(amount) as total", "is not one expression"),
        ("sum(amount), max(amount)", "is not one expression"),
        ("sum(amount) from other", "is not one expression"),
        ("sum(amuont)", "no column 'amuont'. Did you mean amount"),
        ("sum(other.amount)", "no column 'other.amount'"),
        ("amount", "aggregates nothing"),
        ("sum(amount) / amount", "amount is of a row, beside aggregates of many, and not in its grain"),
        ("sum(avg(amount))", "is within another aggregate, which mixes two grains"),
        ("sum(amount) / 0", "divides by 0"),
        ("sum(amount) / count(*) filter (where gift)", "which can be 0"),
        ("avg(amount / amount)", "divides by amount, which can be 0"),
        ("sum(amount) % count(amount)", "which can be 0"),
        ("sum(sum(amount)) over ()", "has a subquery or a window"),
        ("(select sum(amount) from measured)", "has a subquery or a window"),
    ],
)
def test_a_metric_that_is_none_is_refused_by_name(sql: str, why: str) -> None:
    """The refusal names the table and the metric, says what is wrong, and what to do."""
    with pytest.raises(LakeproofError) as refused:
        table("refused", metric(sql))

    assert why in str(refused.value)
    assert "measured.refused" in str(refused.value)
    assert "etric measure" in str(refused.value)
    assert refused.value.next_step or "Did you mean" in str(refused.value)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"direction": "up"}, "direction 'up' is not known"),
        ({"unit": ""}, "has no unit"),
        ({"sql": " "}, "has no sql"),
        ({"description": " "}, "has no description"),
        ({"days": 0}, "looks at nothing"),
        ({"grain": ["sohp"]}, "grain column 'sohp' is no column"),
        ({"grain": ["shop", "shop"]}, "names a column twice"),
    ],
)
def test_what_is_said_of_a_metric_is_checked(options: dict[str, Any], why: str) -> None:
    """Unit, direction, description, days and grain."""
    with pytest.raises(LakeproofError, match=why):
        table("said", metric(**{"sql": "sum(amount)", **options}))


def test_one_name_is_declared_once() -> None:
    """A table has no two metrics of one name."""
    with pytest.raises(LakeproofError, match="metric measure is declared twice"):
        table("twice", metric("sum(amount)"), metric("max(amount)"))


def test_a_metric_decides_nothing_about_rows() -> None:
    """The evidence of a day, and the columns that Iceberg has, are the same with and without metrics."""
    measured, plain = table("with_metrics", metric("sum(amount)")), table("without_metrics")

    assert measured.record() == plain.record()
    assert measured.columns == plain.columns
    assert measured.with_audits(measured.audits).metrics == measured.metrics
