"""Ends, what each costs with all it needs, and what would stop with it; those that lose most come first."""

from __future__ import annotations

from datetime import date, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from lakeproof import Value
from lakeproof.lake.live import LiveDay, View
from lakeproof.lake.used import Use
from lakeproof.stewardship.advice import ACTIONS, READ_DAYS, Advice, Cluster, Facts, advise
from lakeproof.stewardship.attainment import Attainment
from lakeproof.stewardship.spent import Spent
from lakeproof.stewardship.valuing import _cluster
from lakeproof.stewardship.worth import A_MONTH, Known, Made, Worth, worths
from lakeproof.stewardship.worthpage import page
from lakeproof.stewardship.worthtext import Totals, markdown, read_text, sla_text, stop_lines, verdict, worth_text

LAST = date(2026, 11, 26)
OLD = Made(date(2026, 1, 1))
PLANNING = Value("planning", 100, "which seats to sell", owner="team:seats")


def ago(days: int) -> date:
    """Return the day so many days before the last."""
    return LAST - timedelta(days=days)


def spent(table: str, usd: float, *days: int) -> list[Spent]:
    """Return what was spent on a table, so many days ago."""
    return [Spent(ago(day), table, compute=usd) for day in days or (0,)]


def judged(known: list[Known], **given: Any) -> dict[str, Worth]:
    """Judge tables that have been there for long, and return the ends by name, in order."""
    given = {"spent": [], "uses": [], "made": dict.fromkeys((table.name for table in known), OLD), "last": LAST} | given
    return {worth.name: worth for worth in worths(known, **given)}


RAW, CLEAN = Known("a.raw"), Known("a.clean", frozenset({"a.raw"}))
REPORT = Known("a.report", frozenset({"a.clean"}), (PLANNING,))
LETTER = Known("a.letter", frozenset({"a.clean", "a.stamps"}))
STAMPS = Known("a.stamps")
SHOP = [RAW, CLEAN, REPORT, LETTER, STAMPS]


def test_the_unused_is_found_with_what_stopping_it_saves() -> None:
    """It bears half of what two need, and would save only what nothing else does."""
    costs = [*spent("a.raw", 40), *spent("a.clean", 20), *spent("a.letter", 3), *spent("a.stamps", 4)]
    found = judged(SHOP, spent=costs)
    letter, report = found["a.letter"], found["a.report"]

    assert list(found) == ["a.letter", "a.report"]
    assert letter.needs == ("a.clean", "a.letter", "a.raw", "a.stamps")
    assert letter.alone == ("a.letter", "a.stamps")
    assert (letter.cost, letter.saving) == (pytest.approx(37 * A_MONTH), pytest.approx(7 * A_MONTH))
    assert (report.cost, report.saving) == (pytest.approx(30 * A_MONTH), 0)
    assert letter.advice.action == "stop"
    assert letter.advice.reason == (
        "costs $40.19 a month, nobody was seen to read it in the 329 days that it has been there; "
        "consumers: none declared"
    )
    (line,) = stop_lines(list(found.values()))
    assert line == (
        "stop a.letter with a.stamps, which nothing else needs: saves $7.60 a month; "
        "would notice: nobody that is known of"
    )
    assert Totals.of(list(found.values())) == Totals(100, pytest.approx(67 * A_MONTH), letter.saving, 1, 1)


def test_those_that_lose_most_come_first() -> None:
    """By what they cost beyond their worth."""
    dear, cheap = Known("a.dear", values=(Value("x", 1, "y"),)), Known("a.cheap")
    found = judged([cheap, dear, STAMPS], spent=[*spent("a.dear", 9), *spent("a.cheap", 5), *spent("a.stamps", 4)])

    assert list(found) == ["a.dear", "a.cheap", "a.stamps"]
    assert [worth.lost for worth in found.values()] == sorted((worth.lost for worth in found.values()), reverse=True)


def test_a_table_that_is_read_directly_is_not_saved() -> None:
    """Somebody reads the stamps themselves, so stopping the letter leaves them."""
    costs = [*spent("a.letter", 3), *spent("a.stamps", 4)]
    found = judged(SHOP, spent=costs, uses=[Use("a.stamps", ago(3), "ada@laptop")])

    assert found["a.letter"].alone == ("a.letter",)
    assert found["a.letter"].saving == pytest.approx(3 * A_MONTH)


def test_this_month_stands_beside_the_one_before() -> None:
    """Costs and uses of 28 days, and of the 28 before; what is older counts for neither."""
    costs = spent("a.letter", 1, 0, 27, 28, 29, 30, 55, 56)
    uses = [Use("a.letter", ago(days), who) for days in (0, 27, 28, 55, 56) for who in ("ada", "bob")]
    letter = judged(SHOP, spent=costs, uses=uses)["a.letter"]

    assert (letter.cost, letter.cost_before) == (pytest.approx(2 * A_MONTH), pytest.approx(4 * A_MONTH))
    assert (letter.uses, letter.uses_before, letter.unread_days) == (4, 4, 0)


def test_what_tables_read_of_each_other_is_no_use() -> None:
    """Nor is what is read after the report's day; an asset that is no table is a reader."""
    uses = [Use("a.clean", ago(1), "asset a/report"), Use("a.letter", ago(-1), "ada")]
    assert judged(SHOP, uses=uses)["a.letter"].unread_days is None
    middle = Known("a.clean", frozenset({"a.raw"}), (PLANNING,))
    assert judged([RAW, middle, REPORT], uses=uses)["a.clean"].unread_days is None
    letter = judged(SHOP, uses=[*uses, Use("a.letter", ago(9), "asset mail/weekly")])["a.letter"]
    assert (letter.unread_days, letter.readers, letter.advice.action) == (9, ("asset mail/weekly",), "keep")


def test_a_worth_by_the_use_counts_what_is_seen() -> None:
    """Each reader's days, scaled to a month; what nobody was seen to use is kept, with whom to ask."""
    table = Known("a.letter", values=(Value("callers", usd_per_use=2, why="whom to call"),))
    used = judged([table], uses=[Use("a.letter", ago(day), who) for day in (1, 2) for who in ("ada", "bob")])
    unused = judged([table], spent=spent("a.letter", 1))["a.letter"]

    assert used["a.letter"].usd == pytest.approx(8 * A_MONTH)
    assert (unused.usd, unused.advice.action, unused.would_notice) == (0, "keep", ("callers",))
    assert unused.advice.reason.endswith("in the 329 days that it has been there: ask callers")

    seldom = judged([table], uses=[Use("a.letter", ago(1), "ada")], spent=spent("a.letter", 9))["a.letter"]
    assert seldom.advice.action == "stop"  # it was seen, and that is not enough


def test_a_read_that_no_lineage_has_is_a_use() -> None:
    """A table that reads another in its function, and does not say so, needs it all the same."""
    uses = [Use("a.stamps", ago(1), "asset b/other"), Use("a.letter", ago(1), "asset a/letter")]
    found = judged([STAMPS, Known("b.other"), Known("a.letter")], uses=uses)

    assert found["a.stamps"].advice.action == "keep"
    assert found["a.stamps"].readers == ("asset b/other",)
    assert found["a.letter"].unread_days is None  # by itself


def test_what_tables_read_is_not_made_less_often() -> None:
    """They would be made late, however seldom people look; and of unseen consumers it is said to ask them."""
    uses = [Use("a.clean", ago(days), "ada") for days in (1, 15, 29)]
    costs = [each for day in range(28) for each in spent("a.clean", 1, day)]
    middle = Known("a.clean", frozenset({"a.raw"}), (PLANNING,))

    assert judged([RAW, middle, REPORT], uses=uses, spent=costs)["a.clean"].advice.action == "keep"
    alone = judged([RAW, middle], uses=uses, spent=costs)["a.clean"].advice
    assert (alone.action, alone.reason.endswith("readers: ada; ask planning first")) == ("less often", True)


def test_a_middle_table_with_a_value_is_an_end() -> None:
    """It bears its own share, and nothing is saved by stopping what others read."""
    middle = Known("a.clean", frozenset({"a.raw"}), (PLANNING,))
    found = judged([RAW, middle, REPORT], spent=[*spent("a.raw", 40), *spent("a.clean", 20)])

    assert set(found) == {"a.clean", "a.report"}
    assert (found["a.clean"].cost, found["a.clean"].saving) == (pytest.approx(30 * A_MONTH), 0)


def test_rejects_cost_their_table() -> None:
    """What was spent on them is told as spent on the table that they were split from."""
    found = judged([STAMPS], spent=[*spent("a.stamps", 1), *spent("a.stamps__rejected", 2), *spent("b.other", 9)])

    assert found["a.stamps"].cost == pytest.approx(3 * A_MONTH)


def test_an_asset_downstream_is_a_consumer() -> None:
    """It is declared by being there, and says no amount."""
    (letter,) = judged([Known("a.letter", assets=("asset mail/weekly",))]).values()

    assert letter.is_declared
    assert letter.advice.action == "keep"
    assert letter.advice.reason.startswith("needed by asset mail/weekly, without an amount")
    assert worth_text(letter) == "not told"


def test_a_review_that_is_due_is_told_and_the_value_still_counts() -> None:
    """It is not dropped silently, nor believed silently."""
    late = Known("a.letter", values=(Value("planning", 100, "which seats to sell", review_by="2026-11-25"),))
    (letter,) = judged([late], uses=[Use("a.letter", ago(0), "ada")]).values()

    assert (letter.usd, letter.due) == (100, ("planning",))
    assert letter.advice.reason.endswith("; its value to planning was to be looked at again by now")


def test_a_cluster_anywhere_upstream_is_told() -> None:
    """Of all that an end needs, the tables that are small and made by a cluster."""
    made = {"a.clean": Made(OLD.since, Cluster("a.clean", "spark", 26_000)), "a.report": OLD}
    found = judged([RAW, CLEAN, REPORT], made=made)

    assert found["a.report"].advice.action == "cheaper engine"
    assert "a.clean is made by spark of 26,000 rows a day" in found["a.report"].advice.reason


@pytest.mark.parametrize(
    ("facts", "action"),
    [
        (Facts(), "keep"),  # never published
        (Facts(there_days=27), "keep"),  # too young
        (Facts(there_days=28), "stop"),
        (Facts(there_days=400, unread_days=27), "keep"),
        (Facts(there_days=400, unread_days=28), "stop"),
        (Facts(["x"], there_days=400, cost=9, saving=9), "keep"),  # needed, not for money
        (Facts(["x"], there_days=400, usd=8, for_money=True, cost=9, saving=9), "stop"),
        (Facts(["x"], there_days=400, usd=9, for_money=True, cost=9, saving=9), "keep"),  # as much as it costs
        (Facts(["x"], there_days=27, usd=8, for_money=True, cost=9, saving=9), "keep"),
        (Facts(["x"], there_days=400, usd=8, for_money=True, cost=9, saving=8), "keep"),  # the rest others need
        (Facts(there_days=400, unread_days=0, read_on=[ago(14), ago(7), ago(0)], made_days=28), "less often"),
        (Facts(there_days=400, unread_days=0, read_on=[ago(14), ago(8), ago(0)], made_days=28), "keep"),
        (Facts(there_days=400, unread_days=0, read_on=[ago(7), ago(0)], made_days=28), "keep"),  # too few to tell
        (Facts(there_days=400, unread_days=0, read_on=[ago(14), ago(7), ago(0)], made_days=8), "keep"),  # it is already
        (Facts(["x"], there_days=1, clusters=[Cluster("a", "spark", 4_999_999)]), "cheaper engine"),
        (Facts(["x"], there_days=1, clusters=[Cluster("a", "spark", 5_000_000)]), "keep"),
        (Facts(there_days=28, clusters=[Cluster("a", "spark", 1)]), "stop"),  # no engine is cheaper than none
    ],
)
def test_what_is_said_at_the_edges(facts: Facts, action: str) -> None:
    """Each rule begins to apply exactly where it says; every advice has its reason."""
    advice = advise(facts)

    assert advice.action == action
    assert advice.action in ACTIONS
    assert advice.reason


@pytest.mark.parametrize(
    ("inputs", "rows"),
    [
        ({"raw": {"days": {"2026-11-25": {"rows": 9_000_000}}}}, 9_000_000),
        ({"raw": {"days": {"2026-11-25": {"rows": 9}}}}, 40),
        ({"raw": {"days": {"2026-11-25": {"rows": 9}}}, "api": {"source": "https"}}, None),
        ({"raw": {"days": {}}}, None),
        ({}, None),
    ],
)
def test_a_cluster_is_judged_by_all_it_reads_or_not_at_all(inputs: dict[str, Any], rows: int | None) -> None:
    """A few rows may be made of many: where nobody knows how many, nothing is said of the cluster."""
    view = View(None, None, {LAST: LiveDay(None, (), 40, 1)})

    found = _cluster("a.b", view, {"engine": {"name": "spark"}, "inputs": inputs})

    assert found == (None if rows is None else Cluster("a.b", "spark", rows))


def test_what_is_read_monthly_is_not_stopped_at_the_end_of_a_month() -> None:
    """Not on any day between two reads, nor when the next is somewhat late; when it clearly did not come, it is."""
    table = Known("a.letter")
    firsts = [Use("a.letter", date(2026, month, 1), "ada") for month in range(6, 12)]

    def said(last: date) -> Advice:
        return judged([table], uses=[use for use in firsts if use.day <= last], last=last)["a.letter"].advice

    days = [date(2026, 8, 24) + timedelta(days=number) for number in range(115)]
    assert [day for day in days if day < date(2026, 12, 18) and said(day).action != "keep"] == [], "to 46 days"
    assert said(date(2026, 11, 30)).reason == (
        "costs $0.00 a month, read 29 days ago, reads before were up to 31 days apart; readers: ada; "
        "consumers: none declared, so nobody says what it is worth"
    )
    late = said(date(2026, 12, 18))
    assert late.action == "stop"
    assert late.reason == (
        "costs $0.00 a month, nobody was seen to read it for 47 days, reads before were at most 31 days apart; "
        "consumers: none declared"
    )


def test_reads_that_are_long_ago_are_no_pattern() -> None:
    """Only those of the last twelve weeks say how often it is read."""
    uses = [Use("a.letter", ago(days), "ada") for days in (0, 14, 28, READ_DAYS, READ_DAYS + 1)]
    letter = judged(SHOP, uses=uses, spent=spent("a.letter", 1, *range(28)))["a.letter"]

    assert letter.advice.action == "less often"
    assert "read on 3 of the last 84, never less than 14 days apart; readers: ada" in letter.advice.reason


def test_in_words() -> None:
    """A headline for all, and cells that say what is not known."""
    made = {"a.letter": Made(OLD.since, attained=Attainment(20, 19, 0.95)), "a.report": OLD}
    uses = [Use("a.letter", ago(1), "ada"), Use("a.report", ago(0), "ada")]
    found = judged(SHOP, made=made, uses=uses, spent=spent("a.letter", 3))
    letter, report = found["a.letter"], found["a.report"]

    assert (worth_text(letter), worth_text(report)) == ("nobody says", "$100.00")
    assert (read_text(letter), read_text(report)) == ("1 day ago", "today")
    assert (sla_text(letter), sla_text(report)) == ("95 %", "-")
    assert verdict([]) == "There is no table yet."
    assert verdict([letter, report]) == "Nothing that is known speaks for stopping a pipeline."
    stop = judged(SHOP, spent=spent("a.letter", 3))
    assert verdict(list(stop.values())).startswith("1 pipeline costs more than anybody says it is worth")
    table = markdown(list(stop.values()))
    assert "| a.letter | nobody says | $3.26 | `████████████████████` | new | not seen | stop |" in table
    assert "| a.report | $100.00 | $0.00 | `` |" in table


def test_a_pipe_does_not_end_a_cell() -> None:
    """Markdown stays a table, whatever the end is called by its catalog."""
    assert "a.x\\|y" in markdown(list(judged([Known("a.x|y")]).values()))


class Balanced(HTMLParser):
    """Which elements are open, and all attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element; one that never closes is not opened."""
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the element that is open."""
        assert self.open.pop() == tag


def test_the_page_is_well_formed_whatever_it_tells() -> None:
    """Names, reasons and readers are text; and there is a page where there is no table."""
    hostile = '"><img src=x onerror=alert(1)>\u202e'
    values = (Value(hostile, 5, hostile, owner=hostile, review_by="2026-01-01"),)
    known = [Known("a.b", values=values, owner=hostile), Known("a.c", assets=(hostile,)), Known("a.d")]
    uses = [Use("a.b", ago(3), hostile)]
    found = list(judged(known, uses=uses, spent=[*spent("a.b", 90), *spent("a.d", 1)]).values())
    parsed, empty = Balanced(page(found, LAST)), Balanced(page([], LAST))

    assert (parsed.open, empty.open) == ([], [])
    assert not parsed.attributes & {"src", "href", "onerror"}
    assert "&lt;img src=x onerror=alert(1)&gt;\\x202e" in page(found, LAST)
    assert "overdue since 2026-01-01" in page(found, LAST)
    assert "There is no table yet." in page([], LAST)
