"""A day waits for a DAG run of Airflow, or a task of it: there when it succeeded, and a clear sentence when not."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl
import pytest

from lakeproof import AirflowTask, Column, Lakehouse, Table, Window, audit, daily_table
from lakeproof.asset import table_assets
from lakeproof.cli.sources import as_markdown, as_record, examine
from lakeproof.errors import ContractError
from lakeproof.lake.evidence import read_evidence
from lakeproof.source import Awaited, Retry, Source, airflow_login, bearer
from lakeproof.source.airflow import STATES

if TYPE_CHECKING:
    from conftest import Api, Asked, Said

NEW_YORK = "America/New_York"
PASSWORD = 'p"ss\\w0rd-marker'  # noqa: S105 - what the tests look for
TOKEN = "token-marker"  # noqa: S105 - as above
DAYS = Window.of("2013-01-04", "2013-01-06", NEW_YORK)
LOGIN = airflow_login(user_env="LAB_USER", password_env="LAB_PASSWORD")  # noqa: S106 - a variable's name


@dataclass
class Airflow:
    """Answers as Airflow 3.3 does, as far as it is asked; `most` is its `maximum_page_limit`."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    most: int = 100

    def run(self, logical: str | None, state: str = "success", **more: Any) -> str:
        """Add a run of the DAG `export`."""
        run = {
            "dag_run_id": f"scheduled__{logical}",
            "logical_date": logical,
            "run_after": "2026-01-01T00:00:00Z",
            "state": state,
            "end_date": None if state in {"queued", "running"} else "2026-01-01T00:05:00.25Z",
            "conf": {},
        }
        self.runs.append(run | more)
        return str(self.runs[-1]["dag_run_id"])

    def task(self, run: str, state: str | None = "success", **more: Any) -> None:
        """Add an instance of the task `upload`."""
        logical = next(r["logical_date"] for r in self.runs if r["dag_run_id"] == run)
        task = {"dag_run_id": run, "task_id": "upload", "logical_date": logical, "map_index": -1, "state": state}
        self.tasks.append(task | {"end_date": "2026-01-01T00:04:00Z"} | more)

    def __call__(self, asked: Asked) -> Said:
        """Answer."""
        if asked.path == "/auth/token":
            known = json.loads(asked.body) == {"username": "reader", "password": PASSWORD}
            return said(201, {"access_token": TOKEN}) if known else said(401, {"detail": "Invalid credentials"})
        if asked.headers["Authorization"] is None:
            return said(401, {"detail": "Not authenticated"})
        if asked.headers["Authorization"] != f"Bearer {TOKEN}":
            return said(403, {"detail": "Invalid JWT token"})
        kind = {"dagRuns": "dag_runs", "taskInstances": "task_instances"}[asked.path.rsplit("/", 1)[-1]]
        if not asked.path.startswith("/api/v2/dags/export/dagRuns"):
            return said(404, {"detail": "The Dag with ID: `nope` was not found"})
        first, last = (instant(asked.params[f"logical_date_{bound}"]) for bound in ("gte", "lte"))
        found = [
            one
            for one in (self.runs if kind == "dag_runs" else self.tasks)
            if one["logical_date"] and first <= instant(one["logical_date"]) <= last
            if asked.params.get("task_id") in {None, one.get("task_id")}
        ]
        at, most = int(asked.params["offset"]), min(self.most, int(asked.params["limit"]))
        return said(200, {kind: found[at : at + most], "total_entries": len(found)})


def instant(text: str) -> datetime:
    """Return an instant as Airflow writes it."""
    return datetime.fromisoformat(text)


def said(status: int, body: object) -> Said:
    """Return an answer in JSON."""
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


@pytest.fixture
def airflow(api: Api, monkeypatch: pytest.MonkeyPatch) -> Airflow:
    """Return an Airflow without runs, and its address and user where the declarations look for them."""
    made = Airflow()
    api.answer = made
    for name, value in {"LAB_AIRFLOW": api.url, "LAB_USER": "reader", "LAB_PASSWORD": PASSWORD}.items():
        monkeypatch.setenv(name, value)
    return made


def task(**changes: Any) -> AirflowTask:
    """Declare the task that the tests wait for; it gives up fast."""
    given: dict[str, Any] = {"dag_id": "export", "task_id": "upload", "base_env": "LAB_AIRFLOW", "auth": LOGIN}
    return AirflowTask(**(given | {"retry": Retry(2, first=0.01), "timeout": 2} | changes))


def told(awaited: AirflowTask, day: int = 5) -> tuple[bool, str]:
    """Return what is said of a day of January."""
    found = awaited.complete(DAYS)[date(2013, 1, day)]
    assert "\n" not in found.reason
    return found.complete, found.reason


def test_it_is_waited_for_and_is_no_source(airflow: Airflow) -> None:
    """It answers the two questions of what is waited for, and has no rows."""
    assert airflow.runs == []
    assert isinstance(task(), Awaited)
    assert not isinstance(task(), Source)


@pytest.mark.parametrize("state", [*STATES, "enchanted"])
def test_only_success_is_there(airflow: Airflow, state: str | None) -> None:
    """Every other state of a task is not, whatever it is; one that is not known here is named."""
    airflow.task(airflow.run("2013-01-05T05:00:00Z", "running"), state)
    airflow.task(airflow.run("2013-01-06T05:00:00Z", "failed"))

    words = STATES.get(state, "is in state 'enchanted', which is not known here and so not taken for done")
    assert told(task()) == (False, f"$LAB_AIRFLOW/dags/export/tasks/upload {words}")
    assert told(task(), 6)[0], "the task succeeded, whatever became of its run"
    assert not told(task(), 4)[0]


@pytest.mark.parametrize("state", ["queued", "running", "failed", "enchanted"])
def test_a_run_as_a_whole_is_there_when_it_succeeded(airflow: Airflow, state: str) -> None:
    """Without a task, the state of the run decides."""
    airflow.run("2013-01-05T05:00:00Z", state)
    airflow.run("2013-01-06T05:00:00Z")

    good, why = told(task(task_id=None))
    assert not good
    assert why.startswith("$LAB_AIRFLOW/dags/export ")
    assert state in why or STATES[state] in why
    assert told(task(task_id=None), 6) == (True, "$LAB_AIRFLOW/dags/export succeeded")


def test_a_mapped_task_is_there_when_all_of_it_succeeded(airflow: Airflow) -> None:
    """One mapped task that failed is enough to wait, and it is told how many did."""
    run = airflow.run("2013-01-05T05:00:00Z")
    for index, state in enumerate(["success", "failed", "success"]):
        airflow.task(run, state, map_index=index)

    assert told(task()) == (False, "$LAB_AIRFLOW/dags/export/tasks/upload failed (1 of 3 mapped tasks)")

    airflow.tasks[1]["state"] = "success"
    assert told(task())[0]


def test_a_task_that_the_run_does_not_have_is_told_apart_from_a_run_that_is_not_there(airflow: Airflow) -> None:
    """A name that is misspelt is not a run that is late."""
    airflow.run("2013-01-05T05:00:00Z")

    assert told(task()) == (False, "$LAB_AIRFLOW/dags/export/tasks/upload: the day's run has no such task")
    missing = "has no run whose logical date is the day at 00:00 America/New_York"
    assert told(task(), 4) == (False, f"$LAB_AIRFLOW/dags/export/tasks/upload {missing}")


def test_a_run_is_found_by_its_logical_date_alone(airflow: Airflow) -> None:
    """Not by when it ran; by hand or by a backfill is as good; and one without a logical date is no day's."""
    airflow.run(None, dag_run_id="manual__1")
    airflow.run("2013-01-05T04:59:59Z", dag_run_id="manual__2")
    airflow.run("2013-01-05T00:00:00Z", dag_run_id="manual__3")
    assert not told(task(task_id=None))[0]
    assert told(task(task_id=None, timezone="UTC"))[0]

    airflow.run("2013-01-05T05:00:00Z", dag_run_id="manual__4", run_type="manual")
    assert told(task(task_id=None))[0]


@pytest.mark.parametrize(
    ("declared", "logical"),
    [
        ({}, "2013-07-05T04:00:00Z"),  # midnight in New York, summer time
        ({"at": "06:30"}, "2013-07-05T10:30:00Z"),
        ({"timezone": "UTC"}, "2013-07-05T00:00:00Z"),
        ({"timezone": "Asia/Tokyo", "at": "09:00"}, "2013-07-05T00:00:00Z"),
        ({"days_after": 1}, "2013-07-06T04:00:00Z"),
        ({"days_after": -1, "at": "22:00"}, "2013-07-05T02:00:00Z"),
    ],
)
def test_the_declaration_says_which_logical_date_is_the_days(airflow: Airflow, declared: Any, logical: str) -> None:
    """Time of day, zone and days after: by default midnight of the day, where the table's days begin."""
    airflow.run(logical)
    day = Window.of("2013-07-05", timezone=NEW_YORK)

    found = task(task_id=None, **declared).complete(day)
    assert {day: answer.complete for day, answer in found.items()} == {date(2013, 7, 5): True}
    airflow.runs[0]["logical_date"] = logical.replace("00Z", "01Z")
    assert not task(task_id=None, **declared).complete(day)[date(2013, 7, 5)].complete


def test_days_around_the_change_of_the_clock_are_each_their_own(airflow: Airflow) -> None:
    """A day of 23 hours and one of 25 begin at their own midnight."""
    for logical in ("2013-03-10T05:00:00Z", "2013-03-11T04:00:00Z", "2013-11-03T04:00:00Z", "2013-11-04T05:00:00Z"):
        airflow.run(logical)

    for first in ("2013-03-10", "2013-11-03"):
        found = task(task_id=None).complete(Window.of(first, f"{first[:8]}{int(first[8:]) + 1:02}", NEW_YORK))
        assert [answer.complete for answer in found.values()] == [True, True]


def test_a_run_that_is_about_the_day_before_is_not_taken_for_the_days(airflow: Airflow) -> None:
    """With cron, Airflow 3 calls a run by the moment it starts at: it cannot have seen the day that begins then."""
    airflow.run("2013-01-05T05:00:00Z", run_after="2013-01-05T05:00:00Z")

    good, why = told(task(task_id=None))
    assert not good
    assert "could start before the day began" in why
    assert "days_after=1" in why
    assert told(task(task_id=None, days_after=1), 4)[0]
    assert told(task(task_id=None, days_after=0), 5)[0], "whoever says so knows it"

    airflow.runs[0]["run_after"] = "2013-01-06T05:00:00Z"
    assert told(task(task_id=None))[0], "a run with a data interval starts when the day is over"


def test_every_page_is_read(airflow: Airflow, api: Api) -> None:
    """A DAG that runs each minute has more runs than a page; the last one is found, and each page is asked for once."""
    airflow.most = 7
    for minute in range(48 * 60, 0, -60):
        at = datetime(2013, 1, 4, 5, tzinfo=ZoneInfo("UTC")).timestamp() + minute * 60
        airflow.run(datetime.fromtimestamp(at, ZoneInfo("UTC")).isoformat(), dag_run_id=f"run-{minute}")
    airflow.run("2013-01-04T05:00:00Z", dag_run_id="the last")

    assert all(told(task(task_id=None), day)[0] for day in (4, 5, 6))
    offsets = [int(asked.params["offset"]) for asked in api.asked if "offset" in asked.params]
    assert offsets == [0, 7, 14, 21, 28, 35, 42] * 3


def test_a_list_that_changes_while_it_is_read_is_not_believed(airflow: Airflow, api: Api) -> None:
    """A task that runs again goes to the end, and one that failed is passed over."""
    run = airflow.run("2013-01-05T05:00:00Z")
    for index, state in enumerate(["success", "success", "success", "failed", "success", "success"]):
        airflow.task(run, state, map_index=index)
    airflow.most = 3

    def shifting(asked: Asked) -> Said:
        if asked.params.get("offset") == "3":
            airflow.tasks.append(airflow.tasks.pop(0))
        return airflow(asked)

    api.answer = shifting
    assert told(task()) == (
        False,
        "$LAB_AIRFLOW/dags/export/tasks/upload: its list of 6 entries changed while it was read.",
    )


def test_a_state_is_told_by_the_run_and_when_it_ended(airflow: Airflow) -> None:
    """A task that was cleared and ran again is another state of its day."""
    airflow.task(airflow.run("2013-01-05T05:00:00Z"))
    before = task().complete(DAYS)[date(2013, 1, 5)].version
    assert before == "scheduled__2013-01-05T05:00:00Z, ended 2026-01-01T00:04:00+00:00"

    airflow.tasks[0]["end_date"] = "2026-01-02T00:00:00Z"
    assert task().complete(DAYS)[date(2013, 1, 5)].version not in {before, None}


LOGIN_PAGE = (200, {"Content-Type": "text/html"}, b"<!doctype html><title>Sign in</title>")
FAULTS = {
    "401": (said(401, {"detail": "Not authenticated"}), "it answers 401 Unauthorized"),
    "403": (said(403, {"detail": "Forbidden"}), "it answers 403 Forbidden"),
    "404": (said(404, {"detail": "The Dag with ID: `export` was not found"}), "it answers 404 Not Found"),
    "500": (said(500, {"detail": "Internal"}), "it answers 500 Internal Server Error, after 2 attempts"),
    "503": ((503, {}, b"down"), "it answers 503 Service Unavailable, after 2 attempts"),
    "busy": ((503, {"Retry-After": "3600"}, b""), "asks to wait 3,600 s"),
    "sign-in page": (LOGIN_PAGE, "its answer is not one of Airflow's API"),
    "empty": ((200, {}, b""), "its answer is not one of Airflow's API"),
    "not text": ((200, {}, b'{"dag_runs": [], "total_entries": "\xff"}'), "its answer is not one of Airflow's API"),
    "another list": (said(200, {"items": []}), "its answer is not one of Airflow's API"),
    "no state": (
        said(200, {"total_entries": 1, "dag_runs": [{"dag_run_id": "a", "logical_date": None}]}),
        "its answer is not one of Airflow's API",
    ),
    "a time without a zone": (
        said(
            200,
            {
                "total_entries": 1,
                "dag_runs": [
                    {
                        "dag_run_id": "a",
                        "logical_date": "2013-01-05T05:00:00",
                        "run_after": "2013-01-06T05:00:00Z",
                        "state": "success",
                        "end_date": None,
                    }
                ],
            },
        ),
        "its answer is not one of Airflow's API",
    ),
    "elsewhere": ((302, {"Location": "http://other.example/login"}, b""), "another server"),
    "cut short": ((200, {"Content-Length": "1000", "Connection": "close"}, b'{"dag_runs"'), "after 2 attempts"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("at_login", [False, True], ids=["when asked", "at the login"])
def test_whatever_it_answers_instead_is_one_sentence(airflow: Airflow, api: Api, fault: str, *, at_login: bool) -> None:
    """No day is there, nothing is raised, and neither password nor token is told."""
    answer, sentence = FAULTS[fault]
    airflow.task(airflow.run("2013-01-05T05:00:00Z"))
    api.answer = lambda asked: answer if at_login == (asked.path == "/auth/token") else airflow(asked)

    found = task().complete(DAYS)

    assert set(found) == set(DAYS.days)
    for one in found.values():
        assert not one.complete
        assert sentence in one.reason
        assert "\n" not in one.reason
        assert PASSWORD not in one.reason
        assert TOKEN not in one.reason


def test_one_that_does_not_answer_is_given_up(airflow: Airflow, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused, or silent, or not where it is said to be."""
    assert airflow.most
    monkeypatch.setenv("LAB_AIRFLOW", "http://127.0.0.1:1")
    assert "the connection failed" in told(task())[1]
    monkeypatch.setenv("LAB_AIRFLOW", "")
    assert "LAB_AIRFLOW is not set" in told(task())[1]
    monkeypatch.setenv("LAB_AIRFLOW", api.url)
    monkeypatch.delenv("LAB_PASSWORD")
    assert "LAB_PASSWORD is not set" in told(task())[1]

    silence = threading.Event()
    api.answer = lambda _: (200 if silence.wait(5) else 500, {}, b"")
    assert "no answer within 0.2 s" in told(task(auth=None, timeout=0.2))[1]
    silence.set()


def test_a_password_is_told_to_nobody(
    airflow: Airflow, api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Airflow repeats what it was sent when it cannot make sense of it; that is repeated no further."""
    caplog.set_level(logging.DEBUG)
    assert airflow.runs == []
    api.answer = lambda asked: (422, {}, asked.body)

    _, why = told(task())
    assert why == "$LAB_AIRFLOW/dags/export/tasks/upload, login of $LAB_USER: it answers 422 Unprocessable Entity."
    assert json.loads(api.asked[0].body) == {"username": "reader", "password": PASSWORD}

    monkeypatch.setenv("LAB_TOKEN", TOKEN)
    api.answer = lambda asked: (403, {}, f"bad {asked.headers['Authorization']}".encode())
    _, why = told(task(auth=bearer(env="LAB_TOKEN")))
    assert "403" in why
    assert TOKEN not in why

    api.answer = airflow
    assert "marker" not in caplog.text + repr(task()) + repr(task()._log_in(api.url, LOGIN))


def test_a_token_of_ones_own_does_as_well(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a person or a proxy gives tokens, no password is needed."""
    airflow.run("2013-01-05T05:00:00Z")
    monkeypatch.setenv("LAB_TOKEN", TOKEN)

    assert told(task(task_id=None, auth=bearer(env="LAB_TOKEN")))[0]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"base": "https://airflow.example"}, "needs one of base= and base_env="),
        ({"base_env": None, "base": "airflow.example:8080"}, "base= is wrong"),
        ({"base_env": None, "base": "https://me:secret@airflow.example"}, "base= is wrong"),
        ({"at": "25:00"}, "at='25:00' is no time of day"),
        ({"at": "06:00+02:00"}, "is no time of day"),
        ({"timezone": "America/New_Yrok"}, "unknown time zone"),
        ({"dag_id": ""}, "an empty dag_id"),
        ({"task_id": ""}, "an empty dag_id"),
    ],
)
def test_a_declaration_that_is_wrong_is_refused(wrong: Any, sentence: str) -> None:
    """When it is made, and not when the first day waits for it."""
    with pytest.raises(ContractError, match=sentence):
        task(**wrong)


def declared(**more: Any) -> Table:
    """Declare a table of one value a day."""
    given: dict[str, Any] = {
        "columns": [Column("day", "date"), Column("value", "int")],
        "partition": "day",
        "start": "2013-01-04",
        "end": "2013-01-07",
        "timezone": NEW_YORK,
        "layer": "collection",
        "owner": "team:lab",
        "audits": [audit.not_null("value")],
    }
    return Table("lab.exported", **(given | more))


def waiting(table: Table, **waits: Any) -> dg.AssetsDefinition:
    """Return a table whose function takes no parameter for what it waits for."""

    @daily_table(table, **(waits or {"export": task()}))
    def make(window: Window) -> pl.DataFrame:
        return pl.DataFrame(
            {"day": list(window.days), "value": [1] * len(window.days)}, {"day": pl.Date, "value": pl.Int32}
        )

    return make


def run(asset: dg.AssetsDefinition, lakehouse: Lakehouse) -> tuple[dg.ExecuteInProcessResult, str]:
    """Run three days; return the result, and what the failure says."""
    tags = {"dagster/asset_partition_range_start": "2013-01-04", "dagster/asset_partition_range_end": "2013-01-06"}
    done = dg.materialize([asset], resources={"lakehouse": lakehouse}, raise_on_error=False, tags=tags)
    failed = done.get_step_failure_events()
    return done, "" if not failed else str(failed[0].step_failure_data.user_failure_data or failed[0])


def test_a_day_runs_when_the_task_has(airflow: Airflow) -> None:
    """The others are not ready and say why; what was waited for is in the evidence, and no row of it is."""
    lakehouse, asset = Lakehouse.in_memory(), waiting(table := declared())
    airflow.task(airflow.run("2013-01-05T05:00:00Z"))
    airflow.task(airflow.run("2013-01-06T05:00:00Z", "running"), "running")

    done, why = run(asset, lakehouse)

    assert not done.success
    assert lakehouse.read(table)["day"].to_list() == [date(2013, 1, 5)]
    assert "$LAB_AIRFLOW/dags/export/tasks/upload is running" in why
    (published,) = done.asset_materializations_for_node("lab__exported")
    stored = lakehouse.lake.find("lab.exported")
    assert stored is not None
    record = read_evidence(stored, published.metadata["run"].value)
    assert record is not None
    told_of = "scheduled__2013-01-05T05:00:00Z, ended 2026-01-01T00:04:00+00:00"
    assert record["inputs"]["export"]["states"] == {"2013-01-05": told_of}
    assert dg.AssetKey(["sources", "lab", "exported", "export"]) in asset.asset_deps[asset.key]
    assert "pre_check" not in {spec.name for spec in asset.check_specs}


def test_nothing_runs_while_it_cannot_be_asked(api: Api, airflow: Airflow) -> None:
    """A server that is down makes no day ready."""
    lakehouse, asset = Lakehouse.in_memory(), waiting(declared())
    airflow.task(airflow.run("2013-01-05T05:00:00Z"))
    api.answer = lambda _: (503, {}, b"")

    done, why = run(asset, lakehouse)

    assert not done.success
    assert "503 Service Unavailable" in why
    assert lakehouse.lake.find("lab.exported") is None


def test_a_gap_is_a_gap_although_the_task_succeeded(airflow: Airflow) -> None:
    """A task that ran says nothing about rows, so it does not contradict who declared that none will come."""
    lakehouse = Lakehouse.in_memory()
    for day in (4, 5, 6):
        airflow.task(airflow.run(f"2013-01-0{day}T05:00:00Z"))

    done, _ = run(waiting(table := declared(gaps={"2013-01-05": "the scanner was off"})), lakehouse)

    assert done.success
    assert sorted(lakehouse.read(table)["day"].to_list()) == [date(2013, 1, 4), date(2013, 1, 6)]


def test_a_table_without_days_cannot_wait_for_one(airflow: Airflow) -> None:
    """There is no logical date to ask for."""
    assert airflow.most
    with pytest.raises(ContractError, match="has no days, so it cannot wait"):
        waiting(declared(partition=None, start=None, end=None, key=["day"]))


def test_a_doctor_says_up_to_when_it_is_there(airflow: Airflow) -> None:
    """It has no fields to look at; one that cannot be asked is wrong."""
    (made,) = table_assets([waiting(declared()).key])
    airflow.task(airflow.run("2013-01-05T05:00:00Z"))

    found = examine(made.table, made.waits["export"])
    assert found.good
    assert as_record(found, [])["day"] == "2013-01-05"
    assert "no row of it is read. Its newest day is 2013-01-05." in as_markdown([found], [])

    airflow.tasks.clear()
    assert not examine(made.table, made.waits["export"]).good
