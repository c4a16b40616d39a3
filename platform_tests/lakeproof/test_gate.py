"""Nothing fires too early: what is missing is refused with the command that helps, what never comes is waived."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from lakeproof import Column, LandingSource, Pipeline, Source, Window, audit
from lakeproof.contract import Input, as_input
from lakeproof.engine.function import FunctionMaker
from lakeproof.gate import Readiness, check
from lakeproof.lake.running import claimed
from lakeproof.reading import TableReader
from lakeproof.source import Completeness, Delivery, Precheck

IN_ORDER = Pipeline("gated", depends_on_past=True)
NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Drawer:
    """A source that has rows of some days."""

    has: set[date]
    name: str = "a drawer"
    fields: tuple[Column, ...] = field(default_factory=tuple)

    def precheck(self, window: Window | None) -> Precheck:
        """Find nothing wrong."""
        del window
        return Precheck()

    def complete(self, window: Window | None) -> dict[date | None, Completeness]:
        """Say whether each day is in the drawer."""
        found = {day: day is None or day in self.has for day in (window.days if window else [None])}
        return {
            day: Completeness(has, f"the drawer has {'all' if has else 'nothing'} of {day}")
            for day, has in found.items()
        }

    def count(self, window: Window | None) -> None:
        """Not count."""

    def version(self, window: Window | None) -> dict[str, str]:
        """Have one version."""
        del window
        return {}

    def read(self, window: Window | None) -> Delivery:
        """Read nothing."""
        raise NotImplementedError


def ask(lab: Any, table: Any, inputs: list[Any], *days: int, now: datetime = NOON) -> Readiness:
    """Ask the gate about numbered days."""
    inputs = [how if isinstance(how, Source) else as_input(how) for how in inputs]
    listed = [lab.day(number) for number in days] if table.partition else [None]
    return check(lab.lakehouse.lake, table, inputs, listed, now)


def why(readiness: Readiness, day: Any) -> str:
    """Return what was said of a day."""
    return "; ".join(f"{lack.reason}: {', '.join(lack.step.commands())}" for lack in readiness.refused[day])


def test_a_drawer_is_a_source() -> None:
    """Whatever answers the protocol's questions is a source."""
    assert isinstance(Drawer(set()), Source)


def test_a_day_whose_input_is_published_is_ready(lab: Any) -> None:
    """Only the days whose input is there may run; the others are refused with the table and the command."""
    lab.run(lab.table("lab.raw"), lab.days(2, 1), 1, 2)

    found = ask(lab, lab.table(), [lab.table("lab.raw")], 1, 2, 3)

    assert found.ready == (lab.day(1), lab.day(2))
    assert set(found.refused) == {lab.day(3)}
    assert "lab.raw is not published" in why(found, lab.day(3))
    assert "lakeproof run lab.raw" in why(found, lab.day(3))


def test_an_input_that_was_never_staged_is_refused(lab: Any) -> None:
    """A table that the catalog does not know yet is simply not published."""
    assert "lab.raw is not published" in why(ask(lab, lab.table(), [lab.table("lab.raw")], 1), lab.day(1))


def test_a_held_input_is_told_apart_from_a_missing_one(lab: Any) -> None:
    """Where the input's day is held, the command shows why; running it again would help nobody."""
    lab.run(lab.table("lab.raw"), lab.rows(-1), 1)

    said = why(ask(lab, lab.table(), [lab.table("lab.raw")], 1), lab.day(1))

    assert "lab.raw is held for that day: between_value: value from 0 to 100: 1 of 1 rows" in said
    assert "lakeproof show lab.raw@2024-01-01" in said


def test_a_trailing_window_needs_all_its_days(lab: Any) -> None:
    """`last(days=3)` waits for each of the three, and names those that are missing; at the start there are fewer."""
    raw = lab.table("lab.raw")
    lab.run(raw, lab.days(5, 1), 1, 2, 5)

    found = ask(lab, lab.table(), [raw.last(days=3)], 1, 2, 3, 5, 6)

    assert found.ready == (lab.day(1), lab.day(2))
    assert "lakeproof run lab.raw --from 2024-01-03 --to 2024-01-04" in why(found, lab.day(5))
    assert "lakeproof run lab.raw --day 2024-01-04, lakeproof run lab.raw --day 2024-01-06" in why(found, lab.day(6))


def test_an_input_that_ended_or_has_not_begun_is_not_waited_for(lab: Any) -> None:
    """Days that the input does not have are not missing."""
    raw = lab.table("lab.raw", start="2024-01-03", end="2024-01-05")
    lab.run(raw, lab.days(4, 1), 3)

    found = ask(lab, lab.table(), [raw], 1, 3, 4, 5)

    assert found.ready == (lab.day(1), lab.day(3), lab.day(5))


def test_a_declared_gap_of_an_input_is_waived_and_remembered(lab: Any) -> None:
    """A day that will never come stops nobody, and its reason goes with what was made without it."""
    raw = lab.table("lab.raw", gaps={"2024-01-02": "the station was closed"})
    lab.run(raw, lab.rows(1), 1)

    found = ask(lab, lab.table(), [raw.last(days=2)], 1, 2)

    assert found.ready == (lab.day(1), lab.day(2))
    assert found.waived == {lab.day(2): {"lab.raw@2024-01-02": "the station was closed"}}


def test_what_was_waived_is_evidence(lab: Any) -> None:
    """The evidence of a day names the input days that it was made without, and why."""
    outcome = lab.run(lab.table(), lab.rows(1), waived={lab.day(1): {"lab.raw@2024-01-02": "the station was closed"}})

    record = lab.stored().io.new_input(outcome.evidence).open().read()
    assert b'"lab.raw@2024-01-02": "the station was closed"' in record


def test_a_gap_that_was_published_after_all_is_read_and_not_waived(lab: Any) -> None:
    """A declared gap whose day is there is no gap: nothing is waived."""
    lab.run(lab.table("lab.raw"), lab.rows(1), 1)
    raw = lab.table("lab.raw", gaps={"2024-01-01": "thought lost"})

    assert ask(lab, lab.table(), [raw], 1).waived == {}


def test_an_own_gap_is_neither_run_nor_refused(lab: Any) -> None:
    """A day that the table declares never to come is told as that."""
    found = ask(lab, lab.table(gaps={"2024-01-02": "closed"}), [Drawer({lab.day(1), lab.day(3)})], 1, 2, 3)

    assert (found.ready, found.gaps, found.refused) == ((lab.day(1), lab.day(3)), {lab.day(2): "closed"}, {})


def test_a_gap_that_the_source_contradicts_is_refused(lab: Any) -> None:
    """A gap hides no data: when the source has the day, the declaration has to go."""
    found = ask(lab, lab.table(gaps={"2024-01-02": "closed"}), [Drawer({lab.day(2)})], 2)

    assert found.gaps == {}
    assert "declared a gap (closed), but its source has it" in why(found, lab.day(2))
    assert "gaps=" in why(found, lab.day(2))


def test_a_source_that_is_not_complete_is_waited_for(lab: Any) -> None:
    """The source's own reason is repeated, with what to do about a day that never comes."""
    found = ask(lab, lab.table(), [Drawer({lab.day(1)})], 1, 2)

    assert found.ready == (lab.day(1),)
    assert "the drawer has nothing of 2024-01-02" in why(found, lab.day(2))
    assert "gaps=" in why(found, lab.day(2))


@pytest.mark.parametrize(
    ("zone", "now", "ready"),
    [
        ("UTC", "2024-01-03T00:00:00+00:00", 2),
        ("UTC", "2024-01-02T23:59:59+00:00", 1),
        ("America/New_York", "2024-01-03T04:59:59+00:00", 1),
        ("America/New_York", "2024-01-03T05:00:00+00:00", 2),
        ("Pacific/Kiritimati", "2024-01-02T10:00:00+00:00", 2),
    ],
)
def test_a_day_is_run_when_it_is_over_where_the_table_lives(lab: Any, zone: str, now: str, ready: int) -> None:
    """Today and what is to come are refused, by the table's own zone."""
    found = ask(lab, lab.table(timezone=zone), [], 1, 2, 3, now=datetime.fromisoformat(now))

    assert found.ready == tuple(lab.day(number) for number in range(1, ready + 1))
    assert "the day is not over" in why(found, lab.day(3))


def test_what_an_audit_refers_to_is_an_input(lab: Any) -> None:
    """A reference waits for the table it looks into, for the same day of a daily one, and for none of its own."""
    refers = lab.table(audits=[audit.references("sensor", "lab.sensors", "sensor")])
    own = lab.table(audits=[audit.references("sensor", "lab.readings", "sensor")])

    assert "lab.sensors" in why(ask(lab, refers, [], 1), lab.day(1))
    assert ask(lab, own, [], 1).ready == (lab.day(1),)
    lab.run(lab.table("lab.sensors"), lab.rows(1), 1)
    found = ask(lab, refers, [], 1, 2)
    assert found.ready == (lab.day(1),)
    assert "references_sensor" in why(found, lab.day(2))


def test_an_unpartitioned_input_is_there_when_it_was_published_once(lab: Any) -> None:
    """`latest` waits for the first publish, of a daily table too."""
    whole = lab.table("lab.undated", partition=None)

    assert "lakeproof run lab.undated" in why(ask(lab, lab.table(), [whole], 1, 2), lab.day(2))
    lab.run(whole, lab.rows(-1))
    assert ask(lab, lab.table(), [whole], 1).ready == ()
    lab.run(whole, lab.rows(1))
    assert ask(lab, lab.table(), [whole], 1, 2).ready == (lab.day(1), lab.day(2))


def test_every_lack_is_told_at_once(lab: Any) -> None:
    """A day that lacks two inputs names both, so that one round is enough."""
    said = why(ask(lab, lab.table(), [lab.table("lab.one"), lab.table("lab.two")], 1), lab.day(1))

    assert "lab.one" in said
    assert "lab.two" in said


def test_a_chain_begins_at_the_start_and_goes_on_from_what_is_published(lab: Any) -> None:
    """The first day builds on nothing; a day in the run builds on the day before it in the run; another waits."""
    table = lab.table()

    assert ask(lab, table, [table.previous()], 1, 2, 3).ready == (lab.day(1), lab.day(2), lab.day(3))
    late = ask(lab, table, [table.previous()], 5, 6)
    assert late.ready == ()
    assert "2024-01-04" in why(late, lab.day(5))
    lab.run(table, lab.rows(1, day=4), 4)
    assert ask(lab, table, [table.previous()], 5, 6).ready == (lab.day(5), lab.day(6))


def test_a_chain_stops_at_the_first_day_that_is_not_ready(lab: Any) -> None:
    """What comes after a day that is not ready builds on it, and says so."""
    table = lab.table()

    found = ask(lab, table, [table.previous(), Drawer({lab.day(1), lab.day(2), lab.day(4)})], 1, 2, 3, 4)

    assert found.ready == (lab.day(1), lab.day(2))
    assert "the drawer has nothing" in why(found, lab.day(3))
    assert "waits for 2024-01-03" in why(found, lab.day(4))


def chain(lab: Any, table: Any, added: pl.DataFrame, *days: int, between: Any = None) -> Any:
    """Run days of a cumulative table: each day's value is the day's before, plus what was added."""
    reader = TableReader.open(lab.lakehouse.lake, Input(table, "previous"), [Window.of(lab.day(n)) for n in days])

    def make(window: Window, before: pl.DataFrame) -> pl.DataFrame:
        if between is not None:
            between()
        total = (before["value"].sum() if before.height else 0) + added.filter(reading_date=window.day)["value"].sum()
        return lab.rows(total, day=(window.day - lab.day(1)).days + 1)

    maker = FunctionMaker(make, {"window": Window, "before": pl.DataFrame})
    return lab.run(table, added, *days, maker=maker, readers={"before": reader}, sequential=True)


def test_each_day_of_a_chain_reads_the_staged_day_before(lab: Any) -> None:
    """A range of a cumulative table is made in order and published in one commit."""
    outcome = chain(lab, lab.table(), lab.days(4, 5), 1, 2, 3, 4)

    assert [day.state for day in outcome.days] == ["published"] * 4
    assert [lab.values(day) for day in (1, 2, 3, 4)] == [[5], [10], [15], [20]]
    assert len(lab.stored().metadata.snapshots) == 1
    assert chain(lab, lab.table(), lab.days(6, 5), 5, 6).exit_code == 0
    assert lab.values(6) == [30]


def test_a_chain_publishes_the_days_before_the_first_held_one(lab: Any) -> None:
    """A held day takes what builds on it along: those days are not ready, though their own audits passed."""
    rows = pl.concat([lab.rows(60, day=1), lab.rows(50, day=2), lab.rows(-90, day=3), lab.rows(1, day=4)])

    outcome = chain(lab, lab.table(), rows, 1, 2, 3, 4)

    assert [day.state for day in outcome.days] == ["published", "held", "not-ready", "not-ready"]
    assert (lab.values(), outcome.exit_code) == ([60], 3)


def test_a_chain_whose_predecessor_moved_is_dropped(lab: Any) -> None:
    """The predecessor is part of the compare-and-swap: when it changes meanwhile, nothing built on it is published."""
    table = lab.table()
    chain(lab, table, lab.days(1, 5), 1)

    def replace() -> None:
        if lab.values(1) == [5]:
            lab.run(table, lab.rows(7), 1)

    outcome = chain(lab, table, lab.days(3, 5), 2, 3, between=replace)

    assert [day.state for day in outcome.days] == ["moved", "moved"]
    assert (lab.values(), outcome.exit_code) == ([7], 5)


def test_a_chain_with_a_moved_day_drops_the_days_after_it(lab: Any) -> None:
    """A day inside the chain that another run published meanwhile takes the later days along, not the earlier."""
    table, done = lab.table(), []

    def publish_second() -> None:
        if not done:
            done.append(1)
            lab.run(table, lab.rows(99, day=2), 2)

    outcome = chain(lab, table, lab.days(3, 5), 1, 2, 3, between=publish_second)

    assert [day.state for day in outcome.days] == ["published", "moved", "moved"]
    assert (lab.values(1), lab.values(2), lab.values(3)) == ([5], [99], [])


def test_an_input_is_filtered_to_its_window(lab: Any) -> None:
    """A function sees the rows of the days that its window may read, and no other."""
    raw = lab.table("lab.raw")
    lab.run(raw, pl.concat([lab.rows(n, day=n) for n in range(1, 9)]), *range(1, 9))
    windows = [Window.of(lab.day(4)), Window.of(lab.day(5))]
    seen = {}
    for how in (raw.last(days=3), as_input(raw), raw.previous(), raw.latest()):
        reader = TableReader.open(lab.lakehouse.lake, how, windows)
        rows = reader.rows(windows[1]).frame()
        seen[how.kind] = sorted(rows.collect()["value"].to_list())

    assert seen == {"last": [3, 4, 5], "day": [5], "previous": [4], "latest": [1, 2, 3, 4, 5, 6, 7, 8]}


def test_an_input_is_read_at_one_snapshot(lab: Any) -> None:
    """What is published while a run goes on does not change what the run reads."""
    raw = lab.table("lab.raw")
    lab.run(raw, lab.rows(1), 1)
    reader = TableReader.open(lab.lakehouse.lake, as_input(raw), [Window.of(lab.day(1))])
    lab.run(raw, lab.rows(2), 1)

    assert reader.rows(Window.of(lab.day(1))).frame().collect()["value"].to_list() == [1]


def test_a_day_far_from_now_is_no_matter(lab: Any) -> None:
    """Nothing but the day being over depends on the clock."""
    inputs = [Drawer({lab.day(1)})]

    assert ask(lab, lab.table(), inputs, 1, now=NOON) == ask(
        lab, lab.table(), inputs, 1, now=NOON + timedelta(days=9999)
    )


def test_a_source_that_knows_what_helps_says_so(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cannot be asked, its own next step is told, and not to wait for it."""
    monkeypatch.delenv("NO_LANDING", raising=False)
    files = LandingSource("{ds}.csv", [Column("reading_date", "date")], root_env="NO_LANDING")

    found = ask(lab, lab.table(), [files], 1)

    assert [lack.step.text for lack in found.refused[lab.day(1)]] == ["set NO_LANDING to the folder or bucket prefix"]
    assert "wait for the source" in why(ask(lab, lab.table(), [Drawer(set())], 1), lab.day(1))


def test_an_input_that_is_being_made_is_told_apart_from_one_that_nobody_makes(lab: Any) -> None:
    """Where a run is making the input's day now, the next step is to wait for it."""
    raw, lake = lab.table("lab.raw"), lab.lakehouse.lake

    with claimed(lake.ensure(raw), "20240101T000000000000-0000000a", [lab.day(1)]):
        found = ask(lab, lab.table(), [raw], 1, 2)

    assert "being made for that day, by run 20240101T" in why(found, lab.day(1))
    assert "wait for run 20240101T" in why(found, lab.day(1))
    assert "lab.raw is not published for that day" in why(found, lab.day(2))


def test_where_days_depend_on_the_past_each_waits_for_the_one_before(lab: Any) -> None:
    """A day runs when the day before is published, declared a gap or in the same run; the first day waits for none."""
    table = lab.table(pipeline=IN_ORDER, gaps={lab.day(3): "lost"})

    assert ask(lab, table, [], 1, 2).ready == (lab.day(1), lab.day(2))
    assert ask(lab, table, [], 4).ready == (lab.day(4),)
    found = ask(lab, table, [], 2, 5)
    assert "lab.readings is not published for the day before" in why(found, lab.day(2))
    assert found.ready == ()


def test_days_that_lack_inputs_may_run_all_the_same_and_others_may_not(lab: Any) -> None:
    """What is only not there can be gone without; a day that is not over, or builds on nothing, cannot be made."""
    raw = lab.table("lab.raw")
    found = ask(lab, lab.table(), [raw], 1, 200).all_the_same()
    chain = ask(lab, raw, [raw.previous()], 5, 6).all_the_same()

    assert found.ready == (lab.day(1),)
    assert [lack.reason for lack in found.ignored[lab.day(1)]] == ["lab.raw is not published for that day"]
    assert "the day is not over" in why(found, lab.day(200))
    assert chain.ready == ()


def test_a_chain_that_also_collects_cannot_go_without_the_day_before(lab: Any) -> None:
    """Its guards make another contract of it, but it builds on itself all the same."""
    table, drawer = lab.table(), Drawer({lab.day(5)})

    found = ask(lab, table.with_audits(table.audits), [table.previous(), drawer], 5).all_the_same()

    assert found.ready == ()


def test_a_day_that_only_comes_after_the_one_before_may_run_without_it(lab: Any) -> None:
    """Depending on the past is a rule and no input: whoever gives a reason may break it."""
    table = lab.table(pipeline=IN_ORDER)

    found = ask(lab, table, [Drawer({lab.day(5)})], 5).all_the_same()

    assert found.ready == (lab.day(5),)
