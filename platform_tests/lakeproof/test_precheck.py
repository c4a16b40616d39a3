"""Before a row is read: what a source looks like, and how much it has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
import pytest

from lakeproof import Column, Lakehouse, Table, Window, audit, daily_table
from lakeproof.errors import SourceError
from lakeproof.outcome import Outcome
from lakeproof.progress import listening
from lakeproof.source import Completeness, Delivery, Precheck

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

FIELDS = [Column("at", "date"), Column("kind", "string"), Column("value", "int")]


@dataclass
class Desk:
    """A source whose look, rows and counts a test sets."""

    found: Precheck = field(default_factory=Precheck)
    rows: dict[int, int] = field(default_factory=dict)
    counts: bool = True
    reads: int = 0
    name: str = "the desk"
    fields: tuple[Column, ...] = tuple(FIELDS)

    def precheck(self, window: Window | None) -> Precheck:
        """Look as the test says."""
        assert window is not None
        return self.found

    def complete(self, window: Window | None) -> dict[date | None, Completeness]:
        """Have all of everything."""
        assert window is not None
        return {day: Completeness(complete=True, reason="all there") for day in window.days}

    def count(self, window: Window | None) -> dict[date | None, int] | None:
        """Count, where the test lets it."""
        assert window is not None
        return {day: self.rows.get(day.day, 3) for day in window.days} if self.counts else None

    def version(self, window: Window | None) -> dict[str, str]:
        """Have one version."""
        del window
        return {}

    def read(self, window: Window | None) -> Delivery:
        """Deliver the rows, and say so."""
        assert window is not None
        self.reads += 1
        made = [(day, "a", n) for day in window.days for n in range(self.rows.get(day.day, 3))]
        frame = pl.DataFrame(made, schema={"at": pl.Date, "kind": pl.String, "value": pl.Int32}, orient="row")
        return Delivery(frame.to_arrow().to_reader(), {"rows": frame.height})


desk = Desk()
slips = Table(
    "lab.slips",
    columns=FIELDS,
    partition="at",
    layer="collection",
    start="2024-01-01",
    end="2024-02-01",
    owner="team:lab",
    audits=[
        audit.accepted_values("kind", ["a", "b"]),
        audit.unique("at", "value"),
        audit.volume(factor=10, days=5, min_history=2),
    ],
)
bare = Table(
    "lab.bare",
    columns=FIELDS,
    partition="at",
    layer="collection",
    start="2024-01-01",
    end="2024-02-01",
    owner="team:lab",
    audits=[audit.not_null("kind")],
)

apart = Table(
    "lab.apart",
    columns=FIELDS,
    partition="at",
    layer="collection",
    start="2024-01-01",
    end="2024-02-01",
    owner="team:lab",
    audits=[audit.between("value", 0, 1)],
    on_reject="split",
)

summed = Table(
    "lab.summed",
    columns=[Column("at", "date"), Column("total", "long")],
    partition="at",
    layer="collection",
    start="2024-01-01",
    end="2024-02-01",
    owner="team:lab",
    audits=[audit.not_null("total"), audit.volume(factor=10, days=5, min_history=2)],
)


@daily_table(slips, delivered=desk)
def collect_slips(delivered: pl.DataFrame) -> pl.DataFrame:
    """Take what is delivered."""
    return delivered


@daily_table(apart, delivered=desk)
def collect_apart(delivered: pl.DataFrame) -> pl.DataFrame:
    """Take what is delivered."""
    return delivered


@daily_table(summed, delivered=desk, before=summed.previous())
def add_up(delivered: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Add the day's rows to those of the days before."""
    total = delivered.height + (before["total"].sum() or 0)
    return delivered.head(1).select("at", total=pl.lit(total, pl.Int64))


@daily_table(bare, delivered=desk)
def collect_bare(delivered: pl.DataFrame) -> pl.DataFrame:
    """Take what is delivered."""
    return delivered


@pytest.fixture(autouse=True)
def fresh_desk() -> None:
    """Start every test with a desk as it was."""
    vars(desk).clear()
    vars(desk).update(vars(Desk()))


@dataclass
class Office:
    """A lake and a Dagster record, and a short way to collect days."""

    lakehouse: Lakehouse
    instance: dg.DagsterInstance

    def collect(self, first: int, last: int | None = None, asset: Any = collect_slips) -> Outcome:
        """Collect numbered days of January in one run; return what became of them."""
        outcomes: list[Outcome] = []
        edge = {"start": f"2024-01-{first:02}", "end": f"2024-01-{last or first:02}"}
        tags = {f"dagster/asset_partition_range_{name}": day for name, day in edge.items()}

        def listen(event: object) -> None:
            if isinstance(event, Outcome):
                outcomes.append(event)

        with listening(listen):
            result = dg.materialize(
                [asset],
                instance=self.instance,
                resources={"lakehouse": self.lakehouse},
                tags={"dagster/partition": edge["start"]} if last is None else tags,
                raise_on_error=False,
            )
        (outcome,) = outcomes
        assert result.success == (outcome.exit_code == 0)
        return outcome

    def check(self, name: str, day: int, asset: Any = collect_slips) -> Any:
        """Return the newest evaluation of an asset check on a day."""
        key = dg.AssetCheckKey(asset.key, name)
        storage = self.instance.event_log_storage
        records = storage.get_asset_check_execution_history(key, limit=100)
        evaluations = [r.event.dagster_event.event_specific_data for r in records if r.event]
        return next(e for e in evaluations if getattr(e, "partition", None) == f"2024-01-{day:02}")


@pytest.fixture
def office(lakehouse: Lakehouse) -> Iterator[Office]:
    """Return an office with an empty lake and an empty record."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield Office(lakehouse, instance)


def test_a_source_that_lost_a_field_blocks_every_day(office: Office) -> None:
    """Nothing is read; each day is blocked with the field and its likely new name, exit 3, and its pre_check is red."""
    office.collect(1)
    reads = desk.reads
    desk.found = Precheck(
        faults=("field kind is gone. Did you mean sort?",), items=({"at": "2024-01-02", "sort": "a", "value": 1},)
    )

    outcome = office.collect(1, 3)

    assert [day.state for day in outcome.days] == ["blocked"] * 3
    assert outcome.exit_code == 3
    assert desk.reads == reads
    (refusal,) = map(str, outcome.refusals())
    assert "pre_check: the desk: field kind is gone. Did you mean sort?" in refusal
    assert "still see the 3 rows" in refusal
    assert "lakeproof run lab.slips --from 2024-01-01 --to 2024-01-03" in refusal
    assert "--held" not in refusal
    evaluation = office.check("pre_check", 2)
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "Did you mean sort?" in evaluation.description
    assert evaluation.metadata["sample"].records[0].data["sort"] == "a"
    assert not office.check("unique_at_value", 2).passed


def test_a_new_field_is_only_learned(office: Office) -> None:
    """What is new and loses nothing warns on the day, which is published."""
    desk.found = Precheck(learned=("field gate is new",))

    outcome = office.collect(1)

    assert [day.state for day in outcome.days] == ["published"]
    evaluation = office.check("pre_check", 1)
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert evaluation.description == "pre_check: the desk: field gate is new."


def test_a_source_as_it_should_be_is_green(office: Office) -> None:
    """The check is green on the day, and the evidence says what was delivered and counted."""
    outcome = office.collect(1)

    assert office.check("pre_check", 1).passed
    (told,) = outcome.inputs
    assert told["counts"] == {"2024-01-01": 3}
    assert told["delivered"] == [{"rows": 3}]


def test_a_new_member_is_foreseen(office: Office) -> None:
    """Items that an audit of the table would not pass warn before they are collected."""
    items = ({"at": None, "kind": "c", "value": 1}, {"at": None, "kind": "a", "value": 2})
    desk.found = Precheck(items=items)

    office.collect(1)

    assert "1 of the 2 items looked at would not pass accepted_values_kind" in office.check("pre_check", 1).description


def test_a_count_far_from_usual_stops_the_day_before_it_is_read(office: Office) -> None:
    """From three rows to three hundred billion: that day is blocked by its count, the others are collected."""
    office.collect(1, 3)
    desk.rows = {5: 300_000_000_000}
    reads = desk.reads

    outcome = office.collect(4, 6)

    assert [day.state for day in outcome.days] == ["published", "blocked", "published"]
    blocked = outcome.days[1]
    assert "the desk counts 300,000,000,000 rows" in blocked.reason
    assert "none was read" in blocked.reason
    assert outcome.exit_code == 3
    assert desk.reads == reads + 2, "one read for each stretch of days around it"
    assert not office.check("volume", 5).passed
    assert office.check("pre_check", 5).passed
    assert office.check("volume", 6).passed


def test_a_count_is_compared_with_what_the_source_counted(office: Office) -> None:
    """A function may keep few of the rows: the source's counts are compared with each other."""

    def collect(delivered: pl.DataFrame) -> pl.DataFrame:
        return delivered.group_by("at").head(1)

    collect.__annotations__ = {"delivered": pl.DataFrame}
    desk.rows = dict.fromkeys(range(1, 32), 50)
    few = daily_table(slips, delivered=desk)(collect)

    outcome = office.collect(1, 6, few)
    again = office.collect(7, None, few)

    assert {day.state for day in (*outcome.days, *again.days)} == {"published"}


def test_a_source_that_cannot_count_is_judged_when_it_was_read(office: Office) -> None:
    """Without a count the same audit holds the day, staged."""
    office.collect(1, 3)
    desk.counts, desk.rows = False, {4: 100}

    assert [day.state for day in office.collect(4).days] == ["held"]


def test_a_collected_table_has_guards(office: Office) -> None:
    """A table that declares none has them; one that declares its own keeps those alone."""
    names = {key.name for key in collect_bare.check_keys}
    own = {key.name for key in collect_slips.check_keys}

    assert names == {"not_empty", "not_null_kind", "pre_check", "guard_volume", "guard_nulls", "guard_duplicates"}
    assert own == {"not_empty", "accepted_values_kind", "unique_at_value", "volume", "pre_check", "guard_nulls"}
    desk.rows = {9: 31}
    outcome = office.collect(1, 10, collect_bare)
    assert [day.day.day for day in outcome.days if day.day and day.state == "blocked"] == [9]


def test_a_source_that_cannot_be_reached_is_an_error(office: Office) -> None:
    """The run refuses as a whole: nobody knows what the source looks like."""

    def gone(_: Window | None) -> Precheck:
        msg = "the desk cannot be reached."
        raise SourceError(msg, next_step="go there")

    desk.precheck = gone  # type: ignore[method-assign]  # as a test's source may
    errors: list[object] = []
    with listening(errors.append):
        dg.materialize(
            [collect_slips],
            instance=office.instance,
            resources={"lakehouse": office.lakehouse},
            partition_key="2024-01-01",
            raise_on_error=False,
        )
    assert "the desk cannot be reached." in str(errors[-1])
    assert office.lakehouse.lake.find("lab.slips") is None


def test_rejects_show_in_dagster(office: Office) -> None:
    """The table of rejects has a materialization for each day that was split, with how many rows it has."""
    outcome = office.collect(1, 2, collect_apart)

    assert [(day.state, day.rejected) for day in outcome.days] == [("published", 1)] * 2
    key = dg.AssetKey(["lab", "apart__rejected"])
    records = office.instance.fetch_materializations(key, limit=5).records
    shown = {r.partition_key: r.asset_materialization.metadata["dagster/row_count"].value for r in records}
    assert shown == {"2024-01-01": 1, "2024-01-02": 1}


def test_a_chain_ends_at_a_blocked_day(office: Office) -> None:
    """What builds on a day that is blocked is not ready: it would add up from nothing."""
    desk.rows = {4: 300}

    outcome = office.collect(1, 6, add_up)

    assert [day.state for day in outcome.days] == ["published"] * 3 + ["blocked"] + ["not-ready"] * 2
    assert "it builds on 2024-01-04, which is blocked" in outcome.days[5].reason
    assert office.lakehouse.read(summed)["total"].sort().to_list() == [3, 6, 9]


def test_a_foreboding_never_stops_anything(office: Office) -> None:
    """Items of another type, or that an audit cannot even judge, are left to the audits of the stage."""
    desk.found = Precheck(items=({"at": None, "kind": 5, "value": "x"},))

    assert [day.state for day in office.collect(1).days] == ["published"]
