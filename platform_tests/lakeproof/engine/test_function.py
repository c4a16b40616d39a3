"""A SQL file reads its inputs, and nothing that the window and the evidence do not know."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lakeproof.engine.function import sql_maker
from lakeproof.errors import ContractError

if TYPE_CHECKING:
    from lakeproof.engine.function import SqlMaker


def maker(lab: Any, folder: Path, statement: str) -> SqlMaker:
    """Declare a statement with the inputs `raw` and `sensors`."""
    (folder / "made.sql").write_text(statement)
    return sql_maker(lab.table(), "made.sql", [folder], Path(__file__), ["raw", "sensors"])


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("select * from read_parquet('data/**/*.parquet')", "read_parquet"),
        ("select * from read_csv('/etc/passwd')", "read_csv"),
        ("select * from read_json_auto('a.json')", "json"),
        ("select * from glob('*')", "glob"),
        ("select * from raw where value > (select count(*) from read_text('a'))", "read_text"),
        ("with a as (select * from parquet_scan('a.parquet')) select * from a", "parquet_scan"),
        ("select * from 'data.parquet'", "data.parquet"),
        ("select * from rwa", "Did you mean raw?"),
        ("select * from raw join senors using (sensor)", "Did you mean sensors?"),
        ("select * from raw where sensor in (select sensor from sensor_list)", "sensor_list"),
        ("select * from lab.raw", "lab.raw"),
        ("select * from information_schema.tables", "information_schema"),
    ],
)
def test_sql_that_reads_what_is_no_input_is_refused(lab: Any, tmp_path: Path, statement: str, said: str) -> None:
    """A file, or a name that was not declared, is refused where it is declared, with the table and the file."""
    with pytest.raises(ContractError) as refusal:
        maker(lab, tmp_path, statement)

    for words in ("lab.readings", "made.sql", said):
        assert words.lower() in str(refusal.value).lower()


@pytest.mark.parametrize(
    "statement",
    [
        "select * from raw",
        'select * from "raw" as r join sensors s on r.sensor = s.sensor',
        "with a as (select * from raw), b as (select * from a) select * from b",
        "with recursive n as (select 1 as i union all select i + 1 from n where i < 3) select * from n, raw",
        "select * from raw, unnest([1, 2]) as u(n)",
        "select unnest([1, 2]) as n, * from raw",
        "select * from generate_series(1, 3)",
        "select * from range(3), raw",
        "select * from (values (1), (2)) as v(n)",
        "select 1 as value",
        "select * from raw where value > (select avg(value) from raw)",
        "select *, lag(value) over (order by value) as before from raw",
        "select * from raw where reading_date = date '{{ ds }}'",
    ],
)
def test_sql_over_its_inputs_is_accepted(lab: Any, tmp_path: Path, statement: str) -> None:
    """Inputs, common table expressions and functions that only generate rows may be read."""
    assert maker(lab, tmp_path, statement).template == statement
