"""A table of statements, each with what the lint must find in it, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lakeproof import Column, audit

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeproof.lint import Finding

    Lint = Callable[..., list[Finding]]

ALL = "select reading_date, sensor, value"


@pytest.mark.parametrize(
    ("statement", "line", "what"),
    [
        (f"{ALL},\nnow() as at from readings", 2, "calls now"),
        (f"{ALL}\nfrom readings using sample 3", 2, "takes a random sample"),
        ("select reading_date, sensor,\nfirst(value) as value from readings group by all", 2, "FIRST(value) takes any"),
        ("select reading_date, sensor,\nany_value(value) from readings group by all", 2, "ANY_VALUE(value) takes any"),
        (
            "select reading_date,\n\narg_min(sensor, value) from readings group by all",
            3,
            "ARG_MIN(sensor, value) takes",
        ),
        ("select reading_date,\nmax_by(sensor, value) from readings group by all", 2, "ARG_MAX(sensor, value) takes"),
        ("select reading_date,\nstring_agg(sensor, ',') from readings group by all", 2, "lists rows in any order"),
        (f"{ALL} from readings\nlimit 5", 2, "LIMIT without ORDER BY"),
        (
            f"{ALL} from readings order by value\nlimit 5",
            2,
            "leaves rows alike: reading_date, sensor is not in",
        ),
        ("select * from (select * from readings\nlimit 5)", 2, "LIMIT without ORDER BY"),
        (
            "select sensor, count(*) as n from readings group by sensor order by n\nlimit 5",
            2,
            "leaves rows alike: sensor",
        ),
        (
            f"{ALL},\nrow_number() over (partition by sensor) as n from readings",
            2,
            "ROW_NUMBER() OVER a window",
        ),
        (f"{ALL},\nrank() over () as n from readings", 2, "RANK() OVER a window without ORDER BY"),
        (
            f"{ALL},\nfirst_value(value) over w from readings window w as (partition by sensor)",
            2,
            "FIRST_VALUE",
        ),
        (
            f"{ALL} from readings\nqualify row_number() over (partition by sensor) = 1",
            2,
            "ROW_NUMBER() OVER",
        ),
        ("select distinct on\n(sensor) * from readings", 2, "DISTINCT ON without an ORDER BY"),
        ("select distinct on (sensor) * from readings order by sensor", 1, "DISTINCT ON without an ORDER BY"),
        (
            "select reading_date, sensor,\navg(value) as mean from readings group by all",
            2,
            "mean is a double that is added",
        ),
        (f"{ALL} from readings -- lakeproof: ok\nlimit 0", 1, "marks as fine what is not found"),
        (f"{ALL} from readings\nlimit 5 -- lakeproof: ok", 2, "marks a line as fine without a reason"),
    ],
)
def test_what_leaves_content_open_is_found(of_sql: Lint, statement: str, line: int, what: str) -> None:
    """Clocks, chance, sums of doubles, and rows that are taken in any order, each at its line."""
    columns = [Column("reading_date", "date"), Column("sensor", "string"), Column("mean", "double")]
    audits = [audit.unique()]
    (found,) = of_sql(statement, columns=columns, key=["reading_date", "sensor"], audits=audits)

    assert (found.file.name, found.line) == ("made.sql", line)
    assert what in found.what
    assert found.remedy


@pytest.mark.parametrize(
    "statement",
    [
        f"{ALL} from readings order by reading_date, sensor, value limit 5",
        f"{ALL} from readings order by all limit 5",
        "select sensor, count(*) as n from readings group by sensor order by n desc, sensor limit 5",
        f"{ALL} from readings limit 0",
        "select sensor, first(value order by value), any_value(value order by value) from readings group by all",
        "select sensor, string_agg(sensor, ',' order by value), list_sort(list(value)) from readings group by all",
        "select sensor, min(value), max(value), median(value), count(*) filter (value > 1) from readings group by all",
        f"{ALL}, row_number() over (partition by sensor order by value) from readings",
        f"{ALL}, rank() over w from readings window w as (order by value)",
        f"{ALL}, sum(value) over (partition by sensor), count(*) over () from readings",
        "select distinct on (sensor) * from readings order by sensor, value",
        "select distinct sensor from readings",
        "select today.value, now.sensor from readings as today join readings as now using (value)",
        "select '-- lakeproof: ok', date '{{ ds }}' from readings",
        f"{ALL} from readings\n-- lakeproof: ok (the audits look at five rows only)\nlimit 5",
        f"{ALL} from readings\nlimit 5 -- lakeproof: ok (any five will do)",
    ],
)
def test_ordinary_sql_gives_no_alarm(of_sql: Lint, statement: str) -> None:
    """Orders that leave no two rows alike, aggregates that ask for none, names of functions as names, and marks."""
    assert list(map(str, of_sql(statement))) == []


def test_lines_are_those_of_the_file(of_sql: Lint) -> None:
    """What a template leaves out or repeats moves no finding, and marks are read where they are written."""
    statement = (
        "{# a comment\nof two lines #}\nselect reading_date,\n"
        "{% for n in [1, 2] %}\n  {{ n }} as n{{ n }},\n{% endfor %}\n"
        "now() as a, -- lakeproof: ok (shown to nobody)\nrandom() as b\nfrom readings"
    )
    (found,) = of_sql(statement)

    assert (found.line, found.what) == (8, "calls random, which gives something else each time")
