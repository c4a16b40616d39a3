"""An output is let go whatever became of it: the command that every refusal of a broken one names must work."""

from __future__ import annotations

from typing import Any

import pytest

from lakeproof.errors import LakeError, UsageError
from lakeproof.lake.files import list_files
from lakeproof.lake.running import claimed
from lakeproof.outputs.discarding import LetGo, discard
from lakeproof.outputs.listing import tables_of_outputs


def test_an_output_whose_ledger_is_gone_is_let_go(lab: Any, beside: Any) -> None:
    """Nothing else opens it any more; what it had is not known, and readers of `main` notice nothing."""
    table = lab.table()
    lab.run(table, lab.rows(1), 1)
    beside.run(table, lab.rows(7), 1)
    main = lab.lakehouse.lake.find(table.name)
    for file in list(list_files(main.io, f"{main.location()}/outputs")):
        main.io.delete(file.location)
    with pytest.raises(LakeError, match="ledger of output fix-units is gone") as refused:
        beside.lakehouse.lake.find(table.name)
    assert refused.value.next_step == "lakeproof discard fix-units"

    assert discard(lab.lakehouse.lake, "fix-units") == [LetGo("lab.readings", None)]

    assert tables_of_outputs(lab.lakehouse.lake) == {}
    assert beside.shown(table) == lab.shown(table) == [1]


def test_what_an_output_had_is_told(lab: Any, beside: Any) -> None:
    """By table and day; and an output that is not there is refused by the names of those that are."""
    table = lab.table()
    beside.run(table, lab.days(2, 7), 1, 2)

    with pytest.raises(UsageError, match="fix-units"):
        discard(lab.lakehouse.lake, "fix-unit")
    assert discard(lab.lakehouse.lake, "fix-units") == [LetGo("lab.readings", (lab.day(1), lab.day(2)))]


def test_an_output_that_a_run_is_writing_to_stays(lab: Any, beside: Any) -> None:
    """It would lose what the run is about to publish."""
    table = lab.table()
    beside.run(table, lab.rows(7), 1)
    with (
        claimed(beside.lakehouse.lake.find(table.name), "20240101T000000000000-00000000", [lab.day(1)]),
        pytest.raises(LakeError, match="is writing to output fix-units"),
    ):
        discard(lab.lakehouse.lake, "fix-units")
    assert beside.shown(table) == [7]
