"""`lakeproof value` on a real lake with real runs: what nobody needs is found, with what stopping it saves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine

from lakeproof import Lakehouse
from lakeproof.lake.used import note_use
from lakeproof.stewardship.valuing import recorded

PIPELINE = Path(__file__).parent / "worth_pipeline.py"
HOSTILE = '<script>alert("1")</script>'
RATES = """
currency: USD
rates:
  vcpu: {usd: 3600000, unit: vCPU-hour, source: this test, date: 2026-01-01}
  storage: {usd: 0.02, unit: GB-month, source: this test, date: 2026-01-01}
"""
DAYS = ("--from", "2024-01-01", "--to", "2024-01-03")


def at(instant: str) -> Any:
    """Set the clock."""
    return time_machine.travel(datetime.fromisoformat(instant).replace(tzinfo=UTC), tick=True)


def unmade_in(shell: Any) -> None:
    """Say which pipeline there is, and what things cost."""
    (shell.folder / "workspace.yaml").write_text(f"load_from:\n  - python_file: {PIPELINE}\n")
    (shell.folder / "rates.yaml").write_text(RATES)
    shell.patch.setenv("LAKEPROOF_RATES", str(shell.folder / "rates.yaml"))
    shell.patch.delenv("LAKEPROOF_QUERY_LOGS", raising=False)


def made_in(shell: Any) -> None:
    """Make the tables, in the autumn of 2026."""
    unmade_in(shell)
    with at("2026-09-01T06:00"):
        assert shell("run", "--all", *DAYS).code == 0
    shell.values(_2024_01_02=7)
    with at("2026-11-20T06:00"):
        assert shell("run", "--all", *DAYS).code == 0


@pytest.fixture
def unmade(shell: Any) -> Any:
    """Return the command line where totals are worth something to a consumer with a hostile name, and nothing was made.

    A second of processor costs a thousand dollars.
    """
    unmade_in(shell)
    return shell


@pytest.fixture
def worth(shell: Any, kept: Path) -> Any:
    """Return the same where readings, totals and what nobody needs were made in the autumn of 2026."""
    made = shell.in_copy(kept / "worth", made_in)
    unmade_in(made)
    return made


def test_the_unused_pipeline_is_found(worth: Any) -> None:
    """First of all, since nothing else loses money; with both tables that only it needs, and who would notice."""
    with at("2026-11-26T06:00"):
        said = worth("value")
        told = worth("value", "--json").json
    ends = {end["end"]: end for end in told["ends"]}
    idle, totals, sensors = ends["worth.idle_sum"], ends["worth.totals"], ends["worth.sensors"]

    assert said.code == 0
    assert told["ends"][0]["end"] == "worth.idle_sum"
    assert list(ends) == sorted(ends, key=lambda name: -ends[name]["lost_usd"])
    assert (idle["action"], idle["declared"], idle["only_it_needs"]) == (
        "stop",
        False,
        ["worth.idle", "worth.idle_sum"],
    )
    assert 0 < idle["saving_usd"] < idle["cost_usd"]
    assert "nobody was seen to read it in the 86 days" in idle["reason"]
    assert (totals["action"], totals["worth_usd"], totals["review_due"]) == ("keep", 1_000_000, [HOSTILE])
    assert totals["would_notice"] == [f"{HOSTILE} (team:shop)"]
    assert (sensors["assets"], sensors["declared"]) == (["asset reports/sensors"], True)
    assert told["totals"]["stop"] == told["totals"]["undeclared"] == 1
    assert sum(end["cost_usd"] for end in told["ends"]) == pytest.approx(told["totals"]["cost"])
    text = " ".join(said.out.split())
    for words in (
        "stop worth.idle_sum with worth.idle, which nothing else needs: saves $",
        "would notice: nobody that is known of",
        "Nobody declares a need for worth.idle_sum.",
        "1 pipeline costs more than anybody says it is worth",
        "was to be looked at again by now",
        "Not seen are reads by DuckDB, Polars, PyIceberg and Spark alone, nor by Trino and Postgres",
    ):
        assert words in text, words


def test_a_read_keeps_it(worth: Any) -> None:
    """One that Lakeproof saw, or that a query log tells of; and only for as long as that is not long ago."""
    with at("2026-11-01T06:00"):
        assert worth("show", "worth.idle_sum@2024-01-01", "--held").code == 2  # the held are no use
        assert worth("show", "worth.idle_sum@2024-01-01").code == 0
    (read,) = worth("value", "worth.idle_sum", "--json", "--as-of", "2026-11-26T06:00Z").json["ends"]
    (late,) = worth("value", "worth.idle_sum", "--json", "--as-of", "2026-11-29T06:00Z").json["ends"]

    assert (read["action"], read["unread_days"], read["uses"]) == ("keep", 25, 1)
    assert (late["action"], late["unread_days"]) == ("stop", 28)
    assert late["would_notice"] == read["readers"]

    log = worth.folder / "queries.json"
    log.write_text(
        '{"metadata": {"queryState": "FINISHED", "query": "select * from worth.idle_sum"}, '
        '"context": {"user": "ada"}, "endTime": "2026-11-28T10:00:00Z"}\n'
    )
    worth.patch.setenv("LAKEPROOF_QUERY_LOGS", str(log))
    (seen,) = worth("value", "worth.idle_sum", "--json", "--as-of", "2026-11-29T06:00Z").json["ends"]
    assert (seen["action"], seen["unread_days"], seen["readers"][-1]) == ("keep", 1, "ada@trino")


def test_a_table_without_code_is_told_by_the_record(worth: Any) -> None:
    """What another workspace makes, or nobody any more, costs as before, and needs what it read."""
    part = worth.folder / "part.py"
    part.write_text(
        "import runpy\nimport dagster as dg\nfrom lakeproof import Lakehouse\n"
        f"made = runpy.run_path({str(PIPELINE)!r})\n"
        "defs = dg.Definitions(assets=[made['double']], resources={'lakehouse': Lakehouse()})\n"
    )
    with at("2026-11-25T06:00"):
        assert worth("run", "worth.idle", "--day", "2024-01-02").code == 0
    with at("2026-11-26T06:00"):
        whole = worth("value", "--json").json
        (worth.folder / "workspace.yaml").write_text(f"load_from:\n  - python_file: {part}\n")
        told = worth("value", "--json").json
    ends = {end["end"]: end for end in told["ends"]}

    assert {"worth.totals", "worth.idle_sum"} <= ends.keys()
    assert "worth.idle" not in ends
    assert ends["worth.idle_sum"]["needs"] == ["worth.idle", "worth.idle_sum", "worth.readings", "worth.sensors"]
    assert told["totals"]["cost"] == pytest.approx(whole["totals"]["cost"])


def test_a_table_is_no_asset_beside_tables(worth: Any) -> None:
    """Of a table without code, the tables that read it are no reports, whether their own code is there or not."""
    with at("2026-11-25T06:00"):
        assert worth("run", "worth.idle", "--day", "2024-01-02").code == 0
    home = worth.folder / "home"
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        lake = Lakehouse(home=str(home)).lake
        (readings,) = recorded(instance, lake, ["worth.readings"], datetime(2026, 11, 26, tzinfo=UTC))

    assert readings.assets == ()


def test_the_page_shows_text_and_no_markup(worth: Any) -> None:
    """It asks nobody for anything, and a hostile consumer is a name."""
    with at("2026-11-26T06:00"):
        said = worth("value", "--html", "value.html")
    text = (worth.folder / "value.html").read_text()

    assert said.code == 0
    assert "Written to value.html." in said.out
    assert "<script" not in text
    assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;" in text
    assert "default-src 'none'" in text
    assert not [word for word in ("src=", "href=", "http:", "https:", "url(", "@import") if word in text]
    assert text.index("Stop worth.idle_sum") < text.index("All ends")
    assert '<th scope="col">end</th>' in text


def test_what_is_young_is_left_alone(worth: Any) -> None:
    """Four weeks after its first publish something can be said, and not a day before."""
    actions = [
        worth("value", "worth.idle_sum", "--json", "--as-of", f"2026-09-{day}T06:00Z").json["ends"][0]["action"]
        for day in (28, 29)
    ]

    assert actions == ["keep", "stop"]


def test_the_doctor_warns_of_what_nobody_declared(worth: Any) -> None:
    """It is no fault: everything else being in order, the doctor exits 0."""
    said, told = worth("doctor"), worth("doctor", "--json").json

    assert said.code == 0
    assert "nobody declares a need for worth.idle_sum" in " ".join(said.out.split())
    assert [finding["what"] for finding in told if finding["warns"]] == ["value"]


def test_a_name_is_no_markup_in_the_terminal(worth: Any) -> None:
    """Whoever gives a reader's name could otherwise end the command, or hide what it says."""
    table = Lakehouse(home=str(worth.folder / "home")).lake.find("worth.idle_sum")
    assert table is not None
    with at("2026-11-27T06:00"):
        note_use(table, "[/red] [conceal]ada")
    said = worth("value", "worth.idle_sum", "--as-of", "2026-11-29T06:00Z")

    assert said.code == 0
    assert "[/red]" in said.out
    assert "[conceal]" in said.out


def test_before_its_first_day_a_table_was_never_published(worth: Any) -> None:
    """A report of the past knows nothing of what came later."""
    (end,) = worth("value", "worth.idle_sum", "--json", "--as-of", "2026-08-01T06:00Z").json["ends"]

    assert (end["first_published"], end["action"]) == (None, "keep")
    assert "was never published" in end["reason"]


def test_a_use_is_beside_the_table(worth: Any) -> None:
    """So that it is found without Dagster; a reader may have any name."""
    table = Lakehouse(home=str(worth.folder / "home")).lake.find("worth.idle_sum")
    assert table is not None
    with at("2026-11-27T06:00"):
        note_use(table, HOSTILE)
    (end,) = worth("value", "worth.idle_sum", "--json", "--as-of", "2026-11-29T06:00Z").json["ends"]

    assert (end["readers"], end["last_use"]) == ([HOSTILE], "2026-11-27")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["worth.idel"], ["worth.idel", "Did you mean worth.idle"]),
        (["--as-of", "0001-01-01T00:00Z"], ["'0001-01-01T00:00Z' is not an instant"]),
        (["--as-of", "yesterday"], ["'yesterday' is not an instant"]),
        (["--html", "/nowhere/value.html"], ["/nowhere/value.html cannot be written", "leave --html out"]),
    ],
)
def test_a_wrong_question_is_refused(unmade: Any, words: list[str], said: list[str]) -> None:
    """A table, an instant and a file that are none are each told in a sentence."""
    refused = unmade("value", *words)

    assert refused.code == 2
    for text in said:
        assert text in refused.err


def test_a_log_that_is_not_there_is_told(unmade: Any) -> None:
    """Use that should be seen and is not would be believed: so it is an error."""
    unmade.patch.setenv("LAKEPROOF_QUERY_LOGS", "/nowhere/queries.json")
    refused = unmade("value")

    assert refused.code == 1
    assert "LAKEPROOF_QUERY_LOGS names /nowhere/queries.json, which is not there" in refused.err


def test_rates_that_are_too_old_are_told(unmade: Any) -> None:
    """Without costs there is nothing to set a worth beside."""
    refused = unmade("value", "--as-of", "2027-06-01T06:00Z")

    assert refused.code == 2
    assert "more than a year before" in refused.err


def test_a_workspace_without_tables_has_no_pipeline(shell: Any) -> None:
    """No table yet: that is what is said."""
    (shell.folder / "none.py").write_text(
        "import dagster as dg\nfrom lakeproof import Lakehouse\n@dg.asset\ndef mail(): pass\n"
        "defs = dg.Definitions(assets=[mail], resources={'lakehouse': Lakehouse()})\n"
    )
    (shell.folder / "workspace.yaml").write_text("load_from:\n  - python_file: none.py\n")

    said = shell("value")
    assert (said.code, said.out.strip()) == (0, "There is no table yet.")
    assert not (shell.folder / "home" / "dagster").exists()
