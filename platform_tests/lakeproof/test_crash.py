"""A process that is killed at any instant leaves whole days to readers, and leftovers that upkeep finds exactly."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import StaticTable

from lakeproof import Lakehouse
from lakeproof.lake.files import run_of
from lakeproof.lake.live import View
from lakeproof.lake.running import Claim
from lakeproof.wap import new_run_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyiceberg.table import Table as IcebergTable

SCENARIO = Path(__file__).with_name("crash_scenario.py")
spec = importlib.util.spec_from_file_location("crash_scenario", SCENARIO)
assert spec is not None
assert spec.loader is not None
scenario: Any = importlib.util.module_from_spec(spec)
sys.modules["crash_scenario"] = scenario
spec.loader.exec_module(scenario)

KILLS = int(os.environ.get("LAKEPROOF_KILLS", "12"))
"""How many random instructions to kill at; `LAKEPROOF_KILLS=1000` for a long run."""

SEED = int(os.environ.get("LAKEPROOF_SEED", "15"))
EVERY = int(os.environ.get("LAKEPROOF_STEP_STRIDE", "3"))
"""Kill at every so many of the steps; 1 for all of them."""

DONE, KILLED = 0, {-signal.SIGKILL, -signal.SIGPROF}


@dataclass
class Plant:
    """A table with a past, and a process that works on it and is killed.

    Args:
        home: Where the lake is.
        server: The process that forks the ones that are killed.
    """

    home: Path
    server: subprocess.Popen[str]
    rounds: int = 0
    pinned: set[str] = field(default_factory=set)

    def order(self, *orders: dict[str, Any]) -> list[dict[str, Any]]:
        """Have orders carried out side by side, and return how each ended."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        full = [{"home": str(self.home), "number": self.rounds, **order} for order in orders]
        self.server.stdin.write(json.dumps(full) + "\n")
        self.server.stdin.flush()
        ended: list[dict[str, Any]] = json.loads(self.server.stdout.readline())
        return ended

    @property
    def lakehouse(self) -> Lakehouse:
        """The lake, opened anew."""
        return Lakehouse(home=str(self.home))

    def stored(self) -> IcebergTable:
        """The table, opened anew with plain PyIceberg."""
        where = {"uri": f"sqlite:///{self.home / 'catalog.db'}", "warehouse": f"file://{self.home / 'warehouse'}"}
        return SqlCatalog("lakeproof", **where).load_table(scenario.NAME)

    def seen(self) -> dict[date, tuple[int, set[int]]]:
        """Return the rows and the rounds of each day that a reader sees."""
        rows = pl.DataFrame(self.stored().scan().to_arrow())
        return {day: (part.height, set(part["value"])) for (day,), part in rows.group_by("day")}

    def files(self) -> set[str]:
        """Return every file there is of the table."""
        return {str(path) for path in Path(path_of(self.stored().location())).rglob("*") if path.is_file()}

    def needed(self) -> set[str]:
        """Return every file that anything leads to, found without any of the code that is tested."""
        stored = self.stored()
        needed = {stored.metadata_location, *(entry.metadata_file for entry in stored.metadata.metadata_log)}
        for snapshot in stored.metadata.snapshots:
            needed |= led_to(stored, snapshot)
        live = {day: published.run or "" for day, published in View.of(stored).days.items()}
        staging = Path(path_of(stored.location())) / "staging"
        ledgers = [
            (path, json.loads(path.read_text()))
            for path in sorted(staging.glob("*.json"), key=lambda path: path.stem)
            if path.suffixes == [".json"] and path.read_text().endswith("}")
        ]
        newest = {key: path for path, record in ledgers for key in (*record["held"], *record["cleared"])}
        waiting = {
            record["run"]
            for path, record in ledgers
            for key in record["held"]
            if newest[key] == path and live.get(date.fromisoformat(key), "") < record["run"]
        }
        needs_clearing: set[str] = set()
        for path, record in ledgers:
            if record["run"] in waiting or needs_clearing & set(record["cleared"]):
                needs_clearing |= set(record["held"])
                needed |= {str(path), *(file for entry in record["held"].values() for file in entry["files"])}
                named = Path(path_of(record["candidate"] or "none"))
                if named.exists() and named.read_text().endswith("}"):
                    candidate = StaticTable.from_metadata(record["candidate"])
                    needed |= {record["candidate"], *led_to(candidate, candidate.current_snapshot())}
        needed |= self.confirming(live)
        runs = {run for location in needed if (run := run_of(location))}
        evidence = {f"{stored.location()}/evidence/{run}.json" for run in runs}
        needed |= {location for location in evidence if Path(path_of(location)).exists()}
        return {path_of(location) for location in needed} | self.pinned

    def confirming(self, live: dict[date | None, str]) -> set[str]:
        """Return, for each published day, the file by which a run last said that it found its content unchanged."""
        newest: dict[str, str] = {}
        for path in sorted((Path(path_of(self.stored().location())) / "confirmed").glob("*.json")):
            if path.read_text().endswith("}"):
                days = json.loads(path.read_text())["days"]
                newest |= {key: str(path) for key, run in days.items() if live.get(date.fromisoformat(key)) == run}
        return set(newest.values())

    def check(self, before: dict[date, tuple[int, set[int]]], *, what: str) -> None:
        """See that readers have a whole state, that upkeep leaves exactly what is needed, and that a rerun works."""
        after = {**before, **{day: (scenario.ROWS, {self.rounds}) for day in scenario.MADE}}
        seen = self.seen()
        assert seen in (before, after), what
        needed = self.needed()
        assert needed <= self.files(), what

        done = scenario.run_upkeep(self.lakehouse)
        assert self.files() == self.needed() == needed, what
        assert self.seen() == seen, what
        assert scenario.run_upkeep(self.lakehouse).removed == [], (what, done)

        again = scenario.run_round(self.lakehouse, self.rounds)
        states = {day.day: day.state for day in again.days}
        made = "published" if seen == before else "unchanged"
        assert states == {**dict.fromkeys(scenario.MADE, made), scenario.HELD: "held", scenario.SAME: "unchanged"}, what
        assert self.seen() == after, what


def led_to(table: Any, snapshot: Any) -> set[str]:
    """Return what plain PyIceberg opens to read a snapshot."""
    found = {snapshot.manifest_list}
    for manifest in snapshot.manifests(table.io):
        found.add(manifest.manifest_path)
        found |= {entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)}
    return found


def path_of(location: str) -> str:
    """Return a location as a path."""
    return location.removeprefix("file://")


@pytest.fixture(scope="module")
def server() -> Iterator[subprocess.Popen[str]]:
    """Start the process that forks the ones that are killed."""
    with subprocess.Popen(
        [sys.executable, SCENARIO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


@pytest.fixture
def plant(tmp_path: Path, server: subprocess.Popen[str]) -> Iterator[Plant]:
    """Return a table with a tag, a branch and a past, and another run at work on it."""
    plant = Plant(tmp_path, server)
    for number in (0, 1):
        scenario.run_round(plant.lakehouse, number, (*scenario.MADE, scenario.SAME))
        stored = plant.stored()
        head = stored.current_snapshot()
        assert head is not None
        named = stored.manage_snapshots()
        (
            named.create_tag(head.snapshot_id, "audited") if number else named.create_branch(head.snapshot_id, "fix")
        ).commit()
    scenario.run_round(plant.lakehouse, 1, (scenario.HELD,))
    claim = Claim(plant.stored(), run := new_run_id())
    staged = Path(path_of(plant.stored().location())) / "data" / f"day={scenario.HELD}" / f"{run}-00000.parquet"
    staged.write_bytes(b"another run is writing this")
    plant.pinned = {path_of(claim.location), str(staged)}
    yield plant
    claim.release()


def attempt(plant: Plant, *, to_clear: bool = False, **order: Any) -> dict[str, Any]:
    """Have one round killed, and check what it left; return how it ended."""
    plant.rounds += 2
    if to_clear:
        scenario.run_round(plant.lakehouse, plant.rounds, (scenario.SAME,), same=-1)
    before = plant.seen()
    (ended,) = plant.order({"action": "run", **order})
    assert ended["status"] in {DONE, *KILLED}, order
    plant.check(before, what=f"{order} of round {plant.rounds}")
    return ended


def test_killed_at_every_step(plant: Plant, record_property: Any) -> None:
    """Killed before or after any step, a run leaves a whole state, and nothing that is not found or is in the way."""
    passed = attempt(plant, step=0)["passed"]
    assert {name for _, name in scenario.STEPS} == {what.split()[-1] for what in passed}

    steps = range(1 + SEED % EVERY, len(passed) + 1, EVERY)
    for step in steps:
        assert attempt(plant, step=step)["status"] in KILLED, passed[step - 1]
    record_property("kills survived", len(steps))


def test_killed_in_the_middle_of_every_write(plant: Plant, record_property: Any) -> None:
    """A file of which only half arrived is never read by anybody, and is found."""
    passed = attempt(plant, to_clear=True, write=0)["passed"]

    for write in range(1, len(passed) + 1):
        assert attempt(plant, to_clear=True, write=write)["status"] in KILLED, passed[write - 1]
    record_property("kills survived", len(passed))


def test_killed_at_random_instructions(plant: Plant, record_property: Any) -> None:
    """Killed at whatever instruction, in a library or between two lines, a run leaves the same."""
    moments = random.Random(SEED)  # noqa: S311 - no secret
    longest = attempt(plant)["cpu"]
    kills = sum(attempt(plant, cpu=moments.uniform(0, longest))["status"] in KILLED for _ in range(KILLS))

    assert kills >= KILLS // 2
    record_property("kills survived", kills)


def test_upkeep_that_is_killed_is_taken_up(plant: Plant) -> None:
    """Upkeep that is killed has removed nothing that is needed, and the next one removes the rest."""
    for step in (3, 4, 9):
        plant.rounds += 2
        before = plant.seen()
        plant.order({"action": "run", "step": 40})
        (ended,) = plant.order({"action": "upkeep", "step": step})
        assert ended["status"] in KILLED
        plant.check(before, what=f"upkeep killed at {step}")


def test_upkeep_beside_publishes_harms_none(plant: Plant) -> None:
    """With upkeep beside publishes, all in processes of their own, each day is its last round's; all snapshots read."""
    publishers = [{"action": "publish", "number": number} for number in range(3)]
    ended = plant.order(*publishers, {"action": "keep up", "number": 15})

    assert [end["status"] for end in ended] == [DONE] * 4
    seen = plant.seen()
    own = {day: rows for day, rows in seen.items() if day not in scenario.DAYS}
    assert own == dict.fromkeys(own, (scenario.ROWS, {scenario.BESIDE}))
    assert len(own) == 2 * len(publishers)
    for snapshot in plant.stored().metadata.snapshots:
        assert {path_of(location) for location in led_to(plant.stored(), snapshot)} <= plant.files()
    scenario.run_upkeep(plant.lakehouse)
    assert plant.files() == plant.needed()
