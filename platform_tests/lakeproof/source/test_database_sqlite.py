"""SQLite as a source: bounded by the window, from one state, each value of its declared type or refused by name."""

from __future__ import annotations

import logging
import sqlite3
import traceback
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from lakeproof import Column, DatabaseSource, Source, Window
from lakeproof.errors import ContractError, SourceError

if TYPE_CHECKING:
    from pathlib import Path

DAY = Window.of("2013-01-05")
FIELDS = [
    Column("seen", "date"),
    Column("n", "long"),
    Column("small", "int"),
    Column("x", "double"),
    Column("price", "decimal(9, 2)"),
    Column("name", "string"),
    Column("ok", "boolean"),
    Column("at", "timestamp"),
    Column("instant", "timestamptz"),
    Column("clock", "time"),
    Column("id", "uuid"),
    Column("raw", "binary"),
]
GOOD: dict[str, Any] = {
    "seen": "2013-01-05",
    "n": 2**63 - 1,
    "small": -(2**31),
    "x": 0.1,
    "price": 12.3,
    "name": "é ",
    "ok": 1,
    "at": "2013-01-05 10:00:00.5",
    "instant": "2013-01-05T10:00:00+02:00",
    "clock": "10:00:01",
    "id": "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
    "raw": b"\x00\xff",
}
READ = {
    **GOOD,
    "seen": date(2013, 1, 5),
    "price": Decimal("12.30"),
    "ok": True,
    "at": datetime(2013, 1, 5, 10, 0, 0, 500_000),  # noqa: DTZ001 - without a zone, as declared
    "instant": datetime(2013, 1, 5, 8, tzinfo=UTC),
    "clock": datetime(2013, 1, 5, 10, 0, 1, tzinfo=UTC).time(),
    "id": UUID("6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
}


class Database:
    """A database with one table, whose columns are declared as such things are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = sqlite3.connect(path)
        self.run(
            "CREATE TABLE readings (seen DATE, n INTEGER, small, x REAL, price NUMERIC(9, 2), name TEXT, ok BOOLEAN, "
            "at TIMESTAMP, instant TIMESTAMP, clock TEXT, id TEXT, raw BLOB)"
        )

    def run(self, statement: str, *values: Any) -> None:
        """Run a statement, and commit it."""
        self.connection.execute(statement, values)
        self.connection.commit()

    def put(self, *rows: dict[str, Any]) -> None:
        """Insert rows, each the good one with changes."""
        for row in rows:
            whole = GOOD | row
            marks = ", ".join("?" * len(whole))
            self.connection.execute(f"INSERT INTO readings VALUES ({marks})", list(whole.values()))  # noqa: S608 - marks alone
        self.connection.commit()

    def source(self, **changes: Any) -> DatabaseSource:
        """Return the source that reads it."""
        given = {"table": "readings", "fields": FIELDS, "dsn": f"sqlite:///{self.path}", "day": "seen"}
        return DatabaseSource(**{**given, **changes})

    def rows(self, window: Window | None = DAY, **changes: Any) -> list[dict[str, Any]]:
        """Return the rows of a window."""
        return self.source(**changes).read(window).rows.read_all().to_pylist()

    def refusal(self, **changes: Any) -> str:
        """Return why the rows of the day are refused."""
        with pytest.raises(SourceError) as refused:
            self.rows(**changes)
        assert refused.value.next_step
        return refused.value.what


@pytest.fixture
def database(tmp_path: Path) -> Any:
    """Return the database, without rows."""
    made = Database(tmp_path / "source.db")
    yield made
    made.connection.close()


def test_every_type_is_read_as_it_is(database: Database) -> None:
    """Values of every type come as they are, nulls too, and however many rows begin with nulls."""
    nothing = dict.fromkeys([name for name in GOOD if name != "seen"])
    database.put(*[nothing] * 2_000, {})

    delivery = database.source().read(DAY)
    rows = delivery.rows.read_all().to_pylist()

    assert isinstance(database.source(), Source)
    assert rows[0] == {**nothing, "seen": date(2013, 1, 5)}
    assert rows[-1] == READ
    assert delivery.told == {"table": "readings", "rows": 2_001}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("n", "abc", "'abc' is text, and no long"),
        ("n", 2.5, "2.5 is real, and no long"),
        ("n", 9.3e18, "9.3e+18 is real, and no long"),
        ("small", 2**31, "2147483648 is integer, and no int"),
        ("x", "warm", "'warm' is text, and no double"),
        ("price", 12.345, "no decimal(9, 2)"),
        ("price", "NaN", "no decimal(9, 2)"),
        ("name", b"\xff", "X'FF' is blob, and no string"),
        ("ok", 2, "2 is integer, and no boolean"),
        ("at", 1357380000, "1357380000 is integer, and no timestamp"),
        ("at", "2013-01-05 25:00:00", "'2013-01-05 25:00:00' is no timestamp"),
        ("instant", "2013-01-05 10:00:00", "is no timestamptz"),
        ("clock", "24:00:00", "'24:00:00' is no time"),
        ("id", "6f96", "column id"),
        ("seen", "2013-02-30", "'2013-02-30' is no date"),
        ("seen", "2013-1-5", "'2013-1-5' is no date"),
        ("seen", "2013-01-05 10:00", "'2013-01-05 10:00' is no date"),
    ],
)
def test_a_value_that_does_not_fit_is_named(database: Database, name: str, value: Any, told: str) -> None:
    """SQLite keeps any value in any column: whichever row it is in, it is refused with its row, field and value."""
    database.put(*[{}] * 1_500, {name: value})
    window = Window.of("2013-02-28", "2013-03-01") if value == "2013-02-30" else DAY

    with pytest.raises(SourceError) as refused:
        database.rows(window)

    assert f"field {name}: " in refused.value.what
    assert told in refused.value.what
    assert "row 1" in refused.value.what


def test_only_the_window_is_read(database: Database) -> None:
    """By date, by timestamp of the local day, and by instant: from the start of the window until before its end."""
    for day in ("2013-01-04", "2013-01-05", "2013-01-06"):
        database.put({"seen": day, "at": f"{day} 00:00:00", "instant": f"{day}T04:59:59Z", "name": day})
        database.put({"seen": day, "at": f"{day} 23:59:59", "instant": f"{day}T05:00:00Z", "name": f"{day} late"})
    window = Window.of("2013-01-05", timezone="America/New_York")

    def names(day: str) -> list[str]:
        return [row["name"] for row in database.rows(window, day=day)]

    assert names("seen") == names("at") == ["2013-01-05", "2013-01-05 late"]
    assert names("instant") == ["2013-01-05 late", "2013-01-06"]
    for day in ("seen", "at", "instant"):
        assert database.source(day=day).count(Window(date(2013, 1, 5), date(2013, 1, 8), window.timezone)) == {
            date(2013, 1, 5): 2,
            date(2013, 1, 6): 2 if day != "instant" else 1,
            date(2013, 1, 7): 0,
        }
    assert len(database.rows(None, day=None)) == 6
    assert database.source(day=None).count(None) == {None: 6}


def test_rows_without_a_day_are_told(database: Database) -> None:
    """A row whose day is null is in no window: the pre-check says how many there are, and lets the days through."""
    database.put({}, {"seen": None}, {"seen": None})

    found = database.source().precheck(DAY)

    assert found.faults == ()
    assert found.learned == ("2 rows have no seen, so they belong to no day and are not collected",)
    assert len(database.rows()) == 1
    assert database.source(day=None).precheck(None).learned == ()


def test_a_precheck_names_what_is_gone_and_learns_what_is_new(database: Database) -> None:
    """A column that is gone is a fault, with the new one that is nearest; a new one is learned; rows are shown."""
    database.put({})
    found = database.source().precheck(DAY)
    assert (found.faults, found.learned, found.items) == ((), (), (READ,))

    database.run("ALTER TABLE readings RENAME COLUMN price TO prices")
    found = database.source().precheck(DAY)
    assert found.faults == ("field price is gone. Did you mean prices?",)
    assert found.learned == ("field prices is new",)
    assert database.source(names={"price": "prices"}).precheck(DAY).faults == ()

    database.put({"n": "abc"})
    faults = database.source(names={"price": "prices"}).precheck(DAY).faults
    assert faults == ("row 2, field n: 'abc' is text, and no long",)
    assert database.source(table="reading").precheck(DAY).faults == ("table reading is not there",)


def test_a_day_is_complete_when_the_watermark_passed_its_end(database: Database) -> None:
    """The largest value of a column or expression decides, and the reason says what it is."""
    source = database.source(watermark="seen")
    window = Window.of("2013-01-05", "2013-01-06")
    assert "has no value yet" in source.complete(window)[date(2013, 1, 5)].reason

    database.put({}, {"seen": "2013-01-06"})
    found = source.complete(window)
    assert [one.complete for one in found.values()] == [True, False]
    assert "the watermark seen is 2013-01-06, which is past the end of 2013-01-05" in found[date(2013, 1, 5)].reason
    assert source.version(window) == {"watermark": "2013-01-06"}
    later = database.source(watermark="date(seen, '+1 day')")
    assert [one.complete for one in later.complete(window).values()] == [True, True]
    assert database.source().complete(window)[date(2013, 1, 6)].complete


def test_a_read_sees_one_state(database: Database) -> None:
    """Rows that are written while others are read are not part of the read."""
    database.run("PRAGMA journal_mode = WAL")
    database.put(*[{}] * 70_000)
    reader = database.source().read(DAY).rows
    first = reader.read_next_batch()

    database.put({})

    assert first.num_rows + reader.read_all().num_rows == 70_000


def test_a_database_that_is_not_there_is_not_made(database: Database, tmp_path: Path) -> None:
    """Reading makes no file; the day is not complete, and the reason says why."""
    missing = tmp_path / "missing.db"
    source = database.source(dsn=f"sqlite:///{missing}")

    assert not source.complete(DAY)[date(2013, 1, 5)].complete
    with pytest.raises(SourceError, match="cannot be read"):
        source.read(DAY).rows.read_all()
    assert not missing.exists()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"dsn_env": "DSN"}, "one of them"),
        ({"dsn": "postgresql://me:s3cret@host/db"}, "holds a password"),
        ({"dsn": "mysql://host/db"}, "of no known kind"),
        ({"day": "sene"}, "no field. Did you mean seen"),
        ({"day": "name"}, "is no date or timestamp or timestamptz"),
        ({"names": {"nme": "x"}}, "nme, which is no field"),
        ({"watermark": "seen; DROP TABLE readings"}, "no expression"),
        ({"watermark": "(SELECT 1)"}, "no expression"),
        ({"watermark": "max(seen)"}, "no expression"),
        ({"watermark": "seen FROM other"}, "no expression"),
    ],
)
def test_a_wrong_declaration_is_refused_at_once(database: Database, changes: dict[str, Any], why: str) -> None:
    """What can be known without a look at the database is; a password is not shown even then."""
    with pytest.raises(ContractError, match=why) as refused:
        database.source(**changes)
    assert "s3cret" not in str(refused.value)


def test_names_are_quoted(database: Database) -> None:
    """A column or table of any name is read, and none is anything but a name."""
    database.run('CREATE TABLE "odd; table" ("a ""b" INTEGER, seen TEXT)')
    database.run("INSERT INTO \"odd; table\" VALUES (1, '2013-01-05')")
    fields = [Column("a", "long"), Column("seen", "date")]

    rows = database.rows(table="odd; table", fields=fields, names={"a": 'a "b'})

    assert rows == [{"a": 1, "seen": date(2013, 1, 5)}]


@pytest.mark.parametrize("dsn", ["postgresql://me:m4rker%2Fpw@127.0.0.1:1/db", "host=127.0.0.1 password=m4rker%2Fpw"])
def test_a_password_is_never_told(
    dsn: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A password is in no error, traceback, reason, name, repr, evidence or log."""
    monkeypatch.setenv("REFERENCE_DSN", dsn)
    caplog.set_level(logging.DEBUG)
    source = DatabaseSource("readings", FIELDS, dsn_env="REFERENCE_DSN", day="seen", watermark="seen")
    told = [source.name, repr(source), str(source.complete(DAY))]
    calls = (source.read(DAY).rows.read_all, *(partial(f, DAY) for f in (source.precheck, source.version)))
    for call in calls:
        with pytest.raises(SourceError) as refused:
            call()
        told += [str(refused.value), repr(refused.value), *traceback.format_exception(refused.value)]
    said = capfd.readouterr()

    everything = "\n".join([*told, caplog.text, said.out, said.err])

    assert "REFERENCE_DSN" in everything
    assert "m4rker" not in everything
