"""What many tables have in common is said once, checked when it is said, and reaches Dagster with each of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl
import pytest

from lakeproof import Pipeline, Window, daily_table
from lakeproof.errors import ContractError
from lakeproof.progress import listening

NEW_YORK = "America/New_York"


def pipeline(**given: Any) -> Pipeline:
    """Declare the pipeline of a test: of one name, so on one line."""
    return Pipeline("lab", **given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"start": "2024-02-01", "end": "2024-01-01"}, "it ends (2024-01-01) before it starts (2024-02-01)"),
        ({"start": "2024-02-30"}, "'2024-02-30' is not a day"),
        ({"timezone": "America/New_Yorck"}, "unknown time zone 'America/New_Yorck'. Did you mean America/New_York"),
        ({"schedule": "0 25 * * *"}, "schedule '0 25 * * *' is no cron"),
        ({"schedule": "daily"}, "schedule 'daily' is no cron"),
        ({"schedule": "0 0 30 2 *"}, "schedule '0 0 30 2 *' is no cron: Bad day-of-month"),
        ({"schedule": "0 0 31 9 *"}, "schedule '0 0 31 9 *' is no cron: Bad day-of-month"),
        ({"max_active_runs": 0}, "max_active_runs=0 lets nothing run"),
        ({"retries": -1}, "retries and retry_delay are nothing or more"),
        ({"retry_delay": timedelta(seconds=-1)}, "retries and retry_delay are nothing or more"),
        ({"retry_backoff": "slow"}, "retry_backoff='slow' is neither None, 'linear' nor 'exponential'"),
    ],
)
def test_what_cannot_be_kept_is_refused_when_it_is_declared(given: dict[str, Any], said: str) -> None:
    """Each fault of a declaration is one sentence, and nothing runs."""
    with pytest.raises(ContractError) as refused:
        pipeline(**given)

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("schedule", "now", "until"),
    [
        (None, datetime(2024, 1, 3, 4, 59, tzinfo=UTC), date(2024, 1, 2)),
        (None, datetime(2024, 1, 3, 5, 0, tzinfo=UTC), date(2024, 1, 3)),
        ("@daily", datetime(2024, 1, 3, 5, 0, tzinfo=UTC), date(2024, 1, 3)),
        ("0 6 * * *", datetime(2024, 1, 3, 10, 59, 59, tzinfo=UTC), date(2024, 1, 2)),
        ("0 6 * * *", datetime(2024, 1, 3, 11, 0, tzinfo=UTC), date(2024, 1, 3)),
        ("0 6 * * 1", datetime(2024, 1, 7, 23, 0, tzinfo=UTC), date(2024, 1, 1)),
        ("0 6 * * *", datetime(2024, 7, 3, 9, 59, tzinfo=UTC), date(2024, 7, 2)),
        ("0 6 * * *", datetime(2024, 7, 3, 10, 0, tzinfo=UTC), date(2024, 7, 3)),
    ],
)
def test_days_are_asked_for_when_the_schedule_has_fired_after_their_end(
    schedule: str | None, now: datetime, until: date
) -> None:
    """Without a schedule a day is due at midnight; with one, at its first firing after that, in summer time too."""
    assert pipeline(schedule=schedule, timezone=NEW_YORK).asked_until(now, NEW_YORK) == until


def test_a_schedule_at_an_hour_that_a_spring_day_skips_still_fires_on_it() -> None:
    """At 02:30 on the day on which clocks go from two to three, the day before is asked for at three."""
    common = pipeline(schedule="30 2 * * *", timezone=NEW_YORK)

    assert common.asked_until(datetime(2024, 3, 10, 6, 59, tzinfo=UTC), NEW_YORK) == date(2024, 3, 9)
    assert common.asked_until(datetime(2024, 3, 10, 7, 0, tzinfo=UTC), NEW_YORK) == date(2024, 3, 10)


def test_a_schedule_may_fire_more_than_once_a_day() -> None:
    """Each firing is an instant of its own; without a schedule there is none."""
    twice = pipeline(schedule="0 6,18 * * *", timezone=NEW_YORK)
    asked = [twice.fired(datetime(2024, 1, 3, hour, 30, tzinfo=UTC)) for hour in (10, 11, 22, 23)]

    assert asked == [datetime(2024, 1, day, hour, tzinfo=UTC) for day, hour in ((2, 23), (3, 11), (3, 11), (3, 23))]
    assert pipeline().fired(datetime(2024, 1, 3, tzinfo=UTC)) is None


@pytest.mark.parametrize("schedule", ["0 1 * * *", "30 1 * * *", "59 1 * * *"])
def test_a_time_that_occurs_twice_fires_once(schedule: str) -> None:
    """Once fired, it has: when the clocks go back, no day is taken back for an hour."""
    common = pipeline(schedule=schedule, timezone=NEW_YORK)
    four = datetime(2024, 11, 3, 4, tzinfo=UTC)  # midnight in New York, two hours before the clocks go back
    asked = [common.asked_until(four + timedelta(minutes=n), NEW_YORK) for n in range(240)]

    assert asked == sorted(asked)
    assert asked.count(date(2024, 11, 2)) == 60 + int(schedule[:2])


def test_a_table_has_of_its_pipeline_what_it_does_not_say(lab: Any) -> None:
    """Start, end, zone, owner and tags are the pipeline's, unless the table has its own."""
    common = pipeline(
        start="2024-01-05",
        end="2024-02-01",
        timezone=NEW_YORK,
        owner="team:common",
        tags={"tier": "1", "a": "b"},
    )

    plain = lab.table(pipeline=common, start=None, owner="", tags={"a": "c"})
    own = lab.table("lab.own", pipeline=common, timezone="UTC")

    assert (plain.first_day, plain.until_day) == (date(2024, 1, 5), date(2024, 2, 1))
    assert (plain.timezone, plain.owner) == (NEW_YORK, "team:common")
    assert plain.tags == {"tier": "1", "a": "c"}
    assert (own.first_day, own.timezone, own.owner) == (lab.day(1), "UTC", "team:lab")


def test_two_pipelines_of_one_name_are_refused() -> None:
    """They would share a pool, and the bound of the one that is read last; a table may have the name of a pipeline."""
    kept = pipeline()

    with pytest.raises(
        ContractError, match=r"Two pipelines are called lab: one declared at .*test_pipeline.py:\d+"
    ) as no:
        Pipeline("lab", max_active_runs=2)

    assert no.value.next_step == "rename one of them"
    assert kept.max_active_runs == 3


def test_a_table_that_nobody_owns_is_refused(lab: Any) -> None:
    """An owner is the table's or its pipeline's."""
    with pytest.raises(ContractError, match="nobody owns it"):
        lab.table(owner="", pipeline=pipeline())


def test_retries_and_the_pool_are_the_pipelines(lab: Any) -> None:
    """Dagster bounds the pipeline's runs by its pool, and waits between tries as the pipeline says."""
    common = pipeline(retries=3, retry_delay=timedelta(minutes=2), retry_backoff="exponential")

    @daily_table(lab.table(pipeline=common))
    def make(window: Window) -> pl.DataFrame:
        return pl.DataFrame({"reading_date": window.days})

    assert make.op.pool == "lab"
    assert make.op.retry_policy == dg.RetryPolicy(3, 120, dg.Backoff.EXPONENTIAL)


def test_an_error_that_may_pass_is_tried_again_and_a_refusal_is_not(lab: Any) -> None:
    """A function that fails once succeeds at its second try; rows that do not fit would not fit again."""
    tries: list[str] = []
    common = pipeline(retries=1, retry_delay=0)

    @daily_table(lab.table(pipeline=common))
    def shaky(window: Window) -> pl.DataFrame:
        tries.append(window.ds)
        if len(tries) == 1:
            raise ConnectionError
        return lab.rows(1)

    @daily_table(lab.table("lab.misfit", pipeline=common))
    def misfit(window: Window) -> pl.DataFrame:
        tries.append(window.ds)
        return pl.DataFrame({"reading_date": window.days})

    def run(asset: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
        resources = {"lakehouse": lab.lakehouse}
        return dg.materialize_to_memory([asset], partition_key="2024-01-01", resources=resources, raise_on_error=False)

    assert run(shaky).success
    assert len(tries) == 2
    assert not run(misfit).success
    assert len(tries) == 3


def test_a_run_that_a_person_waits_for_is_not_tried_again(lab: Any) -> None:
    """The command tells what broke at once; whether to try again is the person's to say."""
    tries: list[str] = []

    @daily_table(lab.table(pipeline=pipeline(retries=3, retry_delay=0)))
    def broken(window: Window) -> pl.DataFrame:
        tries.append(window.ds)
        raise ConnectionError

    with listening(lambda _: None):
        resources = {"lakehouse": lab.lakehouse}
        dg.materialize_to_memory([broken], partition_key="2024-01-01", resources=resources, raise_on_error=False)

    assert len(tries) == 1
