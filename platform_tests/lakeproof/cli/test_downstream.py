"""`run --downstream`: what follows is shown before it runs, and runs as far as something changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from platform_tests.lakeproof.cli.conftest import Shell

DAY = "2024-01-02"
RESTATED = ("run", "small.readings", "--day", DAY)


def became(document: Any) -> dict[str, list[tuple[str, str]]]:
    """Return what became of each day of each table."""
    return {run["table"]: [(day["day"], day["state"]) for day in run["days"]] for run in document["tables"]}


@pytest.fixture
def published(shell: Shell) -> Shell:
    """Return a command line in a lake where three days of all tables are published."""
    assert shell("run", "--all", "--from", "2024-01-01", "--to", "2024-01-03").code == 0
    return shell


def test_what_follows_is_shown_and_runs_as_far_as_something_changes(published: Shell) -> None:
    """A plan runs nothing, wherever it is asked for; a restatement that broke off is gone on with; then no more."""
    before = published("status", "--json").json
    days = ("--from", DAY, "--to", "2024-01-05", "--json")
    plans = [published("run", "small.readings", *order, *days) for order in (("--plan", "--downstream"), ("--plan",))]
    shown = published(*RESTATED, "--downstream", "--plan")
    assert "Nothing was run." in shown.out
    for plan in plans:
        (step,) = plan.json["downstream"]
        assert (step["table"], step["days"], step["runs"]) == ("small.totals", [DAY, "2024-01-03"], 1)
        assert step["because"] == ["small.readings"]
        assert 0 < step["seconds"] < 60
    assert published("status", "--json").json == before

    published.values(_2024_01_02=7)
    published(*RESTATED)  # and no more: as if it had been killed
    again = published(*RESTATED, "--downstream", "--json")
    same = published(*RESTATED, "--downstream")

    assert again.code == same.code == 0
    assert became(again.json) == {"small.readings": [(DAY, "unchanged")], "small.totals": [(DAY, "published")]}
    assert again.json["skipped"] == []
    assert "small.totals" in same.out.split("small.readings")[0]  # the plan comes first
    assert f"small.totals {DAY}: not run again, for nothing that it reads changed." in same.out


def test_a_table_of_its_own_is_for_one_table(shell: Shell) -> None:
    """What follows would go to the same table: a usage error, and nothing runs."""
    refused = shell(*RESTATED, "--downstream", "--output", "fix", "--as-table", "small.readings_fix")

    assert refused.code == 2
    assert "without what follows from it" in refused.err
