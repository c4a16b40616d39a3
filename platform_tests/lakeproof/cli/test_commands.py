"""The command as a person uses it: what it prints, and how it exits."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lakeproof.cli.execute import dagster_instance

if TYPE_CHECKING:
    from platform_tests.lakeproof.cli.conftest import Shell

FIRST, LAST = "2024-01-01", "2024-01-04"
DAYS = ("--from", FIRST, "--to", LAST)
COMMAND = Path(sys.executable).with_name("lakeproof")
"""The command as it is installed, for what only a process of its own shows."""


def start(*words: str) -> subprocess.Popen[str]:
    """Start the installed command in the working directory."""
    return subprocess.Popen([COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def when_read(fifo: Path, process: subprocess.Popen[str], seconds: float = 30) -> int:
    """Wait until a process reads a FIFO, and return its other end."""
    until = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < until:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            time.sleep(0.02)
    process.kill()
    raise AssertionError(process.communicate())


def states(document: dict, table: str) -> list[str]:
    """Return what became of each day of a table, from `run --json`."""
    (found,) = [run for run in document["tables"] if run["table"] == table]
    return [day["state"] for day in found["days"]]


def test_a_run_publishes_upstream_first_and_exits_0(shell: Shell) -> None:
    """`--all` makes every table in the order in which they read each other."""
    done = shell("run", "--all", *DAYS, "--json")

    assert done.code == 0
    assert [run["table"] for run in done.json["tables"]] == ["small.sensors", "small.readings", "small.totals"]
    assert states(done.json, "small.totals") == ["published"] * 4


def test_a_rerun_changes_nothing(published: Shell) -> None:
    """The same inputs give the same content, no new snapshot, and exit 0."""
    again = published("run", "--all", *DAYS, "--json")

    assert again.code == 0
    assert {state for run in again.json["tables"] for day in run["days"] for state in [day["state"]]} == {"unchanged"}
    assert {run["snapshot"] for run in again.json["tables"]} == {None}


def test_a_held_day_exits_3_and_holds_only_what_needs_it(shell: Shell) -> None:
    """One bad day is held, its downstream day is not ready, the rest publishes; the smallest code wins."""
    shell.values(_2024_01_03=-1)
    done = shell("run", "--all", *DAYS, "--json")

    assert done.code == 3
    assert states(done.json, "small.readings") == ["published", "published", "held", "published"]
    assert states(done.json, "small.totals") == ["published", "published", "not-ready", "published"]


def test_a_refusal_says_what_where_and_what_next(shell: Shell) -> None:
    """The text names table, day, audit, what readers see, and a command that works."""
    shell.values(_2024_01_03=-1)
    done = shell("run", "--all", *DAYS)

    assert "small.readings 2024-01-03 held: between_value: value from 0 to 100: 1 of 1 rows" in done.out
    assert "Readers: see nothing of it; it was never published" in done.out
    assert "lakeproof show small.readings@2024-01-03 --held" in done.out
    assert "small.totals 2024-01-03 not-ready: small.readings is held for that day" in done.out


def test_what_is_held_can_be_seen_and_mended(one_held: Shell) -> None:
    """`held` lists it, `show --held` shows the rows, and a good rerun clears it."""
    listed = one_held("held", "--json").json
    shown = one_held("show", "small.readings@2024-01-03", "--held")
    one_held.values()
    mended = one_held("run", "small.readings", "small.totals", "--day", "2024-01-03")

    assert [(held["table"], held["day"]) for held in listed] == [("small.readings", "2024-01-03")]
    assert shown.code == 0
    assert "held by between_value" in shown.out
    assert "-1" in shown.out
    assert mended.code == 0
    assert one_held("held").out.strip() == "No day is held."
    assert one_held("show", "small.readings@2024-01-03", "--held").code == 2


def test_not_ready_alone_exits_4_and_names_the_commands(shell: Shell) -> None:
    """Nothing runs before its upstream is there, whoever asks."""
    done = shell("run", "small.totals", *DAYS)

    assert done.code == 4
    assert "small.readings is not published for that day" in done.out
    assert f"lakeproof run small.readings --from {FIRST} --to {LAST}" in done.out


def test_a_function_that_raises_exits_1_and_leaves_readers_alone(published: Shell) -> None:
    """The run refuses as a whole; what was published stays."""
    (published.folder / "values.json").write_text(json.dumps({"2024-01-02": "broken"}))
    done = published("run", "small.readings", *DAYS)

    assert done.code == 1
    assert "small.readings 2024-01-01..2024-01-04: " in done.out
    assert "raised ValueError: the source is broken" in done.out
    assert "Readers: see what they saw before this run" in done.out
    assert published("show", "small.readings@2024-01-02", "--json").json["rows"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run",), "Name the tables to run, or --all."),
        (("run", "small.reedings", "--day", FIRST), "Did you mean small.readings?"),
        (("run", "small.readings"), "small.readings is a daily table: say which days."),
        (("run", "small.readings", "--day", "2023-12-31"), "it starts on 2024-01-01"),
        (("run", "small.readings", "--day", "2024-02-01"), "it ended before 2024-02-01"),
        (("run", "small.readings", "--day", "2024-02-30"), "'2024-02-30' is not a day"),
        (("run", "small.readings", "--from", LAST, "--to", FIRST), "lies before"),
        (("run", "small.readings", "--from", FIRST), "Give --from and --to together"),
        (("run", "small.readings", "--day", FIRST, "--from", FIRST), "not both"),
        (("run", "small.readings", "--day", FIRST, "-w", "nowhere.yaml"), "There is no nowhere.yaml"),
        (("rum",), "Did you mean run?"),
        (("show", "small.nothing"), "There is no table 'small.nothing'"),
        (("show", "small.sensors@2024-01-01"), "has no days"),
        (("show", "small.readings@2024-01-31"), "is not published; readers see no row of it"),
        (("show", "small.readings@2024-01-01", "--columns", "valu"), "Did you mean value?"),
        (("status", "--nonsense"), "No such option"),
    ],
)
def test_a_wrong_command_exits_2_and_says_what_is_right(shell: Shell, words: tuple[str, ...], said: str) -> None:
    """A wrong word, day or table is told at once, and nothing is run."""
    if words[0] == "show":
        shell("run", "--all", *DAYS)
    done = shell(*words)

    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


def test_status_counts_what_readers_have(one_held: Shell) -> None:
    """Published, held and missing days, and rows."""
    found = {line["table"]: line for line in one_held("status", "--json").json}

    assert found["small.readings"]["published"] == 3
    assert found["small.readings"]["held"] == ["2024-01-03"]
    assert len(found["small.readings"]["missing"]) == 27
    assert found["small.sensors"] == {
        "table": "small.sensors",
        "layer": "collection",
        "published": 1,
        "held": [],
        "missing": [],
        "rows": 2,
        "bytes": found["small.sensors"]["bytes"],
    }
    assert "small.readings" in one_held("status").out


def test_a_table_without_a_day_shows_which_days_it_has(published: Shell) -> None:
    """`show TABLE` of a daily table is an overview; of another, its rows."""
    assert "4 days published, 4 rows: 2024-01-01..2024-01-04" in published("show", "small.readings").out
    assert published("show", "small.sensors", "--json").json["rows"] == 2


def test_doctor_finds_a_damaged_catalog(published: Shell) -> None:
    """In order it exits 0; with a catalog that is no database it exits 1, as does every other command."""
    assert published("doctor").code == 0

    (published.folder / "home" / "catalog.db").write_bytes(b"not a database" * 1000)
    assert published("doctor").code == 1
    broken = published("held")
    assert broken.code == 1
    assert "file is not a database" in broken.err
    assert "restore the catalog from a backup" in broken.err


def test_duplicates_tells_metrics_of_one_name_and_two_meanings(shell: Shell) -> None:
    """A pipeline in order exits 0; with one name for two meanings 1; what is only defined twice exits 0 and is told."""
    assert shell("duplicates").out == "3 tables, 0 metrics, 0 findings, 0 of them errors\n"
    assert shell("duplicates", "small.totl").code == 2

    code = Path(__file__).with_name("small_pipeline.py").read_text().replace('"small.', '"measured.')
    code = code.replace("import Column,", "import Column, Metric,")
    told = 'description="It is told.", unit="1", direction="higher", grain=["day"]'

    def declared(name: str, of_totals: str) -> None:
        first = f'    metrics=[Metric("peak", "max(value)", {told})],\n    partition="day",\n    layer="collection"'
        second = f'    metrics=[Metric("{name}", "{of_totals}", {told})],\n    partition="day",\n    layer="analysis"'
        text = code.replace('    partition="day",\n    layer="collection"', first)
        text = text.replace('    partition="day",\n    layer="analysis"', second).replace('"measured.', f'"{name}.')
        (shell.folder / f"measured_{name}.py").write_text(text)
        workspace = f"load_from:\n  - python_file:\n      relative_path: measured_{name}.py\n      location_name: it\n"
        (shell.folder / "workspace.yaml").write_text(workspace)

    declared("peak", "max(total)")
    done = shell("duplicates")
    assert done.code == 1
    assert "one name, two meanings" in done.out
    assert "1 of them errors" in done.out
    (conflict,) = shell("duplicates", "--json").json
    assert (conflict["kind"], conflict["keep"], conflict["other"]) == (
        "conflict",
        "peak.readings.peak",
        "peak.totals.peak",
    )
    assert shell("duplicates", "peak.totals").code == 0

    declared("top", "max(total)")
    assert shell("duplicates", "--published").code == 0


def test_lint_finds_what_the_code_shows(shell: Shell) -> None:
    """A pipeline in order exits 0; one with a fault exits 1 with its file, line and remedy, and the doctor says so."""
    assert (shell("lint").code, shell("lint").out) == (0, "3 tables, 0 findings\n")

    text = Path(__file__).with_name("small_pipeline.py").read_text().replace('"small.', '"faulty.')
    text = text.replace("  # lakeproof: ok (it stands for a source in these tests)", "")
    (shell.folder / "faulty.py").write_text(text)
    workspace = "load_from:\n  - python_file:\n      relative_path: faulty.py\n      location_name: faulty\n"
    (shell.folder / "workspace.yaml").write_text(workspace)
    line = next(n for n, code in enumerate(text.splitlines(), 1) if "read_text" in code)
    what = f"faulty.py:{line}: .read_text reads what is no input: declare it as an input"

    done = shell("lint")
    assert done.code == 1
    assert done.out.startswith(what)
    assert done.out.endswith("3 tables, 1 finding\n")
    assert (shell("lint", "faulty.totals").code, shell("lint", "faulty.totl").code) == (0, 2)
    assert shell("lint", "--json").json[0]["line"] == line

    told = shell("doctor")
    assert told.code == 1
    assert what.split(":")[1] in told.out


@pytest.mark.usefixtures("published")
def test_dagsters_record_has_the_runs() -> None:
    """The UI shows what the command did: one run a table, attributed to its code location, with its days as tags."""
    with dagster_instance() as instance:
        runs = {next(iter(run.asset_selection)).to_user_string(): run for run in instance.get_runs()}

    assert set(runs) == {"small/sensors", "small/readings", "small/totals"}
    assert all(run.is_success for run in runs.values())
    assert runs["small/readings"].tags["dagster/asset_partition_range_start"] == FIRST
    assert runs["small/readings"].remote_job_origin.location_name == "small"


def test_help_starts_without_the_platform() -> None:
    """`lakeproof --help` imports neither Dagster nor an engine, so it answers at once."""
    code = (
        "import sys; from lakeproof.cli.app import lakeproof; lakeproof.main(['--help'], standalone_mode=False); "
        "print(sorted({'dagster', 'duckdb', 'polars', 'pyarrow', 'pyiceberg'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
    assert "Exit codes" in done.stdout


def test_looking_at_the_lake_needs_no_code_location() -> None:
    """`show` and `held` start without Dagster, and work while the code is broken."""
    code = "import sys, lakeproof.cli.show, lakeproof.cli.held; print('dagster' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


def test_an_interrupted_run_exits_130_with_one_message(shell: Shell) -> None:
    """Ctrl-C in the middle of a function says what stands and what is next, and prints no stack."""
    shell("run", "small.sensors")
    (shell.folder / "values.json").unlink()
    os.mkfifo(shell.folder / "values.json")
    process = start("run", "small.readings", *DAYS)
    other_end = when_read(shell.folder / "values.json", process)
    try:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        os.close(other_end)
        process.kill()

    assert process.returncode == 130
    assert (out + err).count("Interrupted") == 1
    assert "small.readings" in err
    assert "Traceback" not in out + err
    assert "nanobind" not in out + err


@pytest.mark.parametrize("table", ["small.sensors", "small.readings"])
def test_a_rerun_that_is_interrupted_while_its_rows_are_compared_exits_130(published: Shell, table: str) -> None:
    """DuckDB reads them then, in this thread or another: the interrupt is one all the same, and no table follows."""
    program = Path(__file__).parent / "interrupted_command.py"
    command = [sys.executable, program, table, "run", "--all", *DAYS]
    done = subprocess.run(command, cwd=published.folder, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 130, done.stderr
    assert done.stderr.count("Interrupted") == 1
    assert f"Interrupted while {table} ran" in done.stderr
    assert "small.totals:" not in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_two_first_commands_in_a_new_home_both_work(shell: Shell) -> None:
    """Two shells that make the catalog and Dagster's record at once do not get in each other's way."""
    started = [start("run", "small.sensors") for _ in range(2)]
    ended = [process.communicate(timeout=60) for process in started]

    assert [process.returncode for process in started] == [0, 0], ended
    assert shell("show", "small.sensors", "--json").json["rows"] == 2


def test_looking_for_a_lake_where_none_is_makes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`held` in an empty folder is a wrong command, exits 2, and leaves the folder empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LAKEPROOF_HOME", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    process = start("held")
    _, err = process.communicate(timeout=60)

    assert process.returncode == 2, err
    assert "Next: " in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("value", "code"), [("broken", 1), (-1, 3)], ids=["error", "held"])
def test_a_refusal_is_the_last_thing_on_the_screen(shell: Shell, value: object, code: int) -> None:
    """The process prints nothing of its libraries' after what it refused."""
    (shell.folder / "values.json").write_text(json.dumps({"2024-01-02": value}))
    shell("run", "small.sensors")
    process = start("run", "small.readings", *DAYS)
    out, err = process.communicate(timeout=60)

    assert process.returncode == code, err
    assert "nanobind" not in out + err
    assert "Traceback" not in out + err


def test_rejected_rows_are_shown_with_their_reasons(one_held: Shell) -> None:
    """Of a held day, the rows at fault and the audits that each of them breaks; of a good one, that there are none."""
    done = one_held("show", "small.readings@2024-01-03", "--rejected")
    told = one_held("show", "small.readings@2024-01-03", "--rejected", "--json").json
    good = one_held("show", "small.readings@2024-01-02", "--rejected")

    assert (done.code, good.code) == (0, 2)
    assert "1 row rejected, held" in done.out
    assert (told["rows"], told["sample"][0]["rejected_by"]) == (1, "between_value")
    assert "no row of it is held" in good.err


def test_a_day_that_is_not_ready_runs_for_a_reason_that_the_evidence_keeps(shell: Shell) -> None:
    """Without its input a day exits 4; with a reason it runs, and the reason and what it lacked are its evidence."""
    shell("run", "small.sensors")
    asked = ("run", "small.totals", "--day", FIRST)

    assert shell(*asked).code == 4
    assert shell(*asked, "--ignore-readiness", " ").code == 2
    done = shell(*asked, "--ignore-readiness", "the station was off", "--json")
    (table,) = done.json["tables"]
    evidence = json.loads(Path(table["evidence"].removeprefix("file://")).read_text())
    assert evidence["readiness_ignored"]["reason"] == "the station was off"
    assert "small.readings is not published" in evidence["readiness_ignored"]["days"][FIRST][0]
