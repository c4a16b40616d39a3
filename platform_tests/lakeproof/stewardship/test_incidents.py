from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeproof.stewardship.incidents import Kind, Publish, Symptom, derive

START = datetime(2024, 1, 10, 6, tzinfo=UTC)


def day(number: int) -> date:
    """Return a numbered day of January 2024."""
    return date(2024, 1, number)


def seen(minute: int, *days: int, kind: Kind = "held", causes: str = "range", table: str = "lab.a") -> Symptom:
    """Return what was found some minutes into the script."""
    at = START + timedelta(minutes=minute)
    return Symptom(table, kind, frozenset(causes.split()), tuple(map(day, days)), at, "why", at, f"run-{minute}")


def published(minute: int, number: int, table: str = "lab.a") -> Publish:
    """Return a publish some minutes into the script."""
    return Publish(table, day(number), START + timedelta(minutes=minute))


def test_a_rerun_that_fails_alike_extends_the_incident() -> None:
    """One incident per cause and table, with the days of every run that met it, and none for each retry."""
    (incident,) = derive([seen(0, 1), seen(5, 1), seen(9, 2, 3)], [])

    assert incident.days == (day(1), day(2), day(3))
    assert [symptom.dagster_run for symptom in incident.symptoms] == ["run-0", "run-5", "run-9"]
    assert incident.opened == START
    assert incident.closed is None


@pytest.mark.parametrize(
    "other",
    [{"causes": "key"}, {"kind": "failed"}, {"kind": "blocked"}, {"kind": "missed"}, {"table": "lab.b"}],
    ids=str,
)
def test_another_cause_or_table_is_another_incident(other: dict[str, Any]) -> None:
    """A day that an audit holds and one that another holds are two incidents, as are two tables and two kinds."""
    assert len(derive([seen(0, 1), seen(5, 2, **other)], [])) == 2


def test_one_audit_in_common_is_one_cause() -> None:
    """A rerun that a second audit holds too is the same incident, and so is one that only the second then holds."""
    (incident,) = derive([seen(0, 1), seen(5, 1, causes="range key"), seen(9, 1, causes="key")], [])

    assert incident.causes == {"range", "key"}


def test_it_closes_when_the_last_of_its_days_is_published() -> None:
    """Not before, whatever is published besides; and its instants are those of the events."""
    script = [published(3, 1), published(4, 9), published(5, 2, table="lab.b"), published(7, 2), published(8, 2)]

    (incident,) = derive([seen(0, 1, 2)], script)
    (partly,) = derive([seen(0, 1, 2)], script[:3])

    assert (incident.opened, incident.closed) == (START, START + timedelta(minutes=7))
    assert incident.duration == timedelta(minutes=7)
    assert partly.waiting == (day(2),)


def test_a_publish_closes_every_incident_of_the_day() -> None:
    """A day that was held, then failed, and is published at last, keeps neither incident open."""
    incidents = derive([seen(0, 1), seen(5, 1, kind="failed", causes="MakeError")], [published(9, 1)])

    assert [incident.closed for incident in incidents] == [START + timedelta(minutes=9)] * 2


def test_what_happens_again_later_is_another_incident() -> None:
    """With an id of its own, though table, day and cause are the same."""
    first, second = derive([seen(0, 1), seen(20, 1)], [published(9, 1)])

    assert first.closed is not None
    assert second.closed is None
    assert first.id != second.id


def test_a_day_that_breaks_again_while_others_wait_waits_again() -> None:
    """A restatement that is held keeps the incident open, though the day was published meanwhile."""
    (incident,) = derive([seen(0, 1, 2), seen(6, 1)], [published(5, 1), published(8, 2)])

    assert incident.waiting == (day(1),)


def test_an_id_is_read_at_a_glance_and_never_changes() -> None:
    """It has the table, the day that opened it, and the kind; days that join before the first one leave it as it is."""
    (one,) = derive([seen(0, 5)], [])
    (grown,) = derive([seen(0, 5), seen(9, 1)], [published(12, 5), published(13, 1)])

    assert one.id.startswith("lab.a-2024-01-05-held-")
    assert one.id == grown.id == "lab.a-2024-01-05-held-ec34"


def test_an_unpartitioned_table_has_incidents_too() -> None:
    """Its only day is the whole table."""
    symptom = Symptom("lab.list", "blocked", frozenset({"pre_check"}), (None,), START, "why")

    (incident,) = derive([symptom], [Publish("lab.list", None, START + timedelta(hours=1))])

    assert incident.id.startswith("lab.list-all-blocked-")
    assert incident.duration == timedelta(hours=1)


def test_only_what_happened_before_an_instant_counts() -> None:
    """The incidents of a day that is over stay as they were at its end."""
    symptoms, publishes = [seen(0, 1), seen(30, 2), seen(50, 1, causes="key")], [published(40, 1), published(45, 2)]

    (incident,) = derive(symptoms, publishes, until=START + timedelta(minutes=30))

    assert incident.days == (day(1),)
    assert incident.closed is None


@given(st.data())
def test_the_order_in_which_a_record_is_read_does_not_matter(data: st.DataObject) -> None:
    """The same symptoms and publishes give the same incidents, with the same ids."""
    minutes, numbers = st.integers(0, 6), st.integers(1, 3)
    causes, kinds = st.sampled_from(["range", "key", "range key"]), st.sampled_from(["held", "failed"])
    symptoms = data.draw(st.lists(st.builds(seen, minutes, numbers, kind=kinds, causes=causes), max_size=8))
    symptoms = [Symptom(**{**vars(s), "dagster_run": f"run-{n}"}) for n, s in enumerate(symptoms)]
    publishes = data.draw(st.lists(st.builds(published, minutes, numbers), max_size=8))
    shuffled = random.Random(data.draw(st.integers()))  # noqa: S311 - an order, not a secret

    once = derive(symptoms, publishes)
    again = derive(shuffled.sample(symptoms, len(symptoms)), shuffled.sample(publishes, len(publishes)))

    assert once == again
