"""`lakeproof sla` tells how days came, from the lake alone, in the terminal and as JSON."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine

from lakeproof import Lakehouse
from lakeproof.cli.locations import find_tables, load_locations

PIPELINE = Path(__file__).parent / "small_pipeline.py"
TOTALS = '    layer="analysis",\n'
SLA = '    sla=Sla("06:00", target=0.5, since="2024-01-01"),\n'


@pytest.fixture
def promised(shell: Any, publish: Any) -> Any:
    """Return the command line where totals are promised: their first day came in time, the second late, no third."""
    code = PIPELINE.read_text().replace("import Column, Lakehouse,", "import Column, Lakehouse, Sla,")
    (shell.folder / "promised.py").write_text(code.replace(TOTALS, TOTALS + SLA).replace('"small.', '"promised.'))
    (shell.folder / "workspace.yaml").write_text("load_from:\n  - python_file: promised.py\n")
    chosen = find_tables(load_locations("workspace.yaml"), [])
    lakehouse = Lakehouse(home=str(shell.folder / "home"))
    for day, clock in ((date(2024, 1, 1), "2024-01-02T05:00"), (date(2024, 1, 2), "2024-01-03T08:00")):
        with time_machine.travel(datetime.fromisoformat(clock).replace(tzinfo=UTC)):
            for _, made in chosen:
                assert publish(lakehouse, made, [day if made.table.partition else None]).exit_code == 0
    return shell


def test_the_report(promised: Any) -> None:
    """It exits 0 and says what was missed, by how long, and whom it waited for; as of then, what was true then."""
    said = promised("sla", "--as-of", "2024-01-04T12:00Z")
    one = promised("sla", "promised.totals", "--as-of", "2024-01-04T12:00Z")
    earlier = promised("sla", "--as-of", "2024-01-02T12:00Z")

    assert (said.code, one.code, earlier.code) == (0, 0, 0)
    for words in ("promised.totals", "06:00 UTC", "50%", "33.3 %", "2024-01-03 not published yet"):
        assert words in said.out
    assert "promised.readings" not in said.out
    assert "2024-01-01 █▄░" in one.out
    assert "late by 2 h" in one.out
    assert "promised.readings@2024-01-02 (8 h)" in one.out
    assert "promised.readings@2024-01-03, not published yet" in one.out
    assert "100.0 %" in earlier.out
    assert "2024-01-01 in time" in earlier.out

    (record,) = promised("sla", "promised.totals", "--as-of", "2024-01-04T05:00Z", "--json").json

    assert record["attainment"]["7"] == {"judged": 2, "met": 1, "share": 0.5, "budget": 0}
    assert (record["next_day"], record["kept"], record["suggested_due"]) == ("2024-01-03", False, "08:05")
    assert record["expected"]["p95"].startswith("2024-01-04 08:00")
    assert [(day["state"], day["late_seconds"]) for day in record["days"]][:1] == [("met", None)]
    (first, second) = record["days"][1]["path"]
    assert (first["table"], second["table"], second["sources"]) == ("promised.totals", "promised.readings", [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--as-of", "yesterday"], ["'yesterday' is not an instant", "2024-01-02T06:00Z"]),
        (["--as-of", "2024-01-02T06:00"], ["'2024-01-02T06:00' is not an instant", "a zone"]),
        (["small.totals"], ["small.totals has no SLA", "sla=Sla("]),
        (["small.totels"], ["small.totels", "Did you mean small.totals"]),
        (["--days", "0"], ["0", "--help"]),
    ],
)
def test_a_wrong_question_is_refused(shell: Any, words: list[str], said: list[str]) -> None:
    """An instant without a zone, a table without an SLA and a number of no days are each told in a sentence."""
    refused = shell("sla", *words)

    assert refused.code == 2
    for text in said:
        assert text in refused.err
