"""Sensors ask for each day once it is ready, once for one cause, and again when what it is made from changed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl
import pyarrow as pa
import pytest
import time_machine
from pyiceberg.expressions import EqualTo

from lakeproof import (
    Column,
    Lakehouse,
    Pipeline,
    Sla,
    Source,
    Table,
    Window,
    audit,
    daily_table,
    gate,
    maintenance,
    notifications,
    outside,
    readiness,
    sensors,
    slas,
)
from lakeproof.asset import run, table_assets
from lakeproof.engine.cast import arrow_schema
from lakeproof.errors import ContractError
from lakeproof.lake.running import claimed
from lakeproof.source import Completeness, Delivery, Precheck
from lakeproof.spec import partition_tags
from lakeproof.stewardship.publishing import report_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    Worlds = Callable[..., "World"]

NEW_YORK = "America/New_York"
FIRST = date(2024, 2, 1)
FIELDS = (Column("day", "date"), Column("value", "int"))


@dataclass
class Shelf:
    """A source on which days are put, and put again."""

    values: dict[date, int] = field(default_factory=dict)
    broken: bool = False
    torn: set[date] = field(default_factory=set)
    name: str = "a shelf"
    fields: tuple[Column, ...] = FIELDS

    def precheck(self, window: Window | None) -> Precheck:
        """Find nothing wrong."""
        del window
        return Precheck()

    def complete(self, window: Window | None) -> dict[date | None, Completeness]:
        """Say which days lie there; their value tells one state from another."""
        assert window is not None
        if self.broken or self.torn.intersection(window.days):
            raise ConnectionError
        return {
            day: Completeness(complete=True, reason="it lies there", version=str(self.values[day]))
            if day in self.values
            else Completeness(complete=False, reason=f"{day} is not on the shelf")
            for day in window.days
        }

    def count(self, window: Window | None) -> None:
        """Not count."""

    def version(self, window: Window | None) -> dict[str, str]:
        """Return the values."""
        assert window is not None
        return {str(day): str(self.values[day]) for day in window.days}

    def read(self, window: Window | None) -> Delivery:
        """Read one row a day."""
        assert window is not None
        days = list(window.days)
        rows = pa.table([days, [self.values[day] for day in days]], schema=arrow_schema(self.fields))
        return Delivery(rows.to_reader())


@dataclass
class Bell:
    """Something to wait for that has no rows: it rings for a day, and perhaps again."""

    rung: dict[date, str | None] = field(default_factory=dict)
    name: str = "a bell"

    def complete(self, window: Window | None) -> dict[date | None, Completeness]:
        """Say for which days it rang."""
        assert window is not None
        return {
            day: Completeness(complete=day in self.rung, reason=f"{day}", version=self.rung.get(day))
            for day in window.days
        }


def pipeline(**said: Any) -> Pipeline:
    """Declare the pipeline of a test: of one name, so on one line."""
    return Pipeline("sensed", **said)


def table(name: str, **more: Any) -> Table:
    """Declare a table of one value a day, which must not be negative."""
    given: dict[str, Any] = {
        "columns": FIELDS,
        "partition": "day",
        "start": FIRST,
        "end": None,
        "timezone": NEW_YORK,
        "layer": "collection",
        "owner": "team:lab",
        "audits": [audit.sql("not_negative", "value >= 0")],
    }
    return Table(name, **{**given, **more})


@dataclass
class World:
    """A lake, Dagster's record, a code location and its sensors, at an instant that a test sets."""

    instance: dg.DagsterInstance
    lakehouse: Lakehouse
    assets: list[dg.AssetsDefinition]
    now: datetime = datetime(2024, 2, 1, tzinfo=UTC)
    cursors: dict[str, str | None] = field(default_factory=dict)
    run_keys: set[str | None] = field(default_factory=set)
    requests: list[tuple[str, str]] = field(default_factory=list)
    said: dict[str, str | None] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Put the location together."""
        resources = {"lakehouse": self.lakehouse}
        self.defs = dg.Definitions.merge(
            dg.Definitions(assets=self.assets, resources=resources), readiness(self.assets)
        )

    def tick(self, name: str) -> list[dg.RunRequest]:
        """Evaluate a sensor as its daemon does: events are recorded, and a run key is good for one run."""
        repository = self.defs.get_repository_def()
        sensor = repository.get_sensor_def(f"lakeproof_{name}")
        with time_machine.travel(self.now, tick=False):
            context = dg.build_sensor_context(
                self.instance,
                cursor=self.cursors.get(name),
                repository_def=repository,
                resources={"lakehouse": self.lakehouse},
            )
            result = sensor.evaluate_tick(context)
        self.cursors[name] = result.cursor
        self.said[name] = result.skip_message
        for event in result.asset_events:
            self.instance.report_runless_asset_event(event)
        new = [request for request in result.run_requests or [] if request.run_key not in self.run_keys]
        self.run_keys |= {request.run_key for request in new}
        return new

    def settle(self) -> list[tuple[str, str]]:
        """Let the sensors tick and the runs end until nothing is asked for any more; return what was asked."""
        asked: list[tuple[str, str]] = []
        while True:
            if any(sensor.name == "lakeproof_sources" for sensor in self.defs.sensors or ()):
                self.tick("sources")
            requests = self.tick("readiness")
            if not requests:
                self.requests += asked
                return asked
            asked.extend(self._run(request) for request in requests)

    def _run(self, request: dg.RunRequest) -> tuple[str, str]:
        (key,) = request.asset_selection or ()
        first = request.tags.get("dagster/asset_partition_range_start", request.tags.get("dagster/partition"))
        last = request.tags.get("dagster/asset_partition_range_end", request.tags.get("dagster/partition"))
        name = key.path[-1]
        self.now += timedelta(seconds=1)  # the ids of runs go by the clock
        if name not in self.failing:
            # What the asset does, without Dagster's record of it: the sensors ask the lake.
            (made,) = table_assets([key])
            context = SimpleNamespace(
                resources=SimpleNamespace(lakehouse=self.lakehouse),
                partition_keys=[str(day) for day in Window.of(first, last).days] if first else [],
                run=SimpleNamespace(tags=request.tags, run_id="test"),
            )
            with time_machine.travel(self.now, tick=False):
                run(made, cast("Any", context))
        return name, f"{first}" if first == last else f"{first}..{last}"

    def launch(self, request: dg.RunRequest) -> bool:
        """Run one day that was asked for as Dagster does, with its record of it; return whether it succeeded."""
        self.now += timedelta(seconds=1)
        with time_machine.travel(self.now):
            done = self.defs.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=self.instance,
                tags=dict(request.tags),
                partition_key=request.tags["dagster/partition"],
                asset_selection=list(request.asset_selection or ()),
                raise_on_error=False,
            )
        return done.success

    def look(self) -> list[dg.RunRequest]:
        """Let both sensors tick, twice; return what was asked for."""
        found: list[dg.RunRequest] = []
        for _ in range(2):
            self.tick("sources")
            found += self.tick("readiness")
        return found

    def run(self, asset: dg.AssetsDefinition, day: date) -> None:
        """Run a day that no sensor asked for."""
        self._run(dg.RunRequest(asset_selection=[asset.key], tags=partition_tags(day, day)))

    def until(self, day: date, hour: int = 9) -> None:
        """Move the clock to an hour of a day in New York."""
        self.now = datetime(day.year, day.month, day.day, hour, tzinfo=UTC) + timedelta(hours=5)

    def values(self, asset: Table) -> dict[date, int]:
        """Return what readers see of a table."""
        return dict(self.lakehouse.read(asset).select("day", "value").iter_rows())


@pytest.fixture
def lakehouse() -> Lakehouse:
    """Return an empty lake."""
    return Lakehouse.in_memory()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Return an empty record of Dagster's, whose runs may finish without a log on the console."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def world_of(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> Worlds:
    """Return what puts a world together from its assets, and what it is to know from an earlier one."""

    def put_together(*assets: dg.AssetsDefinition, **known: Any) -> World:
        return World(instance, lakehouse, list(assets), **known)

    return put_together


@pytest.fixture
def shelf() -> Shelf:
    """Return an empty shelf."""
    return Shelf()


def collected(shelf: Shelf, **more: Any) -> tuple[Table, dg.AssetsDefinition]:
    """Return a table that collects what lies on the shelf."""
    raw = table("sensed.raw", **more)

    @daily_table(raw, delivered=shelf)
    def collect(delivered: pl.DataFrame) -> pl.DataFrame:
        return delivered

    return raw, collect


def derived(name: str, **inputs: Any) -> tuple[Table, dg.AssetsDefinition]:
    """Return a table that takes its only input as it is."""
    made = table(name, layer="analysis")

    @daily_table(made, given=next(iter(inputs.values())))
    def take(given: pl.DataFrame) -> pl.DataFrame:
        return given

    return made, take


def trailing(raw: Table, **more: Any) -> tuple[Table, dg.AssetsDefinition]:
    """Return a table that sums three days."""
    made = table("sensed.three", layer="analysis", **more)

    @daily_table(made, given=raw.last(days=3))
    def sum_up(window: Window, given: pl.DataFrame) -> pl.DataFrame:
        total = int(given["value"].sum())
        return pl.DataFrame({"day": [window.day], "value": [total]}, schema={"day": pl.Date, "value": pl.Int32})

    return made, sum_up


def cumulative(raw: Table) -> tuple[Table, dg.AssetsDefinition]:
    """Return a table that adds each day to the day before."""
    made = table("sensed.total", layer="analysis")

    @daily_table(made, before=made.previous(), today=raw)
    def add(window: Window, before: pl.DataFrame, today: pl.DataFrame) -> pl.DataFrame:
        total = int(before["value"].sum()) + int(today["value"].sum())
        return pl.DataFrame({"day": [window.day], "value": [total]}, schema={"day": pl.Date, "value": pl.Int32})

    return made, add


def tens(raw: Table, **more: Any) -> tuple[Table, dg.AssetsDefinition]:
    """Return a table that keeps how many tens there are, and is the same for ten values of its input."""
    made = table("sensed.tens", layer="analysis", **more)

    @daily_table(made, given=raw)
    def count(given: pl.DataFrame) -> pl.DataFrame:
        return given.with_columns(pl.col("value") // 10)

    return made, count


def test_a_shelf_is_a_source(shelf: Shelf) -> None:
    """Whatever answers the protocol's questions is a source."""
    assert isinstance(shelf, Source)


def test_what_is_only_waited_for_is_waited_for(world_of: Worlds, instance: dg.DagsterInstance, shelf: Shelf) -> None:
    """A day is asked for once both are there, turns green, and again when what was waited for happened anew."""
    raw, bell = table("lab.raw"), Bell()

    @daily_table(raw, delivered=shelf, bell=bell)
    def collect(delivered: pl.DataFrame) -> pl.DataFrame:
        return delivered

    world = world_of(collect)
    shelf.values |= {FIRST: 1, FIRST + timedelta(days=1): 1}
    world.until(FIRST + timedelta(days=2))
    assert world.settle() == []
    assert "2024-02-01" in (world.said["sources"] or "")

    bell.rung[FIRST] = "first"
    assert world.settle() == [("raw", str(FIRST))]
    key = dg.AssetKey(["sources", "lab", "raw", "bell"])
    assert instance.get_materialized_partitions(key) == {str(FIRST)}
    assert world.settle() == []

    bell.rung[FIRST] = "second"
    assert world.settle() == [("raw", str(FIRST))]
    assert world.settle() == []
    assert list(world.values(raw)) == [FIRST]


def test_sixty_days_are_each_asked_for_once(world_of: Worlds, lakehouse: Lakehouse, shelf: Shelf) -> None:
    """Late sources, a held day, a restated day, and daylight saving: each request is there once, and no other is."""
    promise = Sla(due="01:00", timezone=NEW_YORK, since=FIRST)
    raw, collect = collected(shelf, sla=promise)
    three, sum_up = trailing(raw, sla=promise)
    world = world_of(collect, sum_up)
    days = [FIRST + timedelta(days=n) for n in range(60)]
    late, held, restated, spring = days[10], days[20], days[30], date(2024, 3, 10)
    expected: list[tuple[str, str]] = []
    for day in days:
        # Just before midnight in New York the day is not over, in winter and in summer time.
        shelf.values |= {} if day == late else {day: -1 if day == held else 1}
        offset = 4 if day >= spring else 5
        midnight = datetime(day.year, day.month, day.day, offset, tzinfo=UTC) + timedelta(days=1)
        if day.day % 5 == 0:
            world.now = midnight - timedelta(seconds=1)
            assert world.settle() == [], f"{day} was asked for before it was over"

        world.now = midnight
        asked = world.settle()
        waits = {late, *(late + timedelta(days=n) for n in (1, 2))} if late not in shelf.values else set()
        waits |= {held, *(held + timedelta(days=n) for n in (1, 2))} if shelf.values.get(held) == -1 else set()
        want = [] if day == late else [("raw", str(day))]
        want += [("three", str(day))] if day not in waits else []
        assert asked == want, day
        expected += want

        if day == days[12]:
            assert f"{late} is not on the shelf" in (world.said["sources"] or "")
            assert "sensed.raw is not published for some days of its window" in (world.said["readiness"] or "")
            shelf.values[late] = 1
            asked = world.settle()
            assert asked == [("raw", str(late)), ("three", f"{late}..{days[12]}")]
            expected += asked
        if day == days[23]:
            # The held day is delivered again, good this time.
            shelf.values[held] = 2
            asked = world.settle()
            assert asked == [("raw", str(held)), ("three", f"{held}..{days[22]}")]
            expected += asked
        if day == days[33]:
            # A day that was published is delivered with other content: it, and what looks back on it, are asked anew.
            shelf.values[restated] = 7
            asked = world.settle()
            assert asked == [("raw", str(restated)), ("three", f"{restated}..{days[32]}")]
            expected += asked

    assert world.requests == expected
    assert world.values(raw) == shelf.values
    assert world.values(three)[restated] == 9
    assert set(world.values(three)) == set(days)
    # What came late stays late, whatever it was replaced by; what was restated was in time.
    world.until(days[59] + timedelta(days=1), 2)
    missed = {raw.name: [late, held], three.name: [*days[10:12], *days[20:23]]}
    for promised in (raw, three):
        report = report_of(lakehouse.lake, promised, world.now)
        assert report is not None
        assert [day.day for day in report.days if day.judged] == days
        assert [day.day for day in report.days if day.missed] == missed[promised.name]
        assert report.over(90).share == (60 - len(missed[promised.name])) / 60


def test_a_day_whose_run_fails_is_not_asked_for_again_until_its_input_changes(world_of: Worlds, shelf: Shelf) -> None:
    """A run that breaks is an incident for people; the same cause would break it again."""
    raw, collect = collected(shelf)
    _, take = derived("sensed.later", raw=raw)
    world = world_of(collect, take)
    shelf.values[FIRST] = 1
    world.until(FIRST + timedelta(days=1))
    world.failing = {"later"}

    assert world.settle() == [("raw", str(FIRST)), ("later", str(FIRST))]
    world.failing = set()
    assert world.settle() == []
    shelf.values[FIRST] = 2
    assert world.settle() == [("raw", str(FIRST)), ("later", str(FIRST))]


@pytest.mark.parametrize("published", [False, True])
def test_a_day_whose_source_was_taken_back_before_its_run_is_asked_for_once_it_is_there(
    tmp_path: Path, lakehouse: Lakehouse, shelf: Shelf, *, published: bool
) -> None:
    """The gate refuses the run: what was green is asked anew, and the day is asked for once for each time."""
    raw, bell = table("sensed.rung"), Bell({FIRST: None})

    @daily_table(raw, delivered=shelf, bell=bell)
    def collect(delivered: pl.DataFrame) -> pl.DataFrame:
        return delivered

    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        world = World(instance, lakehouse, [collect])
        shelf.values[FIRST] = 1
        world.until(FIRST + timedelta(days=1))
        if published:
            world.settle()
            shelf.values[FIRST] = 2
        for _ in range(2):
            (request,) = world.look()
            del bell.rung[FIRST]
            assert not world.launch(request)
            assert world.look() == []
            assert str(FIRST) in (world.said["sources"] or "")

            bell.rung[FIRST] = None
        (request,) = world.look()
        assert world.launch(request)
        assert world.look() == []
        assert world.values(raw) == shelf.values
        assert json.loads(world.cursors["readiness"] or "")[raw.name]["asked"] == {}


def test_a_day_that_is_refused_again_and_again_is_left_alone_for_a_while(
    tmp_path: Path, lakehouse: Lakehouse, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that is complete for the sensor and never for the run costs three runs, and then one after a time."""
    raw, bell = table("sensed.rung"), Bell({FIRST: None})

    @daily_table(raw, delivered=shelf, bell=bell)
    def collect(delivered: pl.DataFrame) -> pl.DataFrame:
        return delivered

    def refused() -> int:
        """Return how many runs were asked for, and refused, in a tick."""
        requests = world.look()
        rung = dict(bell.rung)
        bell.rung.clear()
        assert not any(world.launch(request) for request in requests)
        bell.rung |= rung
        return len(requests)

    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        world = World(instance, lakehouse, [collect])
        shelf.values[FIRST] = 1
        world.until(FIRST + timedelta(days=1))
        assert [refused() for _ in range(6)] == [1, 1, 1, 0, 0, 0]
        monkeypatch.setattr("lakeproof.outside.FREE_REFUSALS", 5)
        assert [refused() for _ in range(4)] == [1, 1, 0, 0]


@pytest.mark.parametrize("seen", [False, True])
def test_a_day_whose_input_was_withdrawn_before_its_run_is_asked_for_once_it_is_back(
    world_of: Worlds, lakehouse: Lakehouse, shelf: Shelf, *, seen: bool
) -> None:
    """With the same content as before, whether or not a sensor saw that it was gone; a run that breaks is not again."""
    raw, collect = collected(shelf)
    broken = False
    later = table("sensed.later", layer="analysis")

    @daily_table(later, given=raw)
    def take(given: pl.DataFrame) -> pl.DataFrame:
        return given.drop("value") if broken else given

    world = world_of(collect, take)
    shelf.values[FIRST] = 1
    world.until(FIRST + timedelta(days=1))
    (request,) = world.look()
    world.launch(request)
    (request,) = world.look()
    lakehouse.catalog.load_table(raw.name).delete(EqualTo("day", FIRST.isoformat()))
    assert not world.launch(request)
    if seen:
        assert world.look() == []
    world.run(collect, FIRST)

    (request,) = world.look()
    assert request.asset_selection == [take.key]
    broken = True
    assert not world.launch(request)
    assert world.look() == []
    world.run(collect, FIRST)
    assert world.look() == []


def test_a_parent_that_ran_again_with_the_same_content_causes_nothing(world_of: Worlds, shelf: Shelf) -> None:
    """What counts is what is published, not that something ran."""
    raw, collect = collected(shelf)
    _, take = derived("sensed.later", raw=raw)
    world = world_of(collect, take)
    shelf.values[FIRST] = 1
    world.until(FIRST + timedelta(days=1))
    world.settle()

    world.run(collect, FIRST)

    assert world.settle() == []


def test_a_day_that_is_made_again_unchanged_is_settled(world_of: Worlds, lakehouse: Lakehouse, shelf: Shelf) -> None:
    """Its content is confirmed from the new inputs: nothing remembers it, and nobody who knows nothing asks again."""
    raw, collect = collected(shelf)
    made, count = tens(raw)
    world = world_of(collect, count)
    days = [FIRST + timedelta(days=n) for n in range(3)]
    shelf.values |= dict.fromkeys(days, 10)
    world.until(days[2] + timedelta(days=1))
    world.settle()
    head = lakehouse.catalog.load_table(made.name).metadata_location

    # What was there before is asked for each time, and found unchanged each time.
    for value in (11, 12, 11, 12):
        shelf.values |= {days[0]: value, days[1]: value}
        assert world.settle() == [("raw", f"{days[0]}..{days[1]}"), ("tens", f"{days[0]}..{days[1]}")]
        assert json.loads(world.cursors["readiness"] or "")[made.name]["asked"] == {}
        assert world_of(collect, count, now=world.now).settle() == []
    assert lakehouse.catalog.load_table(made.name).metadata_location == head

    shelf.values[days[1]] = 25
    assert world.settle() == [("raw", str(days[1])), ("tens", str(days[1]))]
    assert world.values(made) == dict(zip(days, (1, 2, 1), strict=True))
    assert world_of(collect, count, now=world.now).settle() == []


def test_a_chain_whose_days_stay_the_same_is_settled(world_of: Worlds, shelf: Shelf) -> None:
    """The days after one that is the same again were made from it as it was, and as it is."""
    raw, collect = collected(shelf)
    some, count = tens(raw)
    _, add = cumulative(some)
    world = world_of(collect, count, add)
    days = [FIRST + timedelta(days=n) for n in range(4)]
    shelf.values |= dict.fromkeys(days, 10)
    world.until(days[3] + timedelta(days=1))
    world.settle()

    # Both days of the input change, and what they add up to does so in the first one alone.
    shelf.values |= {days[1]: 20, days[2]: 0}
    restated = f"{days[1]}..{days[2]}"
    assert world.settle() == [("raw", restated), ("tens", restated), ("total", f"{days[1]}..{days[3]}")]
    assert json.loads(world.cursors["readiness"] or "")["sensed.total"]["asked"] == {}
    assert world_of(collect, count, add, now=world.now).settle() == []


def test_a_chain_is_asked_for_as_one_stretch_and_made_again_from_a_restated_day_on(
    world_of: Worlds, shelf: Shelf
) -> None:
    """Each day builds on the one before: a day that changed takes all later ones with it, in one run."""
    raw, collect = collected(shelf)
    total, add = cumulative(raw)
    world = world_of(collect, add)
    shelf.values |= {FIRST + timedelta(days=n): 1 for n in range(10)}
    last = FIRST + timedelta(days=9)
    world.until(last + timedelta(days=1))

    assert world.settle() == [("raw", f"{FIRST}..{last}"), ("total", f"{FIRST}..{last}")]
    changed = FIRST + timedelta(days=6)
    shelf.values[changed] = 5
    assert world.settle() == [("raw", str(changed)), ("total", f"{changed}..{last}")]
    assert world.values(total)[last] == 14


def test_the_sensors_have_no_memory_that_they_need(world_of: Worlds, shelf: Shelf) -> None:
    """A code server that starts anew, with the cursor or without it, asks for nothing that is there."""
    raw, collect = collected(shelf)
    _, take = derived("sensed.later", raw=raw)
    world = world_of(collect, take)
    shelf.values |= {FIRST + timedelta(days=n): 1 for n in range(5)}
    world.until(FIRST + timedelta(days=5))
    world.settle()

    again = world_of(collect, take, now=world.now)
    assert again.settle() == []
    again = world_of(collect, take, now=world.now, cursors=dict(world.cursors))
    assert again.settle() == []


def test_a_clock_that_jumps_back_asks_for_nothing_again(world_of: Worlds, shelf: Shelf) -> None:
    """A day that was refused stays asked for, whatever the clock says meanwhile."""
    _, collect = collected(shelf)
    world = world_of(collect)
    shelf.values |= {FIRST: 1, FIRST + timedelta(days=1): -1}
    world.until(FIRST + timedelta(days=2))
    assert world.settle() == [("raw", f"{FIRST}..{FIRST + timedelta(days=1)}")]

    world.until(FIRST - timedelta(days=300))
    assert world.settle() == []
    world.until(FIRST + timedelta(days=2))
    assert world.settle() == []


def test_a_source_that_breaks_is_told_and_keeps_no_other_from_being_asked(world_of: Worlds, shelf: Shelf) -> None:
    """The reason is one line; days of other sources arrive."""
    _, collect = collected(shelf)
    other = table("sensed.other")
    good = Shelf({FIRST: 1})

    @daily_table(other, delivered=good)
    def take(delivered: pl.DataFrame) -> pl.DataFrame:
        return delivered

    world = world_of(collect, take)
    shelf.broken = True
    world.until(FIRST + timedelta(days=1))

    assert world.settle() == [("other", str(FIRST))]
    assert "sensed.raw: a shelf cannot be asked about 2024-02-01: ConnectionError" in (world.said["sources"] or "")


def test_a_source_that_breaks_over_one_day_is_asked_about_the_others(world_of: Worlds, shelf: Shelf) -> None:
    """One day cannot be looked at: the days around it arrive, and it is named; then it can, and arrives too."""
    _, collect = collected(shelf)
    world = world_of(collect)
    days = [FIRST + timedelta(days=n) for n in range(9)]
    shelf.values |= dict.fromkeys(days, 1)
    shelf.torn = {days[3]}
    world.until(days[8] + timedelta(days=1))

    assert world.settle() == [("raw", f"{days[0]}..{days[2]}"), ("raw", f"{days[4]}..{days[8]}")]
    assert f"a shelf cannot be asked about {days[3]}: ConnectionError" in (world.said["sources"] or "")
    shelf.torn = set()
    assert world.settle() == [("raw", str(days[3]))]


def test_a_source_that_is_down_is_not_asked_about_every_day(
    world_of: Worlds, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked about parts of a stretch a few times, and no more in that tick."""
    _, collect = collected(shelf)
    world = world_of(collect)
    asked: list[Window | None] = []
    monkeypatch.setattr(outside, "FAILURES", 5)
    monkeypatch.setattr(shelf, "complete", lambda window: asked.append(window) or 1 / 0)
    world.until(FIRST + timedelta(days=300))

    assert world.settle() == []
    assert len(asked) < 10
    assert f"cannot be asked about {FIRST}" in (world.said["sources"] or "")


def test_a_source_day_turns_green_when_it_is_complete(
    world_of: Worlds, instance: dg.DagsterInstance, shelf: Shelf
) -> None:
    """The source is an external asset upstream of its table, with the table's days."""
    _, collect = collected(shelf)
    world = world_of(collect)
    shelf.values[FIRST] = 1
    world.until(FIRST + timedelta(days=2))
    world.tick("sources")
    key = dg.AssetKey(["sources", "sensed", "raw", "delivered"])

    assert instance.get_materialized_partitions(key) == {str(FIRST)}
    assert world.defs.resolve_asset_graph().get(collect.key).parent_keys == {key}
    assert world.tick("sources") == []
    assert len(instance.fetch_materializations(key, limit=10).records) == 1


@pytest.mark.parametrize(
    ("common", "asked"),
    [
        (pipeline(schedule="0 6 * * *", timezone=NEW_YORK), {5: ["2024-02-01..2024-02-02"], 6: ["2024-02-03"]}),
        (pipeline(catchup=False), {1: ["2024-02-03"], 9: []}),
        (pipeline(schedule="0 6 * * 1"), {9: []}),
    ],
)
def test_a_pipeline_says_when_days_are_asked_for_and_how_many(
    world_of: Worlds, shelf: Shelf, common: Pipeline, asked: Mapping[int, list[str]]
) -> None:
    """A schedule holds days back until it fires; without catch-up only the latest one is asked for."""
    _, collect = collected(shelf, pipeline=common)
    world = world_of(collect)
    shelf.values |= {FIRST + timedelta(days=n): 1 for n in range(3)}
    for hour, days in asked.items():
        world.until(FIRST + timedelta(days=3), hour)
        assert [day for _, day in world.settle()] == days


def test_a_table_without_days_is_asked_for_each_time_its_schedule_fires(world_of: Worlds) -> None:
    """Twice a day is twice a day, and once each time."""
    runs: list[datetime] = []
    every = pipeline(schedule="0 6,18 * * *", timezone=NEW_YORK)
    whole = table("sensed.whole", partition=None, start=None, pipeline=every, columns=[Column("value", "int")])

    @daily_table(whole)
    def make() -> pl.DataFrame:
        runs.append(world.now)
        return pl.DataFrame({"value": [len(runs)]}, schema={"value": pl.Int32})

    world = world_of(make)
    for hour in (5, 6, 7, 17, 18, 23):
        world.until(FIRST, hour)
        world.settle()

    assert [run.astimezone(ZoneInfo(NEW_YORK)).hour for run in runs] == [5, 6, 18]


def test_where_days_depend_on_the_past_a_day_mended_by_hand_lets_the_next_ones_go(
    world_of: Worlds, shelf: Shelf
) -> None:
    """A held day stops those after it; when it is published they are asked for, though their inputs are the same."""
    raw, collect = collected(shelf, pipeline=pipeline(depends_on_past=True))
    world = world_of(collect)
    days = [FIRST + timedelta(days=n) for n in range(3)]
    shelf.values |= {days[0]: 1, days[1]: -1, days[2]: 1}
    world.until(days[2] + timedelta(days=1))
    assert world.settle() == [("raw", f"{days[0]}..{days[2]}")]
    assert set(world.values(raw)) == {days[0]}

    shelf.values[days[1]] = 1
    world.run(collect, days[1])

    assert world.settle() == [("raw", str(days[2]))]
    assert set(world.values(raw)) == set(days)


def test_a_day_of_a_chain_that_is_held_is_not_asked_for_again_because_the_one_before_it_is_there_now(
    world_of: Worlds, shelf: Shelf
) -> None:
    """A stretch was asked for at once: what was refused in it was judged with the day before, and those after wait."""
    _, collect = collected(shelf, audits=[audit.sql("not_large", "value < 100")])
    total, add = cumulative(table("sensed.raw"))
    world = world_of(collect, add)
    days = [FIRST + timedelta(days=n) for n in range(4)]
    shelf.values |= dict(zip(days, (1, -5, 1, 1), strict=True))
    world.until(days[3] + timedelta(days=1))

    assert world.settle() == [("raw", f"{days[0]}..{days[3]}"), ("total", f"{days[0]}..{days[3]}")]
    assert set(world.values(total)) == {days[0]}
    assert world.settle() == []
    shelf.values[days[1]] = 5
    assert world.settle() == [("raw", str(days[1])), ("total", f"{days[1]}..{days[3]}")]
    assert world.values(total) == dict(zip(days, (1, 6, 7, 8), strict=True))


def test_the_queue_keeps_a_pipelines_bound_on_runs(tmp_path: Any, lakehouse: Lakehouse, shelf: Shelf) -> None:
    """What `max_active_runs` says is a limit of the pipeline's pool in Dagster's record."""
    _, collect = collected(shelf, pipeline=pipeline(max_active_runs=2))
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        world = World(instance, lakehouse, [collect])
        world.tick("readiness")

        limits = {limit.name: limit.limit for limit in instance.event_log_storage.get_pool_limits()}
        assert limits == {"sensed": 2}


def test_the_cursor_is_small_when_all_is_there(world_of: Worlds, shelf: Shelf) -> None:
    """What is published is not remembered: a cursor does not grow with the age of a table."""
    _, collect = collected(shelf)
    world = world_of(collect)
    shelf.values |= {FIRST + timedelta(days=n): 1 for n in range(40)}
    world.until(FIRST + timedelta(days=40))
    world.settle()

    assert json.loads(world.cursors["readiness"] or "")["sensed.raw"]["asked"] == {}
    assert world.said["readiness"] == "All days of 1 tables are there."


def test_a_table_waits_for_days_of_another_location_that_need_not_be_loaded(
    world_of: Worlds, lakehouse: Lakehouse, shelf: Shelf
) -> None:
    """What is published is asked of the lake: a location that is down, or unknown to Dagster, changes nothing."""
    raw, collect = collected(shelf)
    _, take = derived("sensed.later", raw=raw)
    shelf.values[FIRST] = 1
    with dg.DagsterInstance.ephemeral() as elsewhere:
        here, there = world_of(take), World(elsewhere, lakehouse, [collect])
        for world in (here, there):
            world.until(FIRST + timedelta(days=1))

        assert here.settle() == []
        assert "sensed.raw is not published for that day" in (here.said["readiness"] or "")
        there.settle()
        assert here.settle() == [("later", str(FIRST))]


def test_a_long_history_turns_green_a_part_at_a_time(
    world_of: Worlds, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tick records no more days than its daemon can, the oldest first; the others come with the next ticks."""
    monkeypatch.setattr(sensors, "EVENTS_AT_ONCE", 3)
    _, collect = collected(shelf)
    world = world_of(collect)
    days = [FIRST + timedelta(days=n) for n in range(5)]
    shelf.values |= dict.fromkeys(days, 1)
    world.until(days[4] + timedelta(days=1))

    assert world.settle() == [("raw", f"{days[0]}..{days[2]}"), ("raw", f"{days[3]}..{days[4]}")]


def test_a_tick_that_takes_long_is_gone_on_with_in_the_next(world_of: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster breaks off a tick that takes too long, so one ends by itself, and the next begins where it ended."""
    monkeypatch.setattr(sensors, "TICK_SECONDS", -1)
    assets = []
    for name in ("raw", "other"):

        @daily_table(table(f"sensed.{name}"))
        def make(window: Window) -> pl.DataFrame:
            return pl.DataFrame({"day": window.days, "value": [1] * len(window.days)}).cast({"value": pl.Int32})

        assets.append(make)
    world = world_of(*assets)
    world.until(FIRST + timedelta(days=1))

    assert [len(world.tick("readiness")) for _ in range(3)] == [1, 1, 0]


def test_assets_that_are_no_tables_are_left_alone(shelf: Shelf) -> None:
    """A location holds other assets too, some with several keys: whatever looks after tables takes only tables."""

    @dg.multi_asset(outs={"one": dg.AssetOut(), "two": dg.AssetOut()})
    def several() -> tuple[int, int]:
        return 1, 2

    _, collect = collected(shelf)
    for look_after in (readiness, maintenance, slas, notifications):
        rest = dg.Definitions(assets=[several, collect], resources={"lakehouse": Lakehouse()})
        dg.Definitions.merge(rest, look_after([several, collect])).resolve_asset_graph()


def test_tables_in_a_circle_are_refused_when_the_location_is_put_together() -> None:
    """A circle through windows would wait for itself for ever; it is one sentence, and nothing runs."""
    first, second = table("sensed.first"), table("sensed.second")

    @daily_table(first, other=second.last(days=3))
    def make_first(other: pl.DataFrame) -> pl.DataFrame:
        return other

    @daily_table(second, before=second.previous(), other=first)
    def make_second(window: Window, before: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
        del window, before
        return other

    with pytest.raises(ContractError, match=r"in a circle: sensed\.\w+ → sensed\.\w+ → sensed\.\w+"):
        readiness([make_first, make_second])


def test_what_was_restated_and_restated_back_is_asked_for_each_time(world_of: Worlds, shelf: Shelf) -> None:
    """Content that was there before is a new cause when the day was made from other content since."""
    raw, collect = collected(shelf)
    later, take = derived("sensed.later", raw=raw)
    world = world_of(collect, take)
    world.until(FIRST + timedelta(days=1))
    for value in (1, 2, 1, 2):
        shelf.values[FIRST] = value

        assert world.settle() == [("raw", str(FIRST)), ("later", str(FIRST))]
        assert world.values(later) == {FIRST: value}


def test_days_after_one_that_is_held_wait_for_it_and_it_is_asked_for_once(world_of: Worlds, shelf: Shelf) -> None:
    """Where days depend on the past, each new day finds out that the one before is not there; no run fails of it."""
    _, collect = collected(shelf, pipeline=pipeline(depends_on_past=True))
    world = world_of(collect)
    days = [FIRST + timedelta(days=n) for n in range(4)]
    shelf.values |= {days[0]: 1, days[1]: -1, days[2]: 1, days[3]: 1}
    for day in days:
        world.until(day + timedelta(days=1))
        world.settle()

    assert world.requests == [("raw", str(days[0])), ("raw", str(days[1]))]
    assert "sensed.raw is held for the day before" in (world.said["readiness"] or "")
    shelf.values[days[1]] = 1
    assert world.settle() == [("raw", f"{days[1]}..{days[3]}")]


def test_a_chain_that_is_made_again_and_held_on_the_way_is_asked_for_once(world_of: Worlds, shelf: Shelf) -> None:
    """Its first day has other content since; the held one was judged with that."""
    _, collect = collected(shelf, audits=[audit.sql("not_large", "value < 100")])
    _, add = cumulative(table("sensed.raw"))
    world = world_of(collect, add)
    days = [FIRST + timedelta(days=n) for n in range(5)]
    shelf.values |= dict.fromkeys(days, 1)
    world.until(days[4] + timedelta(days=1))
    world.settle()

    shelf.values |= {days[1]: 3, days[2]: -50}
    assert world.settle() == [("raw", f"{days[1]}..{days[2]}"), ("total", f"{days[1]}..{days[4]}")]


def test_a_gap_that_is_declared_upstream_lets_days_go_though_nothing_was_published(
    world_of: Worlds, shelf: Shelf
) -> None:
    """The code changed and the lake did not."""
    first, second = FIRST, FIRST + timedelta(days=1)
    raw, collect = collected(shelf)
    shelf.values[second] = 1
    world = world_of(collect, derived("sensed.later", raw=raw.last(days=2))[1])
    world.until(second + timedelta(days=1))
    assert world.settle() == [("raw", str(second))]

    raw, collect = collected(shelf, gaps={first: "it rained"})
    later = derived("sensed.later", raw=raw.last(days=2))[1]
    world = world_of(collect, later, now=world.now, cursors=world.cursors, run_keys=world.run_keys)
    assert world.settle() == [("later", f"{first}..{second}")]


def test_a_day_that_was_asked_for_and_is_not_there_is_told(world_of: Worlds, shelf: Shelf) -> None:
    """A sensor that has nothing to ask for does not say that all is well."""
    _, collect = collected(shelf)
    world = world_of(collect)
    shelf.values[FIRST] = -1
    world.until(FIRST + timedelta(days=1))
    world.settle()

    assert f"sensed.raw {FIRST}: asked for; its latest run has not published it" in (world.said["readiness"] or "")


def test_what_is_published_while_a_sensor_looks_causes_one_request(
    world_of: Worlds, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate must not let a day go on what the request's cause does not know of yet."""
    raw, collect = collected(shelf)
    _, take = derived("sensed.later", raw=raw)
    world = world_of(collect, take)
    days = [FIRST, FIRST + timedelta(days=1)]
    shelf.values[days[0]] = 1
    world.until(days[1])
    world.settle()
    shelf.values[days[1]] = 1
    world.until(days[1] + timedelta(days=1))
    world.tick("sources")
    check = gate.check

    def check_late(lake: Any, table: Table, *more: Any) -> gate.Readiness:
        if table.name == "sensed.later":
            monkeypatch.undo()
            world.run(collect, days[1])
        return check(lake, table, *more)

    monkeypatch.setattr(gate, "check", check_late)
    requests = [request for _ in range(3) for request in world.tick("readiness")]

    assert [request.asset_selection for request in requests] == [[collect.key], [take.key]]


def test_without_catch_up_a_day_that_was_made_is_made_again_when_its_source_changes(
    world_of: Worlds, shelf: Shelf
) -> None:
    """Days that are missing are left alone; what is published is kept true."""
    raw, collect = collected(shelf, pipeline=pipeline(catchup=False))
    world = world_of(collect)
    days = [FIRST + timedelta(days=n) for n in range(4)]
    for day in days[1:]:
        shelf.values[day] = 1
        world.until(day + timedelta(days=1))
        assert world.settle() == [("raw", str(day))]

    shelf.values |= {days[0]: 1, days[2]: 5}
    assert world.settle() == [("raw", str(days[2]))]
    assert world.values(raw)[days[2]] == 5


def test_what_another_engine_publishes_is_a_cause_like_any_other(
    world_of: Worlds, lakehouse: Lakehouse, shelf: Shelf
) -> None:
    """It has no evidence, so its content is told from its files: each restatement is asked for, once."""
    raw, collect = collected(shelf)
    later, take = derived("sensed.later", raw=raw)
    world = world_of(collect, take)
    shelf.values[FIRST] = 1
    world.until(FIRST + timedelta(days=1))
    world.settle()
    for value in (5, 6, 5):
        stored = lakehouse.catalog.load_table("sensed.raw")
        stored.overwrite(pa.table([[FIRST], [value]], schema=stored.schema().as_arrow()))

        assert world.settle() == [("later", str(FIRST))]
        assert world.values(later) == {FIRST: value}


def test_a_held_day_is_asked_for_again_when_what_its_audits_refer_to_changed(world_of: Worlds, shelf: Shelf) -> None:
    """What is referred to is an input of the verdict; a day that is published is not made again for it."""
    raw, collect = collected(shelf)
    other = Shelf({FIRST: 2})
    checked = table("sensed.checked", audits=[audit.references("value", raw, "value")])

    @daily_table(checked, delivered=other)
    def take(delivered: pl.DataFrame) -> pl.DataFrame:
        return delivered

    world = world_of(collect, take)
    shelf.values[FIRST] = 1
    world.until(FIRST + timedelta(days=1))
    assert world.settle() == [("raw", str(FIRST)), ("checked", str(FIRST))]
    assert world.values(checked) == {}

    shelf.values[FIRST] = 2
    assert world.settle() == [("raw", str(FIRST)), ("checked", str(FIRST))]
    assert world.values(checked) == {FIRST: 2}
    shelf.values[FIRST] = 3
    assert world.settle() == [("raw", str(FIRST))]


def test_a_day_that_a_run_is_making_is_not_asked_for_meanwhile(
    world_of: Worlds, lakehouse: Lakehouse, shelf: Shelf
) -> None:
    """Whoever began it; the other days are asked for, and this one too when that run has ended without it."""
    raw, collect = collected(shelf)
    world = world_of(collect)
    days = [FIRST, FIRST + timedelta(days=1)]
    shelf.values |= dict.fromkeys(days, 1)
    world.until(days[1] + timedelta(days=1))
    with claimed(lakehouse.lake.ensure(raw), "20240203T000000000000-0000000a", [days[0]]):
        assert world.settle() == [("raw", str(days[1]))]
        assert f"sensed.raw {days[0]}: being made" in (world.said["readiness"] or "")

    assert world.settle() == [("raw", str(days[0]))]


@pytest.mark.parametrize(
    "cursor",
    [
        "2024-02-01",
        "[]",
        '{"sensed.raw": {"day": 1}}',
        '{"sensed.raw": {"asked": 1}}',
        '{"sensed.raw": {"asked": {"2024-02-01": 1}}}',
        '{"sensed.raw": {"asked": {"today": ["a"]}}}',
        '{"sensed.raw": {"waits": 1}}',
        '{"sensed.raw": {"mark": []}}',
    ],
)
def test_a_cursor_that_is_none_is_forgotten(world_of: Worlds, shelf: Shelf, cursor: str) -> None:
    """A person can set a cursor in the UI to anything: the sensor goes on, for it has no memory that it needs."""
    _, collect = collected(shelf)
    world = world_of(collect, cursors={"readiness": cursor})
    shelf.values[FIRST] = 1
    world.until(FIRST + timedelta(days=1))

    assert world.settle() == [("raw", str(FIRST))]
