from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from lakeproof import Column, Table, Value, audit
from lakeproof.stewardship.impact import Waited
from lakeproof.stewardship.incidents import KINDS, Incident, Publish, Symptom, derive
from lakeproof.stewardship.postmortem import Background, Found, postmortem

if TYPE_CHECKING:
    from lakeproof.stewardship.incidents import Kind

AT = datetime(2024, 1, 3, 6, tzinfo=UTC)
DAY = date(2024, 1, 2)
PEOPLE = ("mary-jane", "mary.jane@example.org", "Bob.Roe+x@mail.example.co.uk", "mjane@build-7")

fares = Table(
    "shop.fares",
    columns=[Column("day", "date")],
    partition="day",
    layer="value",
    start="2024-01-01",
    owner="mary.jane@example.org",
    audits=[audit.row_count(at_least=1)],
    value=Value("pricing, ask Bob.Roe+x@mail.example.co.uk", 3_650, "which seats to sell"),
)


def incident(kind: Kind = "held", *, closed: bool = True) -> Incident:
    """Return an incident whose record is full of people."""
    reason = "mary-jane broke /home/mary-jane/fares.csv; ask mary.jane@example.org, or mjane of shop.fares@2024-01-02"
    symptom = Symptom("shop.fares", kind, frozenset({"between_fare"}), (DAY,), AT, reason, AT, "d-1", "r-1")
    after = Publish("shop.fares", DAY, AT + timedelta(hours=2), "r-2", "42", 7)
    return derive([symptom], [after] if closed else [])[0]


def background(**changes: object) -> Background:
    """Return what is known besides."""
    rows = [{"day": DAY, "fare": -1, "by": "mary-jane", "mail": "Bob.Roe+x@mail.example.co.uk"}]
    given = {
        "owner": "mary.jane@example.org",
        "before": {},
        "found": [Found(DAY, "r-1", "between_fare: fare, says mary-jane", rows, ["day"])],
        "waited": [Waited(fares, (DAY, DAY + timedelta(days=1)))],
        "people": frozenset({"mary-jane", "mjane"}),
        "now": AT + timedelta(days=1),
    }
    return Background(**{**given, **changes})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("closed", [True, False])
def test_nobody_is_named(kind: Kind, *, closed: bool) -> None:
    """No user name, host or address of the record, the rows or the contracts gets into a post-mortem."""
    found = incident(kind, closed=closed)
    page = postmortem(found, background())

    assert [person for person in (*PEOPLE, "mjane", "Roe", "example") if person in page] == []
    assert "shop.fares@2024-01-02" in page


def test_what_readers_saw_is_told_with_runs_and_snapshots() -> None:
    """Before and after; where nothing was published before, that they saw nothing."""
    found = incident()
    before = {DAY: Publish("shop.fares", DAY, AT - timedelta(days=1), "r-0", "41", 1_234)}

    assert "| 2024-01-02 | nothing: it was not published yet | 7 rows of run `r-2`, snapshot 42 |" in postmortem(
        found, background()
    )
    assert "| 2024-01-02 | 1,234 rows of run `r-0`, snapshot 41 | 7 rows" in postmortem(
        found, background(before=before)
    )


def test_what_waited_has_its_worth() -> None:
    """A day of a table that is worth $3,650 a month is $120, and two are $240."""
    found = incident()

    assert "| shop.fares | the table's owner | 2: 2024-01-02..2024-01-03 |" in postmortem(found, background())
    assert "| $240 |" in postmortem(found, background())


def test_what_is_not_known_is_asked() -> None:
    """Five whys and actions are there to be filled in; detection and recovery are told."""
    found = incident()
    page = postmortem(found, background())

    assert [line[:2] for line in page.splitlines() if line[:1].isdigit()] == ["1.", "2.", "3.", "4.", "5."]
    assert "- Recovered 2 h after it was detected." in page
    assert "open for 1 d as of" in postmortem(incident(closed=False), background())
