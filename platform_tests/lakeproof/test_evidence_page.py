"""The page on evidence is true: its commands run as they stand, and fail where evidence and files do not agree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flights.definitions import defs
from lakeproof import Lakehouse
from lakeproof.asset import table_assets

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "evidence.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
MADE = ("airlines", "airports", "planes", "raw_weather", "raw_departures", "departures")


@pytest.fixture(scope="module")
def lake(publish: Any, tmp_path_factory: pytest.TempPathFactory, flights_outside: dict[str, str]) -> Path:
    """Return a folder with a lake that has a day of departures, and the workspace that made it."""
    assert flights_outside
    folder = tmp_path_factory.mktemp("evidence")
    lakehouse = Lakehouse(home=str(folder / ".lakeproof"))
    made = {made.table.name: made for made in table_assets(defs.resolve_all_asset_keys())}
    for name in MADE:
        table = made[f"flights.{name}"].table
        days = table.window("2013-01-05").days if table.partition else [None]
        assert publish(lakehouse, made[table.name], days).exit_code == 0
    (folder / "workspace.yaml").write_text(
        (ROOT / "workspace.yaml")
        .read_text()
        .replace("working_directory: platform", f"working_directory: {ROOT}/platform")
    )
    return folder


def run(folder: Path, blocks: list[str]) -> subprocess.CompletedProcess[str]:
    """Run commands of the page one after the other in one shell, until one fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    known = {name: value for name, value in os.environ.items() if not name.startswith(("LAKEPROOF", "DAGSTER"))}
    script = "set -euo pipefail\n" + "\n".join(blocks)
    return subprocess.run(
        ["/usr/bin/env", "bash", "-c", script],
        cwd=folder,
        env=known | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_command_runs_and_agrees(lake: Path) -> None:
    """From the catalog's pointer to the digest of the rows, and then the same by Lakeproof."""
    done = run(lake, BLOCKS)

    assert done.returncode == 0, done.stderr
    assert len(BLOCKS) >= 9
    for told in (
        ".json: OK",
        ".parquet: OK",
        "readers see these files and no other",
        "the rows are the audited ones",
        "leaves_on_its_day: 0|",
        "raw|flights.raw_departures|2013-01-05|",
        "airports|flights.airports|all|",
        "flights.departures 2013-01-05: identical",
    ):
        assert told in done.stdout, done.stdout


@pytest.mark.parametrize("what", ["evidence", "data"])
def test_the_commands_fail_where_something_was_changed(lake: Path, tmp_path: Path, what: str) -> None:
    """Evidence that was edited, and a data file whose bytes are others, are found by the plain tools alone."""
    table = lake / ".lakeproof" / "warehouse" / "flights" / "departures"
    (file,) = (table / "evidence").glob("*.json") if what == "evidence" else (table / "data").rglob("*.parquet")
    kept = tmp_path / "kept"
    shutil.copyfile(file, kept)
    try:
        file.write_bytes(file.read_bytes().replace(b"2013", b"2014", 1) + (b"" if what == "evidence" else b"x"))
        done = run(lake, BLOCKS[:-1])
    finally:
        shutil.copyfile(kept, file)

    assert done.returncode != 0
    assert f"{file.name if what == 'data' else '.json'}: FAILED" in done.stdout
