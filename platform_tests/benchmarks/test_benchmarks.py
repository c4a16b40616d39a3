from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path


def test_each_benchmark_runs_and_gives_well_formed_lines(tmp_path: Path, flights_outside: dict[str, str]) -> None:
    """At a tiny size, without peers, every benchmark does its job and says what it found; no time is judged."""
    assert set(flights_outside.items()) <= set(os.environ.items())  # so that no job fills and starts them once more
    results = tmp_path / "results.json"
    command = [sys.executable, str(Path(__file__).parent), "--tiny", "--json", str(results)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in {0, 1}, done.stderr

    record = json.loads(results.read_text())
    lines = defaultdict(list)
    for line in record["lines"]:
        assert line["what"] != "could not be measured", line["note"]
        lines[line["benchmark"]].append(line)
    assert set(lines) == {"B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "C1", "C2", "C3", "C4"}
    assert {name: [line["bound"] for line in found if line["bound"]] for name, found in lines.items()} == {
        "B1": [1.0, 1.3, 2, 1.0],
        "B2": [],
        "B3": [],
        "B4": [1.5, 1.5],
        "B5": [2],
        "B6": [1.0],
        "B7": [0.5],
        "B8": [1.5],
        "B9": [1.0, 1.0, 1.5, 1.0],
        "C1": [2.0, 1.0],
        "C2": [1.5],
        "C3": [1.25, 1.25, 1.25],
        "C4": [1.1],
    }
    assert all(line["ratio"] is not None for found in lines.values() for line in found if line["bound"])
    assert [line["met"] for line in lines["B3"]] == [True, True, None]
    assert record["versions"].keys() >= {"lakeproof", "pyiceberg"}
    assert "bounds missed" in done.stdout
