"""Beside production, as a person works there: backfill to an output, compare, mend, promote, undo."""

from __future__ import annotations

import threading
from datetime import date
from typing import TYPE_CHECKING, Any, Self

import dagster as dg

from lakeproof.cli.execute import dagster_instance
from lakeproof.cli.locations import find_tables, load_locations
from lakeproof.engine.duck import connect, files_relation
from lakeproof.lake.catalog import Lake, columns_of
from lakeproof.lake.live import View
from lakeproof.outputs.plan import plan
from lakeproof.outputs.promoting import begin, go_on

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from platform_tests.lakeproof.cli.conftest import Shell

DAYS = ("--from", "2024-01-01", "--to", "2024-01-04")
OUTPUT = ("--output", "fix-units")
READINGS = "small.readings"
RULE = {f"_2024_01_0{day}": 2 for day in range(1, 5)}
"""What a changed rule makes of each day."""


def values(home: Path) -> list[int]:
    """Return what a reader of main sees of the readings, at one snapshot, day by day."""
    table = Lake.local(home).find(READINGS)
    view = View.of(table) if table is not None else None
    if view is None or view.table is None or not view.days:
        return []
    paths = [path for live in view.days.values() for path in live.paths]
    rows = files_relation(connect(), columns_of(view.table), paths, view.table.io)
    return [value for _, value in sorted(rows.project("day, value").fetchall())]


class Polling:
    """Reads `main` again and again while the block runs, and keeps what it saw."""

    def __init__(self, home: Path) -> None:
        self._home, self._stop = home, threading.Event()
        self.seen: list[list[int]] = []
        self._thread = threading.Thread(target=self._poll)

    def _poll(self) -> None:
        while not self._stop.is_set():
            now = values(self._home)
            if not self.seen or self.seen[-1] != now:
                self.seen.append(now)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()


def events(kind: dg.DagsterEventType) -> list[dg.EventLogRecord]:
    """Return what Dagster has recorded of the readings."""
    with dagster_instance() as instance:
        wanted = dg.AssetKey(READINGS.split("."))
        if kind == dg.DagsterEventType.ASSET_OBSERVATION:
            return list(instance.fetch_observations(wanted, limit=100).records)
        return list(instance.fetch_materializations(wanted, limit=100).records)


def test_the_story_of_a_rule_that_changes(published: Shell) -> None:
    """It is tried beside production; the day that fails is told first; readers see old days, then new ones."""
    home = published.folder / "home"
    materialized = len(events(dg.DagsterEventType.ASSET_MATERIALIZATION))
    with Polling(home) as reader:
        published.values(**RULE | {"_2024_01_03": 500})
        beside = published("run", READINGS, "small.totals", *DAYS, *OUTPUT, "--json")

        assert beside.code == 3
        states = {run["table"]: [day["state"] for day in run["days"]] for run in beside.json["tables"]}
        assert states[READINGS] == ["published", "published", "held", "published"]
        assert states["small.totals"] == ["published", "published", "unchanged", "published"]

        first = published("compare", READINGS, "--to", "fix-units")

        assert first.code == 0
        said = first.out.splitlines()[0]
        assert said.startswith("small.readings: 2024-01-03 is missing in fix-units; 3 rows changed in value")
        assert "2024-01-03 is held on output fix-units" in first.out
        refused = published("promote", "fix-units", "--yes")
        assert refused.code == 3
        assert "small.readings 2024-01-03: held: " in refused.err

        published.values(**RULE)
        again = published("run", READINGS, "small.totals", "--day", "2024-01-03", *OUTPUT)
        assert again.code == 0
        whole = published("compare", READINGS, "--to", "fix-units", "--html", "page.html", "--json")
        assert (whole.json["missing_days"], whole.json["changed"]) == ([], 4)
        assert "<h1>4 rows changed in value" in (published.folder / "page.html").read_text()
        assert len(events(dg.DagsterEventType.ASSET_MATERIALIZATION)) == materialized
        assert {record.partition_key for record in events(dg.DagsterEventType.ASSET_OBSERVATION)} == {
            f"2024-01-0{day}" for day in range(1, 5)
        }

        assert published("promote", "fix-units", "--yes").code == 0
        assert values(home) == [2, 2, 2, 2]
        causes = [record.asset_materialization for record in events(dg.DagsterEventType.ASSET_MATERIALIZATION)]
        told = [cause.metadata["output"].value for cause in causes if cause and "promotion" in cause.metadata]
        assert told == ["fix-units"] * 4
        shown = published("show", "small.totals@2024-01-01", "--json").json
        assert shown["sample"][0]["total"] == 2
        assert published("promote", "fix-units", "--yes").out.startswith(
            "main has all days of output fix-units already"
        )

        back = published("promote", "fix-units", "--undo", "--yes")
        assert back.code == 0, back.err

    assert reader.seen == [[1, 1, 1, 1], [2, 2, 2, 2], [1, 1, 1, 1]]
    assert published("status", "--output", "fix-units", "--json").json[0]["days"][0] == "2024-01-01"
    assert published("discard", "fix-units").code == 0
    assert published("status", "--output").out.startswith("There is no output.")


def test_a_table_on_an_output_reads_what_the_output_has_of_its_upstream(published: Shell) -> None:
    """A whole chain can be tried: the totals add up the output's own readings, and main's where it has none."""
    published.values(_2024_01_02=9)
    published("run", READINGS, "--day", "2024-01-02", *OUTPUT)
    published("run", "small.totals", *DAYS, *OUTPUT)

    shown = {
        day: published("show", f"small.totals@{day}@fix-units", "--json").json for day in ("2024-01-01", "2024-01-02")
    }

    assert [shown[day]["sample"][0]["total"] for day in shown] == [1, 9]


def test_a_promotion_is_refused_when_main_moved_since_it_was_compared(published: Shell) -> None:
    """Exit 5, the day is named, and nothing of any table was promoted."""
    published.values(**RULE)
    published("run", READINGS, "small.totals", *DAYS, *OUTPUT)
    published("compare", READINGS, "--to", "fix-units")
    published.values(_2024_01_02=7)
    published("run", READINGS, "--day", "2024-01-02")

    refused = published("promote", "fix-units", "--yes")

    assert refused.code == 5
    assert "small.readings 2024-01-02: main was published again since it was compared" in refused.err
    assert "lakeproof compare small.readings --to fix-units" in refused.err
    assert "Nothing was promoted." in refused.err
    assert published("show", "small.totals@2024-01-01", "--json").json["sample"][0]["total"] == 1
    assert published("promote", "fix-units", "--tables", "small.totals", "--day", "2024-01-01", "--yes").code == 0
    assert published("show", "small.totals@2024-01-01", "--json").json["sample"][0]["total"] == 2


def test_a_day_that_moves_under_a_promotion_ends_it_and_what_landed_is_told(published: Shell) -> None:
    """Exit 5; the tables before the one that moved are promoted, and no other."""
    published.values(**RULE)
    published("run", READINGS, "small.totals", *DAYS, *OUTPUT)
    lake = Lake.local(published.folder / "home")
    contracts = [made.table for _, made in find_tables(load_locations(str(published.folder / "workspace.yaml")), ())]
    next(go_on(lake, begin(lake, plan(lake, "fix-units", contracts)), contracts))  # and killed after its first table
    published.values(**RULE | {"_2024_01_02": 7})
    published("run", "--all", "--day", "2024-01-02")

    stopped = published("promote", "fix-units", "--yes", "--json")

    assert (stopped.code, stopped.json["state"]) == (5, "moved")
    assert stopped.json["tables"] == {READINGS: [f"2024-01-0{day}" for day in range(1, 5)]}
    shown = {day: published("show", f"small.totals@2024-01-0{day}", "--json").json for day in (1, 2)}
    assert [of_day["sample"][0]["total"] for of_day in shown.values()] == [1, 7]


REFUSED = [
    (("run", READINGS, "--day", "2024-01-01", "--output", "../up"), "cannot be the name of an output"),
    (("run", READINGS, "--day", "2024-01-01", "--output", "x; drop table y"), "cannot be the name of an output"),
    (("run", READINGS, "--day", "2024-01-01", "--output", "main"), "main is what readers see"),
    (("run", READINGS, "--day", "2024-01-01", "--output", "on"), "is how the name of output one begins"),
    (("run", READINGS, "--day", "2024-01-01", "--output", "two"), "lakeproof discard one"),
    (("run", READINGS, "--day", "2024-01-01", "--output", "one", "--as-table", "small.sensors"), "is not output one's"),
    (("run", "--all", "--day", "2024-01-01", "--output", "one", "--as-table", "small.x"), "one table on an output"),
    (("compare", READINGS), "There is one side only."),
    (("compare", READINGS, "--to", "nothing"), "There is no output 'nothing'."),
    (("compare", "small.reading", "--to", "one"), "Did you mean small.readings"),
    (("compare", READINGS, "old.csv"), "There is no file old.csv."),
    (("compare", READINGS, "--to", "one", "--html", "no/page.html"), "no/page.html cannot be written: No such file"),
    (("promote", "nothing", "--yes"), "has no day of its own"),
    (("promote", "nothing", "--undo", "--yes"), "not taken back"),
    (("discard", "nothing"), "There is no output 'nothing'."),
]


def test_what_cannot_be_is_refused_and_an_output_goes_when_nobody_uses_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Usage errors exit with 2 and say why; the limit names the oldest; upkeep lets go what is left alone."""
    shell("run", "small.sensors", READINGS, "--day", "2024-01-01")
    monkeypatch.setattr("lakeproof.outputs.naming.MOST", 1)
    assert shell("run", READINGS, "--day", "2024-01-01", "--output", "one").code == 0

    for words, said in REFUSED:
        done = shell(*words)
        assert (done.code, said in done.out + done.err) == (2, True), (words, done)

    monkeypatch.setattr("lakeproof.outputs.discarding.KEPT_DAYS", 0)
    assert "Output one is discarded" in shell("maintain").out
    assert shell("status", "--output", "--json").json == []


def test_a_process_can_work_on_an_output_throughout(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With LAKEPROOF_OUTPUT, what is run goes there, in a Dagster home of its own."""
    shell("run", "small.sensors", READINGS, "--day", "2024-01-01")
    monkeypatch.delenv("DAGSTER_HOME")
    monkeypatch.setenv("LAKEPROOF_OUTPUT", "ada")
    shell.values(_2024_01_01=8)

    assert shell("run", READINGS, "--day", "2024-01-01").code == 0

    assert shell("show", f"{READINGS}@2024-01-01", "--json").json["sample"][0]["value"] == 8
    assert (tmp_path / "home" / "dagster-ada" / "dagster.yaml").is_file()
    monkeypatch.delenv("LAKEPROOF_OUTPUT")
    monkeypatch.delenv("DAGSTER_HOME")
    assert shell("show", f"{READINGS}@2024-01-01", "--json").json["sample"][0]["value"] == 1
    assert values(tmp_path / "home") == [1]


def test_a_run_shows_what_follows_and_goes_no_further_than_something_changes(published: Shell) -> None:
    """`--plan` only shows; `--downstream` runs it, in order."""
    published.values(_2024_01_02=9)

    planned = published("run", READINGS, *DAYS, "--plan", "--json").json
    done = published("run", READINGS, *DAYS, "--downstream", "--json")

    assert [(step["table"], step["days"], step["runs"]) for step in planned["downstream"]] == [
        ("small.totals", [f"2024-01-0{day}" for day in range(1, 5)], 1)
    ]
    assert planned["downstream"][0]["seconds"] > 0
    ran = {run["table"]: [day["day"] for day in run["days"]] for run in done.json["tables"]}
    assert ran["small.totals"] == ["2024-01-02"]
    assert date.fromisoformat(ran["small.totals"][0]) == date(2024, 1, 2)


def test_the_job_in_the_ui_does_what_the_command_does(published: Shell) -> None:
    """From a partition and tags, as a backfill launches it; a refused day fails the run, not the asset."""
    from lakeproof import output_jobs  # noqa: PLC0415 - of the workspace's own tables

    (location,) = load_locations(str(published.folder / "workspace.yaml"))
    jobs = output_jobs([made.asset for made in location.tables])
    defs = dg.Definitions.merge(dg.Definitions(resources=location.definitions.resources), jobs)
    job = defs.resolve_job_def("lakeproof_output")
    published.values(_2024_01_02=9, _2024_01_03=-1)
    tags: dict[str, Any] = {"lakeproof/output": "fix-units", "lakeproof/tables": "small.readings, small.totals"}
    with dagster_instance() as instance:
        good = job.execute_in_process(instance=instance, partition_key="2024-01-02", tags=tags)
        bad = job.execute_in_process(instance=instance, partition_key="2024-01-03", tags=tags, raise_on_error=False)
        run = instance.get_run_by_id(bad.run_id)

        assert good.success
        assert not bad.success
        assert run is not None
        assert run.tags["lakeproof/outcome"] == "held"
        assert len(instance.get_materialized_partitions(dg.AssetKey(["small", "readings"]))) == 4
    assert published("show", "small.totals@2024-01-02@fix-units", "--json").json["sample"][0]["total"] == 9
