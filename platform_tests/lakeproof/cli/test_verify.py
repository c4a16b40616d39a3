"""`lakeproof verify` as a person uses it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from platform_tests.lakeproof.cli.conftest import Shell

DAYS = ("--from", "2024-01-01", "--to", "2024-01-03")


@pytest.fixture
def made(shell: Shell, kept: Path) -> Shell:
    """Return a command line where three days are published."""
    return shell.in_copy(kept / "three days", lambda shell: shell.run_all(0, last="2024-01-03"))


def test_identical_days_exit_0(made: Shell) -> None:
    """All published days by default, those that are named, or the whole of a table without days."""
    every = made("verify", "small.totals")
    one = made("verify", "small.totals@2024-01-02", "--json")

    assert (every.code, one.code) == (0, 0)
    assert every.out.strip() == "small.totals 2024-01-01..2024-01-03: identical"
    assert [(day["day"], day["state"]) for day in one.json["days"]] == [("2024-01-02", "identical")]
    assert made("verify", "small.totals", *DAYS).code == 0
    assert made("verify", "small.sensors").out.strip() == "small.sensors: identical"


def test_a_day_that_differs_exits_1_and_shows_both_values(made: Shell) -> None:
    """The readings are made of a file that is no input, so what changed there is found."""
    made.values(_2024_01_02=7)
    done = made("verify", "small.readings")
    told = made("verify", "small.readings", "--json")

    assert (done.code, told.code) == (1, 1)
    assert "small.readings 2024-01-01, 2024-01-03: identical" in done.out
    assert "small.readings 2024-01-02: differs" in done.out
    assert "1 row changed; by column: value (1)" in done.out
    assert ["day 2024-01-02, sensor a", "value", "1", "7"] in [
        [cell.strip() for cell in line.split("  ") if cell.strip()] for line in done.out.splitlines()
    ]
    (differs,) = [day for day in told.json["days"] if day["state"] == "differs"]
    assert (differs["difference"]["changed"], differs["difference"]["columns"]) == (1, {"value": 1})


def test_inputs_that_are_gone_exit_4(made: Shell) -> None:
    """Nothing is known of a day whose inputs are gone, so it is no success, whatever the other days are."""
    told = made("show", "small.readings@2024-01-02", "--evidence", "--json").json
    made.values(_2024_01_02=7)
    made("run", "small.readings", "--day", "2024-01-02")
    assert made("verify", "small.totals").code == 0
    Path(told["day"]["files"][0]["location"].removeprefix("file://")).unlink()
    done = made("verify", "small.totals")

    assert done.code == 4
    assert "small.totals 2024-01-01, 2024-01-03: identical" in done.out
    assert "small.totals 2024-01-02: inputs gone" in done.out
    assert "2024-01-02: small.readings 2024-01-02: run " in done.out
    assert made("verify", "small.totals@2024-01-01").code == 0


def test_what_cannot_be_asked_exits_2(made: Shell) -> None:
    """A table that is not there, a day that is not published, and days of a table that has none."""
    for words in (
        ("verify", "small.totalls"),
        ("verify", "small.totals@2024-01-09"),
        ("verify", "small.totals@2024-01-01", "--day", "2024-01-02"),
        ("verify", "small.sensors", "--day", "2024-01-01"),
    ):
        done = made(*words)
        assert done.code == 2, words
        assert "Next: " in done.err, words
