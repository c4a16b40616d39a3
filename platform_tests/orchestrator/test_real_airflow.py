"""A table waits for what a real Airflow did, and not for what a test says that it answers."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl
import pytest

from lakeproof import AirflowTask, Column, Lakehouse, Table, Window, audit, daily_table
from lakeproof.source import Retry, airflow_login, bearer

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Airflow

NEW_YORK = "America/New_York"
DAY = Window.of("2013-01-06", timezone=NEW_YORK)
LOGICAL = "2013-01-06T05:00:00Z"
LOGIN = airflow_login(user_env="LAB_USER", password_env="LAB_PASSWORD")  # noqa: S106 - a variable's name
ENDED = {"success", "failed", "skipped", "upstream_failed"}


@pytest.fixture(autouse=True)
def known(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Say where Airflow is, and log in as one who may only look."""
    variables = {"LAB_AIRFLOW": airflow.url, "LAB_USER": "reader", "LAB_PASSWORD": airflow.passwords["reader"]}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def task(dag: str, name: str | None = None, **more: Any) -> AirflowTask:
    """Declare a task to wait for; it gives up soon."""
    given: dict[str, Any] = {"base_env": "LAB_AIRFLOW", "auth": LOGIN, "retry": Retry(1)}
    return AirflowTask(dag, name, **(given | more))


def told(awaited: AirflowTask, window: Window = DAY) -> tuple[bool, str]:
    """Return what is said of a window of one day."""
    found = awaited.complete(window)[window.day]
    return found.complete, found.reason


def instances(airflow: Airflow) -> list[dict[str, Any]]:
    """Return the tasks of the run of the states."""
    return list(airflow.ask("GET", "/dags/states/dagRuns/~/taskInstances")["task_instances"])


@pytest.fixture(scope="module")
def states(airflow: Airflow) -> Airflow:
    """Run the DAG of all states, until each is there."""
    read = {"intervals", "moments", "states", "shop"}
    airflow.wait_for("the DAGs", lambda: read <= {dag["dag_id"] for dag in airflow.ask("GET", "/dags")["dags"]})
    for dag in read - {"shop"}:
        airflow.ask("PATCH", f"/dags/{dag}", is_paused=False)
    airflow.ask("POST", "/dags/states/dagRuns", logical_date=LOGICAL)

    def there() -> bool:
        found = instances(airflow)
        running = any(one["task_id"] == "runs" and one["state"] == "running" for one in found)
        return running and sum(one["state"] in ENDED for one in found) == 7

    airflow.wait_for("the states", there)
    return airflow


def test_the_dag_of_the_page_is_a_dag(states: Airflow) -> None:
    """Airflow reads the DAG that docs/from-airflow.md translates, and finds nothing wrong with it."""
    assert states.ask("GET", "/importErrors")["import_errors"] == []
    tasks = states.ask("GET", "/dags/shop/tasks")["tasks"]
    assert {one["task_id"] for one in tasks} == {"wait_for_export", "wait_for_files", "load_orders", "totals", "check"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fails", "failed"),
        ("follows", "did not run, because what it waits for failed"),
        ("skips", "was skipped"),
        ("runs", "is running"),
        ("some", "failed (1 of 3 mapped tasks)"),
        (None, "is running"),
    ],
)
def test_only_success_is_there(states: Airflow, name: str | None, words: str) -> None:
    """A real task in each state, and the run as a whole."""
    assert states.url
    good, why = told(task("states", name))
    assert not good
    assert why.endswith(f" {words}")


def test_success_is_there_and_again_when_it_was_cleared(states: Airflow) -> None:
    """A task that is cleared is not there, and then in another state than before."""
    awaited = task("states", "succeeds")
    before = awaited.complete(DAY)[DAY.day]
    assert before.complete
    assert before.version is not None

    (run,) = {one["dag_run_id"] for one in instances(states)}
    which = {"dag_run_id": run, "task_ids": ["succeeds"]}
    states.ask("POST", "/dags/states/clearTaskInstances", dry_run=False, only_failed=False, **which)
    after = states.wait_for("the task", lambda: (now := awaited.complete(DAY)[DAY.day]).complete and now)
    assert after.version not in {before.version, None}


@pytest.mark.parametrize(("dag", "after"), [("intervals", 0), ("moments", 1)])
def test_scheduled_runs_are_those_of_the_days_that_were_over(states: Airflow, dag: str, after: int) -> None:
    """A data interval is called by its begin, a moment of cron by itself; a wrong guess is refused, and not early."""
    yesterday = datetime.now(ZoneInfo(NEW_YORK)).date() - timedelta(days=1)
    days = Window.of(yesterday - timedelta(days=1), yesterday, NEW_YORK)
    assert states.url

    for name in ("upload", None):
        declared = task(dag, name, days_after=after)
        states.wait_for(dag, lambda at=declared: all(one.complete for one in at.complete(days).values()))
        today = Window.of(yesterday + timedelta(days=1), timezone=NEW_YORK)
        assert not told(declared, today)[0]
    if after:
        good, why = told(task(dag), Window.of(yesterday, timezone=NEW_YORK))
        assert not good
        assert "Say days_after=1 if so" in why
    else:
        assert told(task(dag), Window.of(yesterday, timezone=NEW_YORK))[0]


def test_what_is_not_there_is_told(states: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DAG, a task, a run, a password and a token that Airflow does not know."""
    assert states.url
    assert "404 Not Found" in told(task("no_such"))[1]
    assert told(task("states", "no_such"))[1].endswith("the day's run has no such task")
    elsewhere = Window.of("2013-01-07", timezone=NEW_YORK)
    assert "has no run whose logical date is the day" in told(task("states"), elsewhere)[1]
    assert "401 Unauthorized" in told(task("states", auth=None))[1]
    monkeypatch.setenv("LAB_TOKEN", "not one")
    assert "403 Forbidden" in told(task("states", auth=bearer(env="LAB_TOKEN")))[1]
    monkeypatch.setenv("LAB_PASSWORD", "not-it")
    good, why = told(task("states", "succeeds"))
    assert (good, "401 Unauthorized" in why, "not-it" in why) == (False, True, False)


def waiting(*names: str) -> Callable[[Lakehouse], tuple[bool, list[date]]]:
    """Return what runs a day of a table that waits for tasks, and says whether it succeeded and what readers see."""
    table = Table(
        f"lab.{'_'.join(names)}",
        columns=[Column("day", "date")],
        partition="day",
        start="2013-01-06",
        end="2013-01-07",
        timezone=NEW_YORK,
        layer="collection",
        owner="team:lab",
        audits=[audit.not_null("day")],
    )

    @daily_table(table, **{name: task("states", name) for name in names})
    def make(window: Window) -> pl.DataFrame:
        return pl.DataFrame({"day": list(window.days)})

    def run(lakehouse: Lakehouse) -> tuple[bool, list[date]]:
        done = dg.materialize(
            [make], resources={"lakehouse": lakehouse}, raise_on_error=False, partition_key="2013-01-06"
        )
        found = lakehouse.read(table)["day"].to_list() if done.success else []
        return done.success, found

    return run


def test_a_table_is_made_when_the_task_has_succeeded(states: Airflow) -> None:
    """And not while one of those that it waits for has not."""
    assert states.url
    assert waiting("succeeds")(Lakehouse.in_memory()) == (True, [date(2013, 1, 6)])
    assert waiting("succeeds", "fails")(Lakehouse.in_memory()) == (False, [])


def test_nothing_is_there_when_airflow_is_gone(states: Airflow) -> None:
    """The last test: its API server is killed."""
    states.stop()

    good, why = told(task("states", "succeeds"))
    assert (good, "the connection failed" in why) == (False, True)
    assert waiting("succeeds")(Lakehouse.in_memory()) == (False, [])
