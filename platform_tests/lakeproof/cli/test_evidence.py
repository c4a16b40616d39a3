"""`show --evidence`: what a day was made from, and whether catalog, evidence, files and rows still agree."""

from __future__ import annotations

import getpass
import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lakeproof.lake.catalog import Lake

if TYPE_CHECKING:
    from platform_tests.lakeproof.cli.conftest import Shell

FIRST, LAST = "2024-01-01", "2024-01-04"
DAYS = ("--from", FIRST, "--to", LAST)
TARGET = ("show", "small.totals@2024-01-02", "--evidence")


def checks(told: Any) -> dict[str, bool | None]:
    """Return each check by its first words."""
    return {" ".join(check["what"].split()[:3]): check["good"] for check in told["checks"]}


def test_evidence_is_shown_and_checked(published: Shell) -> None:
    """It names inputs, audits and files, and finds a file that was changed afterwards."""
    told = published(*TARGET, "--json").json
    (file,) = told["day"]["files"]

    assert all(check["good"] for check in told["checks"])
    assert told["inputs"]["readings"]["table"] == "small.readings"
    assert "2024-01-02" in told["inputs"]["readings"]["days"]
    assert published(*TARGET).code == 0

    with Path(file["location"].removeprefix("file://")).open("ab") as stream:
        stream.write(b" ")
    changed = published(*TARGET)

    assert changed.code == 1
    assert "do not agree" in changed.err


def test_a_person_sees_who_published_it_and_from_what(published: Shell) -> None:
    """Publisher, versions, times, and each input day with its run and a digest short enough to compare by eye."""
    told = published(*TARGET, "--json").json
    shown = published(*TARGET).out
    entry = told["inputs"]["readings"]["days"]["2024-01-02"]

    assert f"publisher    {getpass.getuser()}@{socket.gethostname()}" in shown
    assert f"lakeproof {told['versions']['lakeproof']}" in shown
    assert told["engine"] == {}
    assert not [line for line in shown.splitlines() if line.startswith("engine")]
    assert told["dagster_run"] in shown
    assert told["started"] in shown
    line = next(line for line in shown.splitlines() if "small.readings@2024-01-02" in line)
    assert line.split() == ["readings", "small.readings@2024-01-02", "1", entry["run"], entry["digest"][:12]]
    assert "small.readings@2024-01-01" not in shown


def test_an_expired_snapshot_is_told(published: Shell) -> None:
    """Without the snapshot nothing vouches for the evidence file, which is no fault; the rest is still checked."""
    published.values(_2024_01_01=5)
    published("run", "small.readings", "--day", "2024-01-01")
    table = Lake.default().catalog.load_table("small.readings")
    table.maintenance.expire_snapshots().by_id(table.snapshots()[0].snapshot_id).commit()
    done = published("show", "small.readings@2024-01-02", "--evidence", "--json")

    assert done.code == 0
    assert checks(done.json)["evidence file: the"] is None
    assert [good for what, good in checks(done.json).items() if what != "evidence file: the"] == [True, True, True]
    assert "has expired" in published("show", "small.readings@2024-01-02", "--evidence").out


def test_a_held_day_has_evidence_too(one_held: Shell) -> None:
    """It is checked as far as it goes: no snapshot names it."""
    done = one_held("show", "small.readings@2024-01-03", "--held", "--evidence", "--json")

    assert done.code == 0
    assert [check["good"] for check in done.json["checks"]] == [None, True, True, True]
    assert done.json["day"]["passed"] is False


def test_a_live_file_that_is_gone_is_told(published: Shell) -> None:
    """Neither bytes nor rows can be checked, and the command says so instead of breaking."""
    told = published(*TARGET, "--json").json
    Path(told["day"]["files"][0]["location"].removeprefix("file://")).unlink()
    done = published(*TARGET, "--json")

    assert done.code == 1
    assert [check["good"] for check in done.json["checks"]] == [True, True, False, False]


DAMAGES = ("truncated", "no days", "of another run")


def damage_evidence(shell: Shell, day: str, how: str) -> None:
    """Change the evidence of a published day of the readings."""
    told = shell("show", f"small.readings@{day}", "--evidence", "--json").json
    path = Path(told["evidence"].removeprefix("file://"))
    data = path.read_bytes()
    changed = json.loads(data) | ({"days": {}} if how == "no days" else {"run": "another"})
    path.write_bytes(data[:100] if how == "truncated" else json.dumps(changed).encode())


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_evidence_is_refused_clearly(published: Shell, how: str) -> None:
    """`--evidence` of a file that is not the one its snapshot names exits 1, says so, and what is next."""
    damage_evidence(published, "2024-01-02", how)

    refused = published("show", "small.readings@2024-01-02", "--evidence")

    assert refused.code == 1
    assert "small.readings 2024-01-02" in refused.err
    assert "Next: restore the evidence folder from a backup" in refused.err


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_evidence_hides_no_row_and_stops_no_rerun(one_held: Shell, how: str) -> None:
    """Published and held days are shown and listed, and the day is run again, as if there were no evidence."""
    damage_evidence(one_held, "2024-01-02", how)

    shown = one_held("show", "small.readings@2024-01-02", "--json")
    held = one_held("show", "small.readings@2024-01-03", "--held")
    listed = one_held("held", "--json")
    again = one_held("run", "small.readings", "--day", "2024-01-02")

    assert (shown.code, held.code, listed.code, again.code) == (0, 0, 0, 0)
    assert shown.json["rows"] == 1
    assert [found["day"] for found in listed.json] == ["2024-01-03"]
