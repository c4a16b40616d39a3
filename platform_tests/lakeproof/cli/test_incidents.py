from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from lakeproof.lake.evidence import publisher

if TYPE_CHECKING:
    from conftest import Shell

DAYS = ("--from", "2024-01-03", "--to", "2024-01-04")


def test_an_incident_from_the_first_refusal_to_the_post_mortem(shell: Shell) -> None:
    """A held day is one until it is published; its id stays, and its page says what is known and names nobody."""
    assert "No incident is open." in shell("incidents").out
    shell.values(_2024_01_03=-1)
    shell("run", "--all", *DAYS)
    (listed,) = shell("incidents", "--json").json
    assert (listed["table"], listed["kind"], listed["waiting"]) == ("small.readings", "held", ["2024-01-03"])
    assert listed["id"] in shell("incidents").out

    shell.values()
    shell("run", "small.readings", "--day", "2024-01-03")
    (closed,) = shell("incidents", "small.readings", "--all", "--json").json
    assert (closed["id"], closed["waiting"]) == (listed["id"], [])
    assert closed["seconds"] > 0
    assert shell("incidents", "--json").json == []
    assert shell("incidents", "small.totals", "--all", "--json").json == []

    page = Path("why.md")
    assert shell("postmortem", listed["id"], "--output", str(page)).code == 0
    told = page.read_text()
    assert shell("postmortem", listed["id"], "--json").json["id"] == listed["id"]
    titles = re.findall("^## (.*)$", told, re.MULTILINE)
    assert titles[:4] == ["Summary", "Timeline", "What readers saw", "Impact"]
    assert titles[4:] == ["Evidence", "Detection and recovery", "Contributing factors", "Actions"]
    assert "Nothing wrong." in told
    assert "| 2024-01-03 | a      | -1    |" in told
    assert "| small.totals | team lab | 1: 2024-01-03 |" in told
    assert f"1 row of run `{closed['published'][0]['run']}`, snapshot {closed['published'][0]['snapshot']}" in told
    assert "Closed: all of its days are published." in told
    assert publisher() not in told

    page.write_text("filled in")
    assert shell("postmortem", listed["id"], "--output", str(page)).code == 2
    assert page.read_text() == "filled in"
    wrong, table = shell("postmortem", listed["id"][:-1]), shell("incidents", "small.reading")
    assert (wrong.code, table.code) == (2, 2)
    assert f"Did you mean {listed['id']}?" in wrong.err
    assert "Did you mean small.readings" in table.err
