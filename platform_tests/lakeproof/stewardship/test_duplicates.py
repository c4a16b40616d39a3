"""What is defined twice is found, and what only looks so is not."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from lakeproof import Column, Metric, Table, Window, audit, daily_table, sql_table
from lakeproof.asset import tables_among
from lakeproof.order import upstream_first
from lakeproof.stewardship.duplicates import defined_twice
from lakeproof.stewardship.fingerprints import held_twice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import dagster as dg
    import pytest

    from lakeproof import Lakehouse
    from lakeproof.stewardship.duplicates import Duplicate

COLUMNS = [Column("day", "date"), Column("shop", "string"), Column("amount", "long"), Column("gift", "boolean")]


def table(name: str, columns: list[Column] = COLUMNS, **options: Any) -> Table:
    """Return a daily table with a key of day and shop."""
    names = {column.name for column in columns}
    given = {"key": ["day", "shop"], "audits": [audit.not_null(*sorted(names - {"amount"})), audit.unique()]}
    return Table(
        f"twice.{name}",
        columns=columns,
        partition="day",
        start="2024-01-01",
        layer="analysis",
        owner="team:lab",
        **{**given, **options},
    )


def metric(name: str, sql: str, **options: Any) -> Metric:
    """Return a metric by shop."""
    given: dict[str, Any] = {"description": "It is told.", "unit": "1", "direction": "lower", "grain": ["shop"]}
    return Metric(name, sql, **{**given, **options})


def collected(name: str, *metrics: Metric) -> tuple[Table, dg.AssetsDefinition]:
    """Return a table that a function makes, and its asset."""
    made = table(name, metrics=metrics)

    @daily_table(made)
    def collect(window: Window) -> pl.DataFrame:
        rows = [(day, f"shop {at}", at, at % 2 == 0) for day in window.days for at in range(8)]
        schema = {"day": pl.Date, "shop": pl.String, "amount": pl.Int64, "gift": pl.Boolean}
        return pl.DataFrame(rows, schema=schema, orient="row")

    return made, collect


def from_sql(made: Table, sql: str, folder: Path, **inputs: Any) -> dg.AssetsDefinition:
    """Return the asset of a table that a statement makes."""
    (folder / f"{made.name}.sql").write_text(sql)
    return sql_table(made, f"{made.name}.sql", search_path=[folder], **inputs)


def found(*assets: dg.AssetsDefinition, **costs: float) -> list[Duplicate]:
    """Return what is found among assets."""
    named = {f"twice.{name}": cost for name, cost in costs.items()}
    return defined_twice(upstream_first(tables_among(assets)), named)


def test_one_name_for_two_meanings_is_an_error() -> None:
    """And what sets the two apart is told in words, by their names."""
    share = "count(*) filter (where gift) / count(*)"
    _, one = collected("a", metric("gifts", share))
    _, two = collected("b", metric("gifts", share))

    (conflict,) = [each for each in found(one, two) if each.is_error]

    assert (conflict.keep, conflict.other) == ("twice.a.gifts", "twice.b.gifts")
    assert "one name" in conflict.words


def test_one_meaning_under_two_names_is_told_with_the_one_to_use() -> None:
    """Whichever way it is spelt; and one condition more is shown beside it."""
    _, made = collected(
        "c",
        metric("gift_share", "count(*) filter (where gift) / count(*)"),
        metric("part_of_gifts", "avg(case when gift then 1.0 else 0.0 end)"),
        metric("big_gifts", "count(*) filter (where gift and amount > 3) / count(*)"),
    )

    same, *near = found(made)

    assert (same.kind, same.keep, same.other) == ("duplicate", "twice.c.gift_share", "twice.c.part_of_gifts")
    assert "use twice.c.gift_share" in same.words
    assert [(each.kind, each.other) for each in near] == [("near", "twice.c.big_gifts")] * 2
    assert "twice.c.big_gifts also asks for amount > 3" in near[0].words


def test_another_unit_is_another_meaning(tmp_path: Path) -> None:
    """One name and one expression, told in two units."""
    source, raw = collected("d", metric("sold", "sum(amount)", unit="USD"))
    copy = table("d_copy", metrics=[metric("sold", "sum(amount)", unit="EUR")])

    (conflict,) = found(raw, from_sql(copy, "select * from d", tmp_path, d=source))

    assert conflict.is_error
    assert "USD, lower and EUR, lower" in conflict.words


def test_a_metric_is_followed_through_the_statement_of_its_table(tmp_path: Path) -> None:
    """A count of a table is the sum of the counts of one that is made from it."""
    source, raw = collected("f", metric("gifts", "count(*) filter (where gift)", unit="orders"))
    counts = table(
        "f_counts",
        [Column("day", "date"), Column("shop", "string"), Column("gifts", "long")],
        metrics=[metric("given", "sum(gifts)", unit="orders")],
    )
    counted = from_sql(counts, "select day, shop, count_if(gift) as gifts from f group by all", tmp_path, f=source)

    (same,) = found(raw, counted)

    assert (same.kind, same.keep, same.other) == ("duplicate", "twice.f.gifts", "twice.f_counts.given")


def test_statements_that_make_the_same_rows_are_found_with_what_the_second_costs(tmp_path: Path) -> None:
    """By what they mean, whatever the columns are called; and one more condition is told in words."""
    source, raw = collected("g")
    columns = [Column("day", "date"), Column("shop", "string"), Column("sold", "long")]
    renamed = [Column("day", "date"), Column("shop", "string"), Column("total", "long")]
    first = from_sql(
        table("g_a", columns), "select day, shop, sum(amount) as sold from g group by all", tmp_path, g=source
    )
    second = from_sql(
        table("g_b", renamed),
        "with t as (select * from g) select shop, sum(t.amount) as total, day from t group by day, shop",
        tmp_path,
        g=source,
    )
    third = from_sql(
        table("g_c", columns),
        "select day, shop, sum(amount) as sold from g where not gift group by day, shop",
        tmp_path,
        g=source,
    )

    same, *others = found(raw, first, second, third, g_b=12.5)

    assert (same.kind, same.keep, same.other, same.usd_per_month) == ("duplicate", "twice.g_a", "twice.g_b", 12.5)
    assert {each.kind for each in others} <= {"near", "alike"}
    assert any("twice.g_c only takes NOT gift" in each.words for each in others)


def test_tables_of_functions_look_alike_by_inputs_key_and_columns() -> None:
    """What a function does is not read; two with one lineage, key and columns are told."""
    source, raw = collected("h")

    def made(name: str) -> dg.AssetsDefinition:
        @daily_table(table(name), source=source)
        def build(source: pl.DataFrame) -> pl.DataFrame:
            return source

        return build

    (alike,) = found(raw, made("h_a"), made("h_b"))

    assert (alike.kind, alike.keep, alike.other) == ("alike", "twice.h_a", "twice.h_b")
    assert "both are made from twice.h, with key day, shop" in alike.words


def test_tables_with_the_same_rows_are_found_by_their_evidence(
    lakehouse: Lakehouse, publish: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On all days that both have; no file of rows is opened for it."""
    assets = [collected(name)[1] for name in ("p", "q")]
    made = upstream_first(tables_among(assets))
    days = [date(2024, 1, 1), date(2024, 1, 2)]
    for each in made:
        publish(lakehouse, each, days)
    monkeypatch.setattr("lakeproof.engine.scan.scan_files", None)
    monkeypatch.setattr("lakeproof.engine.duck.files_relation", None)

    (same,) = held_twice([(lakehouse.lake, each) for each in made], {"twice.q": 3.0})

    assert (same.kind, same.keep, same.other, same.usd_per_month) == ("content", "twice.p", "twice.q", 3.0)
    assert "the same 16 rows" in same.words
    assert "2 days" in same.words
