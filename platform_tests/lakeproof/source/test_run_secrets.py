"""Credentials of databases and landing folders are in no record of a run, whether it publishes or is refused."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa
import pytest

from lakeproof import Column, DatabaseSource, LandingSource, Table, audit, daily_table

if TYPE_CHECKING:
    from lakeproof import Lakehouse

MARKER = "m4rker"
FIELDS = [Column("at", "date"), Column("value", "int")]
DAY = "2024-01-01"
POSTGRES = f"postgresql://lab:{MARKER}@127.0.0.1:9/lab"


def told(source: Any, lakehouse: Lakehouse, capfd: pytest.CaptureFixture[str]) -> tuple[bool, str]:
    """Collect a day; return whether it was published, and all that events, logs, screen and lake say."""
    table = Table(
        "lab.confided",
        columns=FIELDS,
        partition="at",
        layer="collection",
        start="2024-01-01",
        owner="team:lab",
        audits=[audit.not_null("value")],
    )

    def collect(delivered: pa.RecordBatchReader) -> pa.RecordBatchReader:
        return delivered

    collect.__annotations__ = {"delivered": pa.RecordBatchReader}
    with dg.instance_for_test() as instance:
        done = dg.materialize(
            [daily_table(table, delivered=source)(collect)],
            instance=instance,
            resources={"lakehouse": lakehouse},
            partition_key=DAY,
            raise_on_error=False,
        )
        run = instance.get_run_by_id(done.run_id)
        events = [str(record) for record in instance.all_logs(done.run_id)]
    files: list[str] = []
    if lakehouse.catalog.table_exists("lab.confided"):
        folder = Path(lakehouse.catalog.load_table("lab.confided").location().removeprefix("file://"))
        files = [path.read_text(errors="replace") for path in folder.rglob("*.json")]
    return done.success, " ".join([repr(source), source.name, str(run), *events, *files, *capfd.readouterr()])


@pytest.mark.parametrize("broken", [False, True])
def test_the_address_of_a_database_is_told_nowhere(
    lakehouse: Lakehouse,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    *,
    broken: bool,
) -> None:
    """The variable that holds it is named; neither the address nor what it says is."""
    path = tmp_path / f"{MARKER}.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE readings (at TEXT, value INTEGER)")
        connection.execute("INSERT INTO readings VALUES (?, ?)", (DAY, "12.5" if broken else 1))
        connection.commit()
    monkeypatch.setenv("LAB_DSN", f"sqlite:///{path}")

    done, said = told(DatabaseSource("readings", FIELDS, dsn_env="LAB_DSN", day="at"), lakehouse, capfd)

    assert done is not broken, said
    assert "$LAB_DSN/readings" in said
    assert MARKER not in said


def test_the_password_of_a_database_that_is_down_is_told_nowhere(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What the driver says of a connection holds no address."""
    monkeypatch.setenv("LAB_DSN", POSTGRES)

    done, said = told(DatabaseSource("readings", FIELDS, dsn_env="LAB_DSN", day="at"), lakehouse, capfd)

    assert not done
    assert "$LAB_DSN/readings" in said
    assert "refused" in said
    assert MARKER not in said


@pytest.mark.parametrize("value", ["1", "x"])
def test_where_a_landing_folder_is_is_told_nowhere(
    lakehouse: Lakehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], value: str
) -> None:
    """A root that the environment holds may be confidential: files are named below it."""
    file = tmp_path / MARKER / DAY / "a.csv"
    file.parent.mkdir(parents=True)
    file.write_text(f"at,value\n{DAY},{value}\n")
    os.utime(file, (time.time() - 3600,) * 2)
    monkeypatch.setenv("LAB_ROOT", str(tmp_path / MARKER))

    done, said = told(LandingSource("{ds}/*.csv", FIELDS, root_env="LAB_ROOT"), lakehouse, capfd)

    assert done is (value == "1"), said
    assert "$LAB_ROOT/{ds}/*.csv" in said
    assert MARKER not in said


@pytest.mark.parametrize("root", ["s3://lab/landing", f"s3://lab:{MARKER}@lab/landing"])
def test_the_key_of_a_bucket_is_told_nowhere(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], root: str
) -> None:
    """Neither the key that AWS's own variables hold is told, nor one that someone put into the root."""
    monkeypatch.setenv("LAB_ROOT", root)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"id-{MARKER}")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", MARKER)
    monkeypatch.setenv("AWS_REGION", "us-east-1")

    done, said = told(LandingSource("{ds}/*.csv", FIELDS, root_env="LAB_ROOT"), lakehouse, capfd)

    assert not done
    assert "$LAB_ROOT/{ds}/*.csv" in said
    assert MARKER not in said
