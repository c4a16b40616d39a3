"""The `sla` check in Dagster says what is true of the latest day due, and nothing that runs makes it say otherwise."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
import pytest
import time_machine
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

from lakeproof import Column, Lakehouse, Sla, Table, Window, audit, daily_table, slas

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = [Column("day", "date"), Column("value", "int")]


def declare(name: str, layer: str, sla: Sla | None) -> Table:
    """Declare a daily table of single values."""
    return Table(
        name,
        columns=COLUMNS,
        partition="day",
        start="2024-01-01",
        layer=layer,
        key=["day"],
        owner="team:lab",
        audits=[audit.between("value", 0, 100)],
        sla=sla,
    )


@dataclass
class Location:
    """A code location with two tables that have an SLA, and one without; the value it makes; its record."""

    instance: dg.DagsterInstance
    lakehouse: Lakehouse
    value: int = 1
    promise: Sla = field(default_factory=lambda: Sla("06:00", since="2024-01-01"))

    def __post_init__(self) -> None:
        raw = declare("slas.raw", "collection", None)
        clean = declare("slas.clean", "transformation", self.promise)
        mart = declare("slas.mart", "analysis", Sla("07:00", since="2024-01-01"))

        @daily_table(raw)
        def make_raw(window: Window) -> pl.DataFrame:
            return pl.DataFrame({"day": window.days, "value": [self.value] * len(window.days)})

        @daily_table(clean, raw=raw)
        def make_clean(raw: pl.LazyFrame) -> pl.LazyFrame:
            return raw

        @daily_table(mart, clean=clean)
        def make_mart(clean: pl.LazyFrame) -> pl.LazyFrame:
            return clean

        self.assets = {"raw": make_raw, "clean": make_clean, "mart": make_mart}
        self.defs = dg.Definitions.merge(
            dg.Definitions(assets=list(self.assets.values()), resources={"lakehouse": self.lakehouse}),
            slas(self.assets.values()),
        )

    def run(self, clock: str, *names: str, day: str = "2024-01-01") -> list[str]:
        """Materialize a day of tables at an instant, one run each; return the steps that ran."""
        steps = []
        with at(clock):
            job = self.defs.resolve_implicit_global_asset_job_def()
            for name in names:
                done = job.execute_in_process(
                    instance=self.instance,
                    partition_key=day,
                    asset_selection=[self.assets[name].key],
                    raise_on_error=False,
                )
                steps += [event.step_key or "" for event in done.all_events if event.is_step_start]
        return steps

    def tick(self, clock: str) -> list[str]:
        """Let the sensor look at an instant, and Dagster store what it found; return whom it spoke of."""
        with at(clock):
            sensor = self.defs.resolve_sensor_def("lakeproof_sla")
            context = dg.build_sensor_context(self.instance, resources={"lakehouse": self.lakehouse})
            found = sensor.evaluate_tick(context)
            for event in found.asset_events:
                self.instance.report_runless_asset_event(event)
        return [event.asset_key.path[-1] for event in found.asset_events]

    def says(self, name: str) -> tuple[bool, str]:
        """Return what the check of a table says in the record: whether it passed, and why."""
        evaluation = self.evaluation(name)
        return evaluation.passed, evaluation.description or ""

    def evaluation(self, name: str) -> dg.AssetCheckEvaluation:
        """Return the latest evaluation of a table's check."""
        key = dg.AssetCheckKey(self.assets[name].key, "sla")
        record = self.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
        assert isinstance(record.evaluation, dg.AssetCheckEvaluation)
        return record.evaluation


@contextmanager
def at(clock: str) -> Iterator[None]:
    """Set the clock to an instant in UTC."""
    with time_machine.travel(datetime.fromisoformat(clock).replace(tzinfo=UTC), tick=True):
        yield


@pytest.fixture
def location(lakehouse: Lakehouse) -> Iterator[Location]:
    """Return the location, with an empty lake and an empty record."""
    with dg.instance_for_test() as instance:
        yield Location(instance, lakehouse)


def test_a_day_that_does_not_come_fails_when_it_is_due(location: Location) -> None:
    """Each deadline is judged once, a missing day again when it is there, and a day in time passes."""
    location.run("2024-01-02T05:00", "raw", "clean")
    location.tick("2024-01-02T05:30")

    assert location.tick("2024-01-02T06:30") == ["clean"]
    assert location.says("clean") == (True, "2024-01-01 in time, due 2024-01-02 06:00")
    assert location.tick("2024-01-02T06:31") == []
    assert location.tick("2024-01-02T07:00:30") == ["mart"]
    assert location.says("mart") == (False, "2024-01-01 not published yet, due 2024-01-02 07:00")
    assert location.tick("2024-01-02T08:00") == []

    location.run("2024-01-02T09:00", "mart")
    assert location.says("mart") == (False, "2024-01-01 late by 2 h, due 2024-01-02 07:00")
    assert location.evaluation("mart").severity is dg.AssetCheckSeverity.WARN
    assert not location.evaluation("mart").blocking
    assert location.tick("2024-01-02T09:30") == []


def test_what_a_commit_did_not_touch_is_not_read_again(location: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days fall due, of which nothing was published since the last look: not a file of the lake is opened."""
    opened: list[str] = []
    new_input = PyArrowFileIO.new_input

    def spy(io: PyArrowFileIO, file: str) -> PyArrowFile:
        opened.append(file)
        return new_input(io, file)

    location.run("2024-01-02T05:00", "raw", "clean", "mart")
    location.tick("2024-01-02T05:30")
    monkeypatch.setattr(PyArrowFileIO, "new_input", spy)
    assert location.tick("2024-01-02T07:30") == ["clean", "mart"]
    assert opened == []

    assert location.tick("2024-01-03T07:30") == ["clean", "mart"]
    assert all("slas.raw" in file or "slas/raw" in file for file in opened)  # for which the missing days wait
    opened.clear()
    assert location.tick("2024-01-04T07:30") == ["clean", "mart"]
    assert opened == []

    location.run("2024-01-04T08:00", "raw", "clean", day="2024-01-03")
    location.tick("2024-01-04T08:01")
    assert location.says("clean") == (False, "2024-01-03 late by 2 h, due 2024-01-04 06:00")


def test_backfilling_an_old_day_does_not_fool_it(location: Location) -> None:
    """Whatever is materialized, the check stays about the latest day due; a refused run does not silence it."""
    for name in ("raw", "clean"):
        location.run("2024-01-02T05:00", name)
    location.tick("2024-01-04T06:30")
    assert location.says("clean")[0] is False

    location.run("2024-01-04T08:00", "raw", "clean", day="2024-01-02")

    location.tick("2024-01-04T08:01")
    assert location.says("clean") == (False, "2024-01-03 not published yet, due 2024-01-04 06:00")
    with at("2024-01-04T08:30"):
        repaired = dg.AssetMaterialization(location.assets["clean"].key, partition="2024-01-01")
        location.instance.report_runless_asset_event(repaired)
    assert "clean" in location.tick("2024-01-04T08:31")  # or the UI would hide what was said before
    assert "clean" not in location.tick("2024-01-04T08:32")
    location.value = 1_000
    location.run("2024-01-04T09:00", "raw", "clean", day="2024-01-03")
    assert location.tick("2024-01-04T09:01")
    assert location.says("clean") == (False, "2024-01-03 not published yet, due 2024-01-04 06:00")


def test_it_says_whom_a_missed_day_waited_for(location: Location) -> None:
    """The report in the UI has attainment, a bar a day, and the slowest upstream of the latest miss."""
    location.run("2024-01-02T05:00", "raw", "clean", "mart")
    location.run("2024-01-03T09:00", "raw", day="2024-01-02")
    location.run("2024-01-03T09:30", "clean", "mart", day="2024-01-02")
    location.tick("2024-01-03T10:00")

    metadata = location.evaluation("mart").metadata
    report = str(metadata["report"].value)

    assert "| 7 days | 1 | 2 | 50.0 % | -1 |" in report
    assert "2024-01-01 █▄" in report
    assert "| 2024-01-02 | late by 2 h 30 min | slas.raw@2024-01-02 (9 h) |" in report
    assert metadata["share in time, 7 days"].value == 0.5
    location.tick("2024-01-04T08:00")
    assert "| 2024-01-03 | not published yet | slas.raw@2024-01-03, not published yet |" in str(
        location.evaluation("mart").metadata["report"].value
    )


def test_a_new_due_time_does_not_hide_the_one_that_is_still_in_force(location: Location) -> None:
    """Until a publish stores what the contract says now, days fall due as they were promised, and are judged then."""
    stored = Location(location.instance, location.lakehouse, promise=Sla("09:00"))
    stored.run("2024-01-02T05:00", "raw", "clean")
    stored.tick("2024-01-02T09:30")
    changed = Location(location.instance, location.lakehouse, promise=Sla("05:00"))

    changed.tick("2024-01-03T05:01")
    assert changed.says("clean") == (True, "2024-01-01 in time, due 2024-01-02 09:00")
    assert "clean" in changed.tick("2024-01-03T09:01")
    assert changed.says("clean") == (False, "2024-01-02 not published yet, due 2024-01-03 09:00")


def test_tables_without_an_sla_have_no_check(location: Location) -> None:
    """Only what was promised is checked; a location without a promise gets neither check nor sensor."""
    keys = location.defs.resolve_asset_graph().asset_check_keys

    assert {key.asset_key.path[-1] for key in keys if key.name == "sla"} == {"clean", "mart"}
    assert not list(slas([location.assets["raw"]]).sensors or [])


def test_the_check_can_be_asked_by_hand(location: Location) -> None:
    """It is an ordinary asset check: one can be evaluated alone, without its table."""
    key = dg.AssetCheckKey(location.assets["clean"].key, "sla")
    selection = dg.AssetSelection.checks(key)
    defs = dg.Definitions.merge(location.defs, dg.Definitions(jobs=[dg.define_asset_job("ask", selection)]))

    with at("2024-01-03T12:00"):
        done = defs.resolve_job_def("ask").execute_in_process(instance=location.instance)

    (evaluation,) = done.get_asset_check_evaluations()
    assert (evaluation.asset_check_key, evaluation.passed) == (key, False)
    assert date.fromisoformat((evaluation.description or "")[:10]) == date(2024, 1, 2)
