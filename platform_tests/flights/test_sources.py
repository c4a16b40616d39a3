"""The sources as a person looks at them, and the page that is made of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flights.feed import Feed
from flights.feed.faults import Fault

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("lakeproof")


def doctor(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Ask the doctor about a source."""
    command = [COMMAND, "doctor", "--source", *words]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_the_page_is_what_the_sources_are(tmp_path: Path) -> None:
    """`docs/sources.md` is what `make docs` writes: the sources as they are."""
    done = doctor("all", "--markdown", LAKEPROOF_HOME=str(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (ROOT / "docs" / "sources.md").read_text()


def test_a_renamed_field_is_seen(tmp_path: Path) -> None:
    """The field is marked, its new name suggested, and the exit code is that of a pre-check."""
    with Feed(rate=0, faults=[Fault("rename", field="dest", to="destination")]) as feed:
        done = doctor("flights.raw_departures", FLIGHTS_FEED_URL=feed.url, LAKEPROOF_HOME=str(tmp_path))
        told = doctor("flights.raw_departures", "--json", FLIGHTS_FEED_URL=feed.url, LAKEPROOF_HOME=str(tmp_path))

    assert done.returncode == told.returncode == 3
    assert "field dest is gone" in done.stdout
    assert "destination" in done.stdout
    (found,) = json.loads(told.stdout)
    assert not found["good"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("flights.departures",), 2, "No table 'flights.departures' collects from a source"),
        (("flights.raw_departures",), 1, "Connection refused"),
    ],
)
def test_a_source_that_is_not_there(words: tuple[str, ...], code: int, said: str, tmp_path: Path) -> None:
    """A table that has none is a usage error; a source that nobody serves is an error."""
    done = doctor(*words, FLIGHTS_FEED_URL="http://127.0.0.1:9", LAKEPROOF_HOME=str(tmp_path))

    assert done.returncode == code
    assert said in done.stdout + done.stderr
