"""Postgres as a source: its types, its windows, one state of it, and connections that break halfway."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import dagster as dg
import psycopg2
import pyarrow as pa
import pytest
import servers

from lakeproof import Column, DatabaseSource, Table, Window, audit, daily_table
from lakeproof.errors import SourceError
from lakeproof.spec import OUTCOME_TAG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeproof import Lakehouse

DAY = Window.of("2013-01-05", timezone="America/New_York")
TYPES = {
    "seen": ("date", "date", "'2013-01-05'", date(2013, 1, 5)),
    "s": ("int2", "int", "-32768", -32768),
    "n": ("int8", "long", str(2**63 - 1), 2**63 - 1),
    "x": ("float8", "double", "0.1", 0.1),
    "price": ("numeric(38, 9)", "decimal(38, 9)", "'12345678901234567890123456789.123456789'", None),
    "at": ("timestamp", "timestamp", "'2013-01-05 10:00:00.5'", datetime(2013, 1, 5, 10, 0, 0, 500_000)),  # noqa: DTZ001
    "instant": ("timestamptz", "timestamptz", "'2013-01-05 10:00+02'", datetime(2013, 1, 5, 8, tzinfo=UTC)),
    "clock": ("time", "time", "'10:00:01'", time(10, 0, 1)),
    "id": ("uuid", "uuid", "'6f9619ff-8b86-d011-b42d-00cf4fc964ff'", UUID("6f9619ff-8b86-d011-b42d-00cf4fc964ff")),
    "raw": ("bytea", "binary", "'\\x00ff'", b"\x00\xff"),
    "ok": ("bool", "boolean", "true", True),
    "name": ("text", "string", "'é '", "é "),
    "doc": ("jsonb", "string", "'{\"a\": 1}'", '{"a": 1}'),
}
FIELDS = [Column(name, contract) for name, (_, contract, _, _) in TYPES.items()]
GOOD = {name: read for name, (_, _, _, read) in TYPES.items()} | {
    "price": Decimal("12345678901234567890123456789.123456789")
}


class Database:
    """A schema in Postgres, with one table of readings."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.connection = psycopg2.connect(address)
        self.connection.autocommit = True

    def run(self, statement: str) -> Any:
        """Run a statement; return its rows, if it gives some."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None

    def put(self, times: int = 1, **changes: str) -> None:
        """Insert rows, each the good one with changes."""
        values = {name: literal for name, (_, _, literal, _) in TYPES.items()} | changes
        self.run(f"INSERT INTO lab.readings SELECT {', '.join(values.values())} FROM generate_series(1, {times})")  # noqa: S608

    def source(self, **changes: Any) -> DatabaseSource:
        """Return the source that reads it."""
        return DatabaseSource(
            **{"table": "lab.readings", "fields": FIELDS, "dsn_env": "SOURCE_DSN", "day": "seen", **changes}
        )

    def refusal(self, **changes: Any) -> str:
        """Return why the rows of the day are refused."""
        with pytest.raises(SourceError) as refused:
            self.source(**changes).read(DAY).rows.read_all()
        return refused.value.what


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Run Postgres, and return its address."""
    with servers.postgres() as properties:
        yield properties["uri"].replace("+psycopg2", "").replace("lake@", "lake:m4rker@")


@pytest.fixture
def database(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Return the database, with its table empty."""
    monkeypatch.setenv("SOURCE_DSN", server)
    made = Database(server)
    made.run("DROP SCHEMA IF EXISTS lab CASCADE")
    made.run("CREATE SCHEMA lab")
    made.run(f"CREATE TABLE lab.readings ({', '.join(f'{name} {kind}' for name, (kind, *_) in TYPES.items())})")
    yield made
    made.connection.close()


def test_every_type_is_read_as_it_is(database: Database) -> None:
    """Values of every type come as they are, nulls too: numeric exactly, instants in UTC."""
    database.put()
    database.put(**dict.fromkeys([name for name in TYPES if name != "seen"], "null"))

    delivery = database.source().read(DAY)

    assert delivery.rows.read_all().to_pylist() == [GOOD, dict.fromkeys(GOOD) | {"seen": date(2013, 1, 5)}]
    assert delivery.told == {"table": "lab.readings", "rows": 2}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("price", "'NaN'"),
        ("seen", "'infinity'"),
        ("at", "'infinity'"),
        ("instant", "'-infinity'"),
    ],
)
def test_a_value_that_no_contract_holds_is_refused(database: Database, name: str, value: str) -> None:
    """NaN of a numeric, and days without end, are refused by field; an endless day is in no window, so in all."""
    database.put()
    database.put(**{name: value})

    assert f"field {name}: " in database.refusal()
    assert f"field {name}: " in database.source().precheck(DAY).faults[0]


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("n", "text", "field n is text, not long"),
        ("n", "numeric", "field n is numeric, not long"),
        ("x", "text", "field x is text, not double"),
        ("name", "int4 USING 1", "field name is integer, not string"),
        ("price", "float8", "field price is double precision, not decimal(38, 9)"),
        ("instant", "timestamp", "field instant is timestamp without time zone, not timestamptz"),
    ],
)
def test_a_retyped_column_is_found_before_a_row_is_read(database: Database, name: str, kind: str, told: str) -> None:
    """A column of another type is a fault of the pre-check, and a read refuses it too."""
    database.put()
    database.run(f"ALTER TABLE lab.readings ALTER COLUMN {name} TYPE {kind}")

    assert database.source().precheck(DAY).faults == (told,)
    assert f"field {name}: " in database.refusal()


def test_a_renamed_column_is_named_with_the_new_one(database: Database) -> None:
    """A column that is gone is named with the nearest new one; what is only new is learned."""
    database.run("ALTER TABLE lab.readings RENAME COLUMN price TO prices")
    found = database.source().precheck(DAY)
    assert found.faults == ("field price is gone. Did you mean prices?",)
    assert found.learned == ("field prices is new",)
    assert database.source(table="lab.reading").precheck(DAY).faults == ("table lab.reading is not there",)


def test_only_the_window_is_read(database: Database) -> None:
    """A window has the instants from its start until before its end, and a local day its local time."""
    for day in ("2013-01-04", "2013-01-05", "2013-01-06"):
        database.put(seen=f"'{day}'", at=f"'{day} 00:00'", instant=f"'{day} 04:59:59Z'", name=f"'{day}'")
        database.put(seen=f"'{day}'", at=f"'{day} 23:59:59'", instant=f"'{day} 05:00:00Z'", name=f"'{day} late'")

    def names(day: str) -> list[str]:
        return database.source(day=day).read(DAY).rows.read_all().column("name").to_pylist()

    assert names("seen") == names("at") == ["2013-01-05", "2013-01-05 late"]
    assert names("instant") == ["2013-01-05 late", "2013-01-06"]
    window = Window(date(2013, 1, 5), date(2013, 1, 8), DAY.timezone)
    for day in ("seen", "at", "instant"):
        late = 1 if day == "instant" else 2
        counted = database.source(day=day).count(window)
        assert counted == {date(2013, 1, 5): 2, date(2013, 1, 6): late, date(2013, 1, 7): 0}
    assert database.source(day=None).count(None) == {None: 6}


def test_a_day_is_complete_when_the_watermark_passed_its_end(database: Database) -> None:
    """An instant as watermark is held against the end of the local day."""
    database.put(instant="'2013-01-06 04:59:59Z'")
    source = database.source(watermark="instant")
    assert not source.complete(DAY)[date(2013, 1, 5)].complete

    database.put(instant="'2013-01-06 05:00:00Z'")
    assert source.complete(DAY)[date(2013, 1, 5)].complete
    assert database.source(watermark="instant - interval '1 hour'").complete(DAY)[date(2013, 1, 5)].complete is False


def test_a_read_sees_one_state(database: Database) -> None:
    """Rows that are inserted or deleted while others are read change nothing of the read."""
    database.put(200_000)
    reader = database.source().read(DAY).rows
    first = reader.read_next_batch()

    database.put()
    database.run("DELETE FROM lab.readings WHERE name IS NOT NULL")

    assert first.num_rows < 200_000
    assert first.num_rows + reader.read_all().num_rows == 200_000


def test_a_connection_that_is_dropped_halfway_is_no_delivery(database: Database) -> None:
    """When the server ends the connection while rows come, what came so far is not taken for all."""
    database.put(500_000)
    reader = database.source().read(DAY).rows
    reader.read_next_batch()
    database.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )

    with pytest.raises(SourceError, match="cannot be read, or not to its end") as refused:
        reader.read_all()
    assert "SOURCE_DSN" in str(refused.value)
    assert "m4rker" not in f"{refused.value} {refused.value!r}"


def test_nothing_can_be_written(database: Database) -> None:
    """A source's connection is read-only, whatever its user may do."""
    with pytest.raises(SourceError, match="read-only transaction"), database.source()._connected(None) as (_, reader):
        reader.stream("DELETE FROM lab.readings").read_all()


def test_a_day_whose_connection_is_dropped_is_not_published(
    database: Database, lakehouse: Lakehouse, capfd: pytest.CaptureFixture[str]
) -> None:
    """Rows that came before the connection broke are staged nowhere and published never; a rerun has all of them."""
    database.put(500_000)
    drops = [True, False]
    table = Table(
        "lab.dropped",
        columns=FIELDS,
        partition="seen",
        layer="collection",
        start="2013-01-01",
        owner="team:lab",
        audits=[audit.not_null("n")],
    )

    def collect(delivered: pa.RecordBatchReader) -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            for number, batch in enumerate(delivered):
                yield batch
                if number == 0 and drops.pop(0):
                    database.run(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                    )

        return pa.RecordBatchReader.from_batches(delivered.schema, batches())

    collect.__annotations__ = {"delivered": pa.RecordBatchReader}
    asset = daily_table(table, delivered=database.source())(collect)

    def run() -> tuple[str | None, str]:
        with dg.instance_for_test() as instance:
            done = dg.materialize(
                [asset],
                instance=instance,
                resources={"lakehouse": lakehouse},
                partition_key="2013-01-05",
                raise_on_error=False,
            )
            made = instance.get_run_by_id(done.run_id)
            assert made is not None
            events = [str(record) for record in instance.all_logs(done.run_id)]
        return made.tags.get(OUTCOME_TAG), " ".join([*events, *capfd.readouterr()])

    outcome, said = run()

    stored = lakehouse.catalog.load_table("lab.dropped")
    assert outcome == "error"
    assert "$SOURCE_DSN/lab.readings, 2013-01-05: it cannot be read, or not to its end" in said
    assert "m4rker" not in said
    assert stored.current_snapshot() is None
    assert not [*Path(stored.location().removeprefix("file://")).rglob("*.parquet")]

    outcome, said = run()

    assert outcome is None, said
    assert lakehouse.catalog.load_table("lab.dropped").scan().count() == 500_000
    assert "m4rker" not in said
