"""On the branch of the example that wastes, `wasteful.py`, what is there twice is found, and what nobody uses."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

WASTEFUL = Path(__file__).with_name("wasteful.py")
COMMAND = [sys.executable, "-c", "from lakeproof.cli import main; main()"]
UPSTREAM = ["raw_departures", "raw_weather", "airlines", "airports", "planes", "departures", "carrier_day"]
RATES = """
currency: USD
rates:
  vcpu: {{usd: 0.05, unit: vCPU-hour, source: this test, date: {today}}}
  storage: {{usd: 0.02, unit: GB-month, source: this test, date: {today}}}
"""


@pytest.fixture(scope="module")
def branch(tmp_path_factory: pytest.TempPathFactory, collected_from: dict[str, str]) -> Any:
    """Return the command on the branch, where two days of what it wastes and of all that this needs were made."""
    folder, command = tmp_path_factory.mktemp("wasteful"), pytest.MonkeyPatch()
    (folder / "rates.yaml").write_text(RATES.format(today=datetime.now(UTC).date()))
    (folder / "workspace.yaml").write_text(f"load_from:\n  - python_file: {WASTEFUL}\n")

    def run(*words: str) -> str:
        done = subprocess.run([*COMMAND, *words], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    with command.context() as environment:
        for name, value in collected_from.items():
            environment.setenv(name, value)
        environment.setenv("LAKEPROOF_HOME", str(folder / "home"))
        environment.setenv("LAKEPROOF_RATES", str(folder / "rates.yaml"))
        for name in ("DAGSTER_HOME", "LAKEPROOF_QUERY_LOGS"):
            environment.delenv(name, raising=False)
        made = [f"flights.{name}" for name in UPSTREAM] + ["waste.airline_day", "waste.taxi_day", "waste.taxi_28d"]
        run("run", *made, "--from", "2013-01-01", "--to", "2013-01-02")
        yield run


def test_what_is_defined_twice_is_found(branch: Any) -> None:
    """The table and the metric, each with the one to use; as published, they hold the same rows."""
    found = json.loads(branch("duplicates", "--published", "--json"))

    assert {(each["kind"], each["keep"], each["other"]) for each in found} == {
        ("duplicate", "flights.carrier_day", "waste.airline_day"),
        ("duplicate", "flights.carrier_day.on_time_share", "waste.airline_day.punctuality"),
        ("content", "flights.carrier_day", "waste.airline_day"),
    }


def test_what_nobody_uses_is_found(branch: Any) -> None:
    """Two months later: with both of its tables, and nobody who would notice; what the example declares is kept."""
    told = json.loads(branch("value", "--json", "--as-of", _months_later()))
    ends = {end["end"]: end for end in told["ends"]}
    unused = ends["waste.taxi_28d"]

    assert {name for name, end in ends.items() if end["action"] == "stop"} == {"waste.taxi_28d", "waste.airline_day"}
    assert unused["only_it_needs"] == ["waste.taxi_28d", "waste.taxi_day"]
    assert 0 < unused["saving_usd"] < unused["cost_usd"]
    assert unused["would_notice"] == []
    assert "nobody was seen to read it" in unused["reason"]
    assert {name for name, end in ends.items() if not end["declared"]} == {"waste.taxi_28d", "waste.airline_day"}
    assert "stop waste.taxi_28d with waste.taxi_day" in " ".join(branch("value", "--as-of", _months_later()).split())


def _months_later() -> str:
    """Return an instant two months after now."""
    return f"{datetime.now(UTC) + timedelta(days=60):%Y-%m-%dT%H:%MZ}"
