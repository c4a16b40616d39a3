"""Who read which table is found in real logs of Postgres 15, and in events with the fields of Trino's SPI.

What a running Trino sends is tried in `make test-readers`.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from lakeproof.errors import LakeproofError
from lakeproof.lake.used import Use
from lakeproof.stewardship.querylogs import Query, configured_logs, queries_in, uses_in

LOGS = Path(__file__).parent / "query_logs"
TABLES = ["shop.orders", "shop.totals", "shop.copy"]
DAY = date(2026, 11, 26)


@pytest.mark.parametrize("log", ["postgres.csv", "postgres.json"])
def test_a_log_of_postgres(log: str) -> None:
    """Reads by statement or by the extended protocol, over several lines and in any case; not what is only written."""
    assert uses_in([LOGS / log], TABLES) == {
        Use("shop.orders", DAY, "ada@postgres"),
        Use("shop.totals", DAY, "ada@postgres"),
        Use("shop.orders", DAY, "bob@postgres"),  # inserts it elsewhere
        Use("shop.copy", DAY, "bob@postgres"),  # by the extended protocol
    }
    assert uses_in([LOGS / log], ["public.orders", "shop.nothing"]) == set()


def test_both_logs_of_postgres_say_the_same() -> None:
    """They are of the same server, and hold the same statements."""
    assert list(queries_in(LOGS / "postgres.csv")) == list(queries_in(LOGS / "postgres.json"))


def test_events_of_trino() -> None:
    """What Trino says it read, views resolved; without that, the names in the statement. Failed ones do not count."""
    assert uses_in([LOGS / "trino.json"], TABLES) == {
        Use("shop.orders", date(2026, 11, 24), "ada@trino"),
        Use("shop.totals", date(2026, 11, 25), "bob@trino"),
    }


@pytest.mark.parametrize("time", ["2026-11-24T23:59:59.9Z", 1795564799.9, 1795564799900])
def test_an_instant_is_text_or_a_number(tmp_path: Path, time: str | float) -> None:
    """As whoever stores Trino's events writes them: as text, in seconds, or in milliseconds since 1970."""
    event = {
        "metadata": {"queryState": "FINISHED", "query": "select * from shop.orders"},
        "context": {"user": "ada"},
        "endTime": time,
    }
    (tmp_path / "log").write_text(json.dumps(event))

    assert uses_in([tmp_path / "log"], TABLES) == {Use("shop.orders", date(2026, 11, 24), "ada@trino")}


@pytest.mark.parametrize(
    ("sql", "read"),
    [
        ("select * from shop.orders o join SHOP.Totals t on true", {"shop.orders", "shop.totals"}),
        ("with orders as (select 1) select * from orders", set()),
        ("with x as (select * from shop.orders) insert into shop.copy select * from x", {"shop.orders"}),
        ("create table shop.copy as select * from shop.orders", {"shop.orders"}),
        ("create table shop.copy (id int references shop.orders (id))", set()),
        ("merge into shop.copy c using shop.orders o on c.id = o.id when matched then delete", {"shop.orders"}),
        ("delete from shop.orders", set()),
        ("update shop.orders set a = 1", set()),
        ("update shop.copy set a = t.a from shop.totals t", {"shop.totals"}),
        ("delete from shop.copy using shop.orders o where o.id = 1", {"shop.orders"}),
        ("copy shop.orders (id, day) to stdout", {"shop.orders"}),
        ("COPY (select * from shop.orders) TO STDOUT", {"shop.orders"}),
        ("copy shop.orders from stdin", set()),
        ("declare c no scroll cursor with hold for select * from shop.orders", {"shop.orders"}),
        ("explain (analyze, buffers) select * from shop.orders", {"shop.orders"}),
        ("EXPLAIN ANALYZE select * from shop.orders", {"shop.orders"}),
        ("explain select * from shop.orders", set()),
        ("grant select on shop.orders to ada", set()),
        ("select 'shop.orders'", set()),
        ("select * from shop.orders; drop table shop.totals", {"shop.orders"}),
        ("select (((from shop.orders", set()),
        ("vacuum shop.orders", set()),
    ],
)
def test_a_statement_reads_what_it_names(tmp_path: Path, sql: str, read: set[str]) -> None:
    """And not what it writes, changes or manages; what does not parse reads nothing."""
    row = f'2026-11-26 10:00:00.000 CET,"ada","db",1,"[local]",1.1,1,"",,1/1,0,LOG,00000,"statement: {sql}"'
    (tmp_path / "log.csv").write_text(f"{row},,,,,,,,,,,,0\n")

    assert {use.table for use in uses_in([tmp_path / "log.csv"], TABLES)} == read


def test_a_large_statement_is_read(tmp_path: Path) -> None:
    """One beyond the 128 KiB that Python's reader of CSV stops at."""
    sql = f"select {', '.join(map(str, range(40_000)))} from shop.orders"  # noqa: S608 - it is never run
    row = f'2026-11-26 10:00:00.000 UTC,"ada","db",1,"[local]",1.1,1,"",,1/1,0,LOG,00000,"statement: {sql}"'
    (tmp_path / "log.csv").write_text(f"{row},,,,,,,,,,,,0\n")

    (query,) = queries_in(tmp_path / "log.csv")
    assert query == Query(DAY, "ada@postgres", None, sql, "postgres")


def test_logs_are_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several, with wildcards; one that is not there, or cannot be read, is told."""
    monkeypatch.delenv("LAKEPROOF_QUERY_LOGS", raising=False)
    assert configured_logs() == []
    monkeypatch.setenv("LAKEPROOF_QUERY_LOGS", f"{LOGS}/postgres.*:{LOGS}/trino.json")
    assert [file.name for file in configured_logs()] == ["postgres.csv", "postgres.json", "trino.json"]
    monkeypatch.setenv("LAKEPROOF_QUERY_LOGS", f"{tmp_path}/gone.json")
    with pytest.raises(LakeproofError, match=r"gone\.json, which is not there"):
        configured_logs()
    with pytest.raises(LakeproofError, match="cannot be read"):
        uses_in([tmp_path], TABLES)
