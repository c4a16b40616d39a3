"""What the test of a real Airflow waits for: each state that a task can end in, by both kinds of schedule."""

from __future__ import annotations

import time

import pendulum
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, task
from airflow.sdk.exceptions import AirflowSkipException

NEW_YORK = "America/New_York"
START = pendulum.today(NEW_YORK).subtract(days=3)

intervals = CronDataIntervalTimetable("0 0 * * *", timezone=NEW_YORK)
with DAG("intervals", schedule=intervals, start_date=START, catchup=True):
    EmptyOperator(task_id="upload")

with DAG("moments", schedule="@daily", start_date=START, catchup=True):
    EmptyOperator(task_id="upload")

with DAG("states", schedule=None, start_date=pendulum.datetime(2013, 1, 1, tz=NEW_YORK)):

    @task
    def fails() -> None:
        """Fail."""
        raise ValueError

    @task
    def skips() -> None:
        """Skip itself."""
        raise AirflowSkipException

    @task
    def runs() -> None:
        """Not end while it is looked at."""
        time.sleep(600)

    @task
    def some(number: int) -> None:
        """Fail for one of several numbers."""
        if number == 1:
            raise ValueError

    fails() >> EmptyOperator(task_id="follows")
    skips()
    runs()
    some.expand(number=[0, 1, 2])
    EmptyOperator(task_id="succeeds")
