"""What commands tell of costs: of a day that is shown, and of tables that are there twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest
    from platform_tests.lakeproof.cli.conftest import Shell

FIRST, LAST = "2024-01-01", "2024-01-04"


def test_a_day_is_shown_with_what_it_cost(shell: Shell) -> None:
    """In one line, with how old the rates are; a held day too."""
    shell.values(_2024_01_03=-1)
    shell("run", "--all", "--from", FIRST, "--to", LAST)

    shown, held = shell("show", f"small.readings@{FIRST}"), shell("show", "small.readings@2024-01-03", "--held")
    told = shell("show", f"small.readings@{FIRST}", "--json").json["cost"]

    assert "cost of making it: 0.0" in shown.out
    assert f"by rates of {told['rates_of']}: processor seconds" in shown.out.replace("\n", " ")
    assert "cost of making it: 0.0" in held.out
    assert told["usd"] > 0
    assert told["used"]["bytes written"] > 0
    assert "used         processor seconds" in shell("show", f"small.readings@{FIRST}", "--evidence").out


def test_a_day_is_shown_without_a_price_where_rates_are_too_old(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which rate, and what was used; the rows are not held back for it."""
    shell("run", "--all", "--day", FIRST)
    old = "{usd: 1, unit: vCPU-hour, source: a test, date: 2020-01-01}"
    (shell.folder / "rates.yaml").write_text(f"currency: USD\nrates:\n  vcpu: {old}\n")
    monkeypatch.setenv("LAKEPROOF_RATES", str(shell.folder / "rates.yaml"))

    done = shell("show", f"small.readings@{FIRST}")

    assert done.code == 0
    assert "rate vcpu is of 2020-01-01, more than a year before" in " ".join(done.out.split())


def test_a_table_that_is_there_twice_has_its_cost(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a month, by the last thirty days; without rates it is told without, and where nothing is recorded too."""
    twice = Path(__file__).with_name("small_pipeline.py").read_text().replace('"small.', '"twice.')
    (shell.folder / "twice.py").write_text(twice)
    with (shell.folder / "workspace.yaml").open("a") as workspace:
        workspace.write("  - python_file:\n      relative_path: twice.py\n      location_name: twice\n")
    assert shell("duplicates", "--published", "small.readings").code == 0
    assert not (shell.folder / "home" / "dagster").exists()
    shell("run", "--all", "--from", FIRST, "--to", "2024-01-12")

    def content() -> list[float | None]:
        done = shell("duplicates", "--published", "--json")
        found = [each for each in done.json if each["kind"] == "content"]
        assert {each["keep"].split(".")[1] for each in found} == {"readings", "totals"}
        return [each["usd_per_month"] for each in found]

    assert all(usd is not None and 0 < usd < 1 for usd in content())

    monkeypatch.setenv("LAKEPROOF_RATES", "/nowhere/rates.yaml")
    assert set(content()) == {None}
    assert "What tables cost is left out" in shell("duplicates", "--published").err
