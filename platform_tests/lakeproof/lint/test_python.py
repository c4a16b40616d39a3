"""A table of functions, each with what the lint must find in it, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from lakeproof.engine.function import FunctionMaker
from lakeproof.lint import lint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lakeproof.lint import Finding

    Lint = Callable[..., list[Finding]]


@dataclass(frozen=True)
class Made:
    """A table with what makes it."""

    table: Any
    maker: Any
    inputs: dict[str, Any] = field(default_factory=dict)


IMPORTS = """
import datetime as d, io, json, logging, os, random, secrets, time, uuid
from datetime import date, datetime, datetime as when
from functools import partial
from pathlib import Path
from random import choice as pick
import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import requests
"""

BAD = [
    ("df: pl.DataFrame", "return df.with_columns(at=pl.lit(datetime.now()))", "datetime.now tells the time"),
    ("df: pl.DataFrame", "return df.with_columns(at=pl.lit(when.utcnow()))", "when.utcnow tells the time"),
    ("df: pl.DataFrame", "return df.with_columns(at=pl.lit(d.date.today()))", "d.date.today tells the time"),
    ("df: pl.DataFrame", "clock = time.time_ns\n    return df.with_columns(at=clock())", "time.time_ns tells the time"),
    ("df: pl.DataFrame", "t = time.monotonic()\n    return df.with_columns(s=time.time() - t)", "time.monotonic tells"),
    ("df: pl.DataFrame", "import time as t\n    return df.with_columns(at=t.time())", "t.time tells the time"),
    ("df: pl.DataFrame", "return df.with_columns(at=np.datetime64('now'))", "np.datetime64 tells the time"),
    ("df: pl.DataFrame", "return df.with_columns(id=uuid.uuid4().hex)", "uuid.uuid4 is chance"),
    ("df: pl.DataFrame", "return df.with_columns(n=pick([1, 2]))", "pick is chance"),
    ("df: pl.DataFrame", "return df.with_columns(n=secrets.token_hex())", "secrets.token_hex is chance"),
    (
        "df: pl.DataFrame",
        "return df.with_columns(n=np.random.default_rng().random())",
        "np.random.default_rng is chance",
    ),
    ("df: pl.DataFrame", "return df.with_columns(n=random.Random().random())", "random.Random is chance"),
    ("df: pl.DataFrame", "return df.sample(5)", ".sample is chance"),
    ("df: pl.DataFrame", "return df.sample(5, seed=1)", ".sample takes rows in any order"),
    ("df: pl.DataFrame", "return df.with_columns(pl.col('a').shuffle())", ".shuffle is chance"),
    ("df: pl.LazyFrame", "return df.head(5)", ".head takes rows in any order"),
    ("df: pl.LazyFrame", "return df.filter(pl.col('a') > 1).limit(5)", ".limit takes rows in any order"),
    ("df: pl.LazyFrame", "x = df.sort('a').join(df, on='a')\n    return x.first()", ".first takes rows in any order"),
    ("df: pl.LazyFrame", "return df.with_row_index('n')", ".with_row_index takes rows in any order"),
    ("df: pl.LazyFrame", "return df.unique('a', keep='first')", ".unique keeps any of several rows (keep='first')"),
    ("df: pl.LazyFrame", "return df.sort('b').unique(subset=['a'])", ".unique keeps any of several rows (keep='any')"),
    ("df: pl.LazyFrame", "return df.group_by('a').first()", ".first takes rows in any order"),
    ("df: pl.LazyFrame", "return df.group_by('a').agg(pl.col('b').first())", ".first takes rows in any order"),
    ("df: pl.LazyFrame", "return df.group_by('a').agg(pl.last('b'))", "pl.last takes any of several rows"),
    ("df: pl.LazyFrame", "b = pl.col('b').last() + 1\n    return df.group_by('a').agg(b=b)", ".last takes rows in any"),
    ("df: pl.LazyFrame", "return df.with_columns(pl.col('b').first().over('a'))", ".first takes rows in any order"),
    ("df: pl.LazyFrame", "return df.pipe(top)", ".head takes rows in any order"),
    ("df: pl.LazyFrame", "return top(df.drop('a'))", ".head takes rows in any order"),
    ("df: duckdb.DuckDBPyRelation", "return df.filter('a > 1').limit(5)", ".limit takes rows in any order"),
    ("df: duckdb.DuckDBPyRelation", "return df.project('a, now() as b')", "calls now, which gives something else"),
    ("df: duckdb.DuckDBPyRelation", "return df.aggregate('any_value(a)', 'b')", "ANY_VALUE(a) takes any of several"),
    ("df: duckdb.DuckDBPyRelation", "return df.query('r', 'select * from r limit 5')", "LIMIT without ORDER BY"),
    ("df: duckdb.DuckDBPyRelation", "return duckdb.sql('select random() as a from df')", "calls random"),
    ("df: duckdb.DuckDBPyRelation", "return duckdb.sql(f'from df where a = {1} limit 3')", "LIMIT without ORDER BY"),
    ("df: duckdb.DuckDBPyRelation", "return duckdb.sql(\"from 'x.parquet'\")", "reads "),
    ("df: duckdb.DuckDBPyRelation", "return duckdb.sql(\"from read_csv('x.csv')\")", "reads READ_CSV('x.csv'), which"),
    ("df: duckdb.DuckDBPyRelation", "return duckdb.sql('from other.main.things')", "reads other.main.things, which"),
    ("df: pl.DataFrame", "return df.sql('select a, current_date as b from self')", "calls current_date"),
    ("df: pl.DataFrame", "return pl.read_csv('x.csv')", "pl.read_csv reads what is no input"),
    ("df: pl.DataFrame", "return pl.scan_parquet('x/*.parquet')", "pl.scan_parquet reads what is no input"),
    ("df: pl.DataFrame", "return pq.read_table('x.parquet')", "pq.read_table reads what is no input"),
    ("df: pl.DataFrame", "return json.loads(Path('x').read_text())", ".read_text reads what is no input"),
    ("df: pl.DataFrame", "return json.loads((HERE / 'x').read_text())", ".read_text reads what is no input"),
    ("df: pl.DataFrame", "with open('x') as f:\n        return json.load(f)", "open reads what is no input"),
    ("df: pl.DataFrame", "return requests.get('http://127.0.0.1').json()", "requests.get reads what is no input"),
    ("df: pl.DataFrame", "return duckdb.connect('x.db').sql('select 1')", "duckdb.connect reads what is no input"),
    ("context, df: pl.DataFrame", "return context.resources.lakehouse.read(df)", "context.resources.lakehouse reads"),
    ("df: pl.DataFrame", "return df.with_columns(at=STARTED)", "datetime.now tells the time"),
]

GOOD = [
    ("df: pl.DataFrame", "return df.with_columns(at=pl.datetime(2013, 1, 1), d=datetime.fromisoformat('2013-01-01'))"),
    ("df: pl.DataFrame", "t = time.time()\n    logging.info('took %s', time.time() - t)\n    return df"),
    ("df: pl.DataFrame", "t = time.perf_counter()\n    print(f'took {time.perf_counter() - t}')\n    return df"),
    ("context, df: pl.DataFrame", "context.log.info(f'at {datetime.now()}')\n    return df"),
    ("df: pl.DataFrame", "rng = random.Random(7)\n    return df.with_columns(n=rng.random())"),
    ("df: pl.DataFrame", "return df.with_columns(n=np.random.default_rng(7).random())"),
    ("df: pl.DataFrame", "return df.with_columns(id=uuid.uuid5(uuid.NAMESPACE_URL, 'a').hex)"),
    ("time: pl.DataFrame, random: pl.DataFrame", "return time.join(random.time(), on='a')"),
    ("df: pl.DataFrame", "return df.sort('a').head(5)"),
    ("df: pl.DataFrame", "x = df.filter(pl.col('a') > 1).sort('a')\n    return x.select('a').limit(5)"),
    ("df: pl.DataFrame", "return df.sort('a').sample(5, seed=1)"),
    ("df: pl.DataFrame", "return df.sort('a').with_row_index('rank')"),
    ("df: pl.DataFrame", "return df.sort('a').unique('b', keep='first', maintain_order=True).head(5)"),
    ("df: pl.DataFrame", "return df.unique()"),
    ("df: pl.DataFrame", "return df.unique('a', keep='none')"),
    ("df: pl.DataFrame", "return df.limit(0)"),
    ("df: pl.DataFrame", "return df.sort('a').group_by('b').first()"),
    ("df: pl.DataFrame", "return df.sort('a').group_by('b').agg(pl.col('c').last())"),
    ("df: pl.DataFrame", "return df.group_by('b').agg(pl.col('c').sort_by('a').first())"),
    ("df: pl.DataFrame", "c = pl.col('c').first()\n    return df.sort('a').select(c)"),
    ("df: pl.DataFrame", "return df.with_columns(pl.col('c').first().over('b', order_by='a'))"),
    ("df: pl.DataFrame", "return df.with_columns(pl.col('c').str.head(3), pl.col('d').list.first(), pl.first())"),
    ("df: pl.DataFrame", "return top(df.sort('a'))"),
    ("df: pl.DataFrame", "return df.sort('a').pipe(top)"),
    ("df: pl.DataFrame", "return df.head(5)  # lakeproof: ok (one row a sensor, and there are five)"),
    ("df: pl.DataFrame", "return (\n        df\n        # lakeproof: ok (any row will do)\n        .head(5)\n    )"),
    ("df: pl.DataFrame", "names = ['a', 'b']\n    return df.select(names[:1]).with_columns(pl.lit(names.index('a')))"),
    ("df: pl.DataFrame", "return pl.DataFrame({'a': [1, 2]}).head(1)"),
    ("df: pl.DataFrame", "return pl.read_csv(io.StringIO('a\\n1'))"),
    ("df: duckdb.DuckDBPyRelation", "return df.order('a').limit(5)"),
    ("df: duckdb.DuckDBPyRelation", "return df.project('make_date(year, month, day) AS at, *')"),
    ("df: duckdb.DuckDBPyRelation", "return df.query('r', 'select * from r order by all limit 5')"),
    ("df: duckdb.DuckDBPyRelation", "other = df\n    return duckdb.sql('select * from df join other using (a)')"),
    ("df: duckdb.DuckDBPyRelation", "df.create_view('v')\n    return duckdb.connect().sql('from v, range(3)')"),
    ("df: duckdb.DuckDBPyRelation", "return duckdb.sql('not sql at all')"),
    ("df: duckdb.DuckDBPyRelation", "duckdb.sql('create table t as from df')\n    return duckdb.sql('from t')"),
    ("df: pl.DataFrame", "with open('x', 'w') as f:\n        f.write('a')\n    return df"),
    ("df: pl.DataFrame", "try:\n        return df\n    except requests.exceptions.RequestException:\n        raise"),
    ("df: pl.DataFrame", "return df.select(UNUSED_NAMES)"),
]

HELPERS = """
HERE = Path(__file__).parent
STARTED = datetime.now()
UNUSED = datetime.now()
UNUSED_NAMES = ['a', 'b']


def top(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.head(5)


def never_called(frame):
    return datetime.now(), open('x')
"""


def module(parameters: str, body: str) -> str:
    """Return a module with the function and its neighbours."""
    return f"{IMPORTS}{HELPERS}\n\ndef make({parameters}):\n    {body}\n"


@pytest.mark.parametrize(("parameters", "body", "what"), BAD, ids=[body for _, body, _ in BAD])
def test_what_lets_more_than_inputs_decide_is_found(of_modules: Lint, parameters: str, body: str, what: str) -> None:
    """Each fault is found, once or at each of its places, with its line and what to do."""
    text = module(parameters, body)
    found = of_modules(text)

    assert any(what in one.what for one in found)
    assert all(one.remedy for one in found)
    own = text.splitlines().index(f"def make({parameters}):") + 1
    in_helper = {"top": own - 7, "STARTED": own - 13}
    expected = {line for name, line in in_helper.items() if name in body} or set(range(own + 1, own + 4))
    assert {one.line for one in found} <= expected


@pytest.mark.parametrize(("parameters", "body"), GOOD, ids=[body for _, body in GOOD])
def test_ordinary_code_gives_no_alarm(of_modules: Lint, parameters: str, body: str) -> None:
    """Sorted rows, seeds, stopwatches for the log, names that only look alike, and lines that say why they are fine."""
    assert list(map(str, of_modules(module(parameters, body)))) == []


def test_a_finding_says_file_line_what_and_remedy(of_modules: Lint, tmp_path: Path) -> None:
    """As compilers print it; the line is that of the method, in a chain of any length."""
    text = module("df: pl.LazyFrame", "return (\n        df.filter(pl.col('a') > 1)\n        .head(5)\n    )")
    (found,) = of_modules(text)

    assert found.line == text.splitlines().index("        .head(5)") + 1
    where = tmp_path / "linted" / "made.py"
    what = ".head takes rows in any order: sort first, by enough columns that no two rows are alike"
    assert str(found) == f"{where}:{found.line}: {what}"


def test_what_a_function_calls_is_read_too(of_modules: Lint) -> None:
    """Through modules of its package, aliases, names that are imported on, classes and defaults; and nothing else."""
    made = """
import polars as pl
from linted import again as other
from linted.again import Clock, moment as at
from . import far

def make(df: pl.DataFrame) -> pl.DataFrame:
    return far.away(df).with_columns(at=other.moment(), b=at(), c=Clock().tell())

def not_called(): return far.also_not_called()
"""
    again = """
from linted.far import moment

class Clock:
    def tell(self): return moment()
"""
    far = """
import datetime, random
import polars as pl

def moment(clock=datetime.datetime.now): return clock()
def away(df: pl.DataFrame) -> pl.DataFrame: return df.tail(2)
def also_not_called(): return random.random()
"""
    found = of_modules(made, again=again, far=far)

    assert [(one.file.name, one.line, one.what) for one in found] == [
        ("far.py", 5, "datetime.datetime.now tells the time of the run"),
        ("far.py", 6, ".tail takes rows in any order"),
    ]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("return df.head(5)  # lakeproof: ok", "marks a line as fine without a reason"),
        ("return df.head(5)  # lakeproof: ok ( )", "marks a line as fine without a reason"),
        ("return df.sort('a').head(5)  # lakeproof: ok (any will do)", "marks as fine what is not found"),
        ("return df.sort('a').head(5)  # lakeproof: ok", "marks as fine what is not found"),
        ("return df.head(5)  # lakeproof: fine (any will do)", ".head takes rows in any order"),
    ],
)
def test_a_mark_is_looked_at_too(of_modules: Lint, line: str, what: str) -> None:
    """One without a reason, and one that silences nothing, is found; another word is no mark."""
    (found,) = of_modules(module("df: pl.LazyFrame", line))

    assert found.what == what


def test_sql_in_a_string_has_its_own_lines_and_marks(of_modules: Lint) -> None:
    """A statement over several lines is told line by line, and marked as SQL is."""
    lines = ["", "select any_value(a), -- lakeproof: ok (they are all alike)", "    any_value(b)", "from df", ""]
    quotes, sql = '"' * 3, "\n".join(lines)
    text = module("df: duckdb.DuckDBPyRelation", f"return duckdb.sql({quotes}{sql}{quotes})")
    (found,) = of_modules(text)

    assert (found.line, found.what) == (
        text.splitlines().index("    any_value(b)") + 1,
        "ANY_VALUE(b) takes any of several rows",
    )


def test_a_function_without_a_text_has_no_finding(lab: Any) -> None:
    """What was typed in, or is no function, is not read."""
    scope: dict[str, Any] = {}
    exec("import time\ndef typed_in(): return time.time()", scope)  # noqa: S102 - the only way to have no file

    assert lint([Made(lab.table(), FunctionMaker(scope["typed_in"], {}))]) == []
