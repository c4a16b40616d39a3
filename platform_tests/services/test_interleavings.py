"""Runs whose steps are interleaved in any order, against a model of what readers must see after each step."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from publisher import ROWS, day, work_of

from lakeproof.docket import Docket, audit
from lakeproof.lake.evidence import PATH_KEY, SHA256_KEY
from lakeproof.lake.live import View
from lakeproof.lake.publish import publish
from lakeproof.making import stage
from lakeproof.reading import content_of
from lakeproof.wap import new_run_id, write_audit_publish

if TYPE_CHECKING:
    from lakeproof.lake.stage import Staged
    from lakeproof.work import Work

INTERLEAVINGS = int(os.environ.get("INTERLEAVINGS", "8"))
"""How many schedules are tried."""

STEPS = int(os.environ.get("INTERLEAVED_STEPS", "20"))

DAYS = st.dictionaries(st.integers(1, 3), st.sampled_from([1, 2, 3, 4, -1]), min_size=2)
"""What a run makes of which days; -1 is held."""


@dataclass
class Run:
    """A run that has begun: what it makes, and the versions of its days as it began."""

    values: dict[int, int]
    began: dict[int, int]
    work: Work
    staged: Staged | None = None
    verdicts: dict[Any, Any] = field(default_factory=dict)


class Interleavings(RuleBasedStateMachine):
    """Runs on one catalog, which a subclass names."""

    catalog: Any
    tried: Counter[str]
    begun: Bundle[Run] = Bundle("begun")
    audited: Bundle[Run] = Bundle("audited")

    def __init__(self) -> None:
        super().__init__()
        self.lake = self.catalog.lake()
        self.name = self.catalog.new_table()
        self.live: dict[int, int] = {}
        self.versions: dict[int, int] = {}
        self.publishes: list[str] = []
        self.tried["interleavings"] += 1

    @rule(target=begun, values=DAYS)
    def begin_only(self, values: dict[int, int]) -> Run:
        """Look at what is published; make nothing yet."""
        return self.begin(values)

    def begin(self, values: dict[int, int]) -> Run:
        """Begin a run."""
        work = work_of(self.lake, self.name, sorted(values), values)
        return Run(values, {number: self.versions.get(number, 0) for number in values}, work)

    @rule(target=audited, values=DAYS)
    def begin_and_audit(self, values: dict[int, int]) -> Run:
        """Look at what is published, write the files and judge them, where no reader and no other run looks."""
        run = self.begin(values)
        table = self.lake.ensure(run.work.table)
        staged = stage(table, run.work, new_run_id())
        verdicts = audit(run.work.table, staged, Docket.open(self.lake, table, run.work.table, run.work.days))
        assert {n for n in run.values if verdicts[day(n)].passed} == {n for n, value in run.values.items() if value > 0}
        return replace(run, staged=staged, verdicts=verdicts)

    @rule(run=audited)
    def publish(self, run: Run) -> None:
        """Publish what passed."""
        assert run.staged is not None
        passed = [day(number) for number, value in run.values.items() if value > 0]
        table = self.lake.ensure(run.work.table)
        done = publish(
            table,
            run.staged.only(passed),
            run.verdicts,
            base={one: paths for one, paths in run.work.base.items() if one in passed},
            content_of=lambda live: content_of(View(table, None), live),
            evidence={PATH_KEY: f"{run.staged.run} {len(self.publishes)}", SHA256_KEY: "0"},
        )
        expected = self._expect(run)
        assert done.published == {day(number) for number, state in expected.items() if state == "published"}
        assert done.unchanged == {day(number) for number, state in expected.items() if state == "unchanged"}
        assert done.moved == {day(number) for number, state in expected.items() if state == "moved"}

    @rule(run=begun)
    def run_through(self, run: Run) -> None:
        """Take a run that looked long ago through the whole path, evidence and held stages included."""
        outcome = write_audit_publish(self.lake, run.work)
        expected = self._expect(run)
        assert {(one.day, one.state) for one in outcome.days} == {(day(n), s) for n, s in expected.items()}
        assert outcome.exit_code == (3 if "held" in expected.values() else 5 if "moved" in expected.values() else 0)

    @rule()
    def run_again(self) -> None:
        """Run what is published once more: nothing changes."""
        if self.live:
            outcome = write_audit_publish(self.lake, work_of(self.lake, self.name, sorted(self.live), self.live))
            assert {one.state for one in outcome.days} == {"unchanged"}

    def _expect(self, run: Run) -> dict[int, str]:
        """Return what must become of each day, and remember what readers must see from now on."""
        states = {}
        for number, value in run.values.items():
            if value < 0:
                states[number] = "held"
            elif self.live.get(number) == value:
                states[number] = "unchanged"
            elif self.versions.get(number, 0) != run.began[number]:
                states[number] = "moved"
            else:
                states[number] = "published"
        for number, state in states.items():
            if state == "published":
                self.live[number] = run.values[number]
                self.versions[number] = self.versions.get(number, 0) + 1
        self.tried.update(f"days {state}" for state in states.values())
        if "published" in states.values():
            self.publishes.append("published")
        return states

    @invariant()
    def readers_see_whole_days_of_the_last_publisher(self) -> None:
        """No day is lost, doubled or mixed, and none is there that was not published."""
        assert self.catalog.seen(self.name) == {number: (ROWS, {value}) for number, value in self.live.items()}

    @invariant()
    def the_lineage_is_linear_and_has_each_publish_once(self) -> None:
        """Each publish is one snapshot, on top of the one before."""
        self.tried["interleaved steps"] += 1
        snapshots = self.catalog.stored(self.name).metadata.snapshots
        assert len(snapshots) == len(self.publishes)
        assert [one.parent_snapshot_id for one in snapshots] == [None, *(one.snapshot_id for one in snapshots)][:-1]
        evidence = [one.summary.additional_properties[PATH_KEY] for one in snapshots]
        assert len(set(evidence)) == len(evidence)


def test_any_interleaving_leaves_readers_whole_days(catalog: Any, record_property: Any) -> None:
    """Overlapping runs, bad days, late publishes and reruns in any order: readers see what the model says, always."""
    made = type("OnCatalog", (Interleavings,), {"catalog": catalog, "tried": Counter()})
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        made,
        settings=settings(
            max_examples=INTERLEAVINGS,
            stateful_step_count=STEPS,
            deadline=None,
            phases=[Phase.generate],  # shrinking a schedule of real publishes takes minutes
            database=None,
            suppress_health_check=checks,
            print_blob=False,
        ),
    )
    for name, count in made.tried.items():
        record_property(name, count)
