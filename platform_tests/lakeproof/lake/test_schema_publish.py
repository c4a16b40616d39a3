"""A schema change is stored with the audited day, or not at all: beside other runs, held days and broken commits."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import StaticTable

from lakeproof import Column
from lakeproof.cli.app import main
from lakeproof.errors import LakeError
from lakeproof.lake import publish as publishing
from lakeproof.lake.evidence import live_content
from lakeproof.lake.held import held_days
from lakeproof.lake.live import View
from lakeproof.reading import content_of

from .changes import CHANGES, COLUMNS, ROW, declare, frame, ids, seen
from .test_publish import together

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings(
    "ignore:Iceberg scan planning"
)  # Polars would like a plugin that is no need here


def test_a_held_day_leaves_readers_the_old_schema(lab: Any) -> None:
    """Nothing of a new contract is stored for a day that was refused; its candidate is as the contract says."""
    first = declare(lab, *COLUMNS)
    lab.run(first, frame(lab, first, 1, **ROW), 1)
    before, table = lab.stored().metadata_location, declare(lab, *CHANGES["all at once"][0], description="New.")
    row = frame(lab, table, 2, **CHANGES["all at once"][2])

    outcome = lab.run(table, pl.concat([row] * 4), 2)

    assert (outcome.exit_code, lab.stored().metadata_location) == (3, before)
    candidate = StaticTable.from_metadata(held_days(lab.stored(), lab.live())[lab.day(2)].candidate)
    assert [field.name for field in candidate.schema().fields] == list(table.column_names)
    rows = pl.scan_iceberg(candidate).select("reading_date", "unit", "cost").collect().sort("reading_date").rows()
    assert rows == [(lab.day(1), None, Decimal("1.25")), *[(lab.day(2), "m", Decimal("123456789.25"))] * 4]


def test_the_command_shows_days_of_either_schema(
    lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A published day is shown as readers have it, and a held one with the columns that it would bring."""
    first = declare(lab, *COLUMNS)
    lab.run(first, frame(lab, first, 1, **ROW), 1)
    table = declare(lab, *CHANGES["all at once"][0])
    lab.run(table, pl.concat([frame(lab, table, 2, **CHANGES["all at once"][2])] * 4), 2)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAKEPROOF_HOME", lab.lakehouse.home)

    def shown(*words: str) -> dict[str, Any]:
        monkeypatch.setattr("sys.argv", ["lakeproof", "show", *words, "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        sample: dict[str, Any] = json.loads(capsys.readouterr().out)["sample"][0]
        return sample

    assert shown("lab.readings@2024-01-01") == {"reading_date": "2024-01-01", **ROW, "price": "1.25"}
    held = shown("lab.readings@2024-01-02", "--held")
    assert (held["unit"], held["cost"], list(held)) == ("m", "123456789.25", list(table.column_names))


def test_an_old_day_without_the_new_columns_values_is_unchanged(lab: Any) -> None:
    """A rerun whose new column is null makes no snapshot; the columns are stored, since the day passed its audits."""
    first = declare(lab, *COLUMNS)
    lab.run(first, frame(lab, first, 1, **ROW), 1)
    columns, old, _ = CHANGES["all at once"]
    table, snapshot = declare(lab, *columns), lab.stored().current_snapshot().snapshot_id

    outcome = lab.run(table, frame(lab, table, 1, **old), 1)

    assert ([day.state for day in outcome.days], outcome.snapshot) == (["unchanged"], None)
    assert lab.stored().current_snapshot().snapshot_id == snapshot
    assert list(ids(lab)) == list(table.column_names)
    settled = lab.stored().metadata_location
    assert lab.states(table, frame(lab, table, 1, **old), 1) == ["unchanged"]
    assert lab.stored().metadata_location == settled
    assert lab.states(table, frame(lab, table, 1, **{**old, "unit": "m"}), 1) == ["published"]


def test_a_digest_of_other_columns_is_never_compared(lab: Any) -> None:
    """Equal hashes over other names or types say nothing: the content is digested anew, over today's columns."""
    first = declare(lab, *COLUMNS)
    lab.run(first, frame(lab, first, 1, **ROW), 1)
    recorded = live_content(lab.stored(), lab.live()[lab.day(1)])
    keys = {recorded.key}

    for change in ("add", "widen int", "widen float", "widen decimal", "rename"):
        view = View.open(lab.lakehouse.lake, declare(lab, *CHANGES[change][0]))
        keys.add(content_of(view, view.days[lab.day(1)]).key)
    same = View.open(lab.lakehouse.lake, declare(lab, *CHANGES["order"][0]))

    assert len(keys) == 6
    assert content_of(same, same.days[lab.day(1)]) == recorded


def test_two_runs_that_change_the_schema_at_once_agree(lab: Any) -> None:
    """Days staged for the same new contract publish side by side: one stores the columns, none is lost."""
    first = declare(lab, *COLUMNS)
    lab.run(first, frame(lab, first, 1, **ROW), 1)
    columns, _, new = CHANGES["all at once"]
    table = declare(lab, *columns)
    given = {"columns": columns, "key": [], "audits": table.audits}
    runs = [lab.attempt(frame(lab, table, number, **new), number, **given) for number in (2, 3, 4, 5)]

    results = together(*(run.publish for run in runs))

    assert [getattr(done, "published", done) for done in results] == [{lab.day(number)} for number in (2, 3, 4, 5)]
    assert (len(lab.stored().schemas()), ids(lab)["unit"]) == (2, 6)
    for rows in seen(lab, table):
        assert [row["unit"] for row in rows] == [None, "m", "m", "m", "m"]


def test_a_commit_that_lost_to_another_schema_change_is_planned_anew(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run stores the same columns between this run's plan and its commit: the columns are not added twice."""
    first = declare(lab, *COLUMNS)
    lab.run(first, frame(lab, first, 1, **ROW), 1)
    columns, _, new = CHANGES["all at once"]
    table = declare(lab, *columns)
    given = {"columns": columns, "key": [], "audits": table.audits}
    late, early = (lab.attempt(frame(lab, table, number, **new), number, **given) for number in (2, 3))
    late.table.catalog = lab.lakehouse.catalog
    commit, calls = lab.lakehouse.catalog.commit_table, []

    def commit_second(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 1:
            assert early.publish().published == {lab.day(3)}
        return commit(*args)

    monkeypatch.setattr(lab.lakehouse.catalog, "commit_table", commit_second)

    assert late.publish().published == {lab.day(2)}
    assert len(calls) <= 3  # its own, the other's, and the one that was planned anew
    assert len(lab.stored().schemas()) == 2
    assert [row["unit"] for row in seen(lab, table)[0]] == [None, "m", "m"]


UNIT, PLACE = Column("unit", "string"), Column("place", "string")


@pytest.mark.parametrize(
    ("mine", "others", "said"),
    [
        ([UNIT], [PLACE], "place is gone"),
        ([UNIT, PLACE], [PLACE, UNIT], "sort order changed after"),
        ([UNIT], [Column("unit", "long")], "unit was long, is now string"),
    ],
    ids=["other columns", "the same columns with other ids", "other types"],
)
def test_files_of_another_schema_are_not_published(
    lab: Any, mine: list[Column], others: list[Column], said: str
) -> None:
    """Where another run stored other columns meanwhile, the staged files would be misread: the publish refuses."""
    first = declare(lab, *COLUMNS)
    lab.run(first, frame(lab, first, 1, **ROW), 1)
    columns = [*COLUMNS, *mine]
    late = lab.attempt(frame(lab, declare(lab, *columns), 2, **ROW), 2, columns=columns, key=[], audits=first.audits)
    other = declare(lab, *COLUMNS, *others)
    lab.run(other, frame(lab, other, 3, **ROW), 3)

    with pytest.raises(LakeError, match=rf"lab\.readings.*{said}"):
        late.publish()
    assert sorted(lab.live()) == [lab.day(1), lab.day(3)]


def test_a_publish_that_breaks_leaves_the_old_schema(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A storage that fails at the commit leaves readers the schema with the days, and the rerun brings both."""
    first = declare(lab, *COLUMNS)
    lab.run(first, frame(lab, first, 1, **ROW), 1)
    columns, _, new = CHANGES["all at once"]
    table, before = declare(lab, *columns), lab.stored().metadata_location

    def fail(*_: Any) -> None:
        message = "no space left on device"
        raise OSError(message)

    with monkeypatch.context() as broken:
        broken.setattr(publishing, "_commit", fail)
        with pytest.raises(LakeError, match="no space left"):
            lab.run(table, frame(lab, table, 2, **new), 2)

    assert (lab.stored().metadata_location, list(ids(lab))) == (before, [column.name for column in COLUMNS])
    assert lab.states(table, frame(lab, table, 2, **new), 2) == ["published"]


def test_an_unchanged_day_tries_again_where_another_commit_came_first(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit that only stores columns is planned anew like any other."""
    first = declare(lab, *COLUMNS)
    lab.run(first, frame(lab, first, 1, **ROW), 1)
    columns, old, _ = CHANGES["add"]
    table, commit, calls = declare(lab, *columns), lab.lakehouse.catalog.commit_table, []

    def lose_once(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            message = "another commit came first"
            raise CommitFailedException(message)
        return commit(*args)

    monkeypatch.setattr(lab.lakehouse.catalog, "commit_table", lose_once)

    assert lab.states(table, frame(lab, table, 1, **old), 1) == ["unchanged"]
    assert (len(calls), list(ids(lab))) == (2, list(table.column_names))


def test_a_chain_goes_on_over_a_schema_change(lab: Any) -> None:
    """A table that reads itself the day before sees that day under the new names, stored or just staged."""
    table = lab.table()
    lab.chain(table, {1: 1, 2: 2}, 1, 2)
    columns = [*table.columns[:2], Column("value", "long"), Column("unit", "string")]
    wide = lab.table(columns=columns)
    rows = lab.rows

    class LabWithUnits(type(lab)):  # type: ignore[misc]  # the fixture's class has no name here
        """A lab whose rows have a unit."""

        def rows(self, *values: int, **more: Any) -> pl.DataFrame:
            """Return readings, each in metres."""
            return rows(*values, **more).with_columns(unit=pl.lit("m"))

    assert [day.state for day in LabWithUnits(lab.lakehouse).chain(wide, {3: 3, 4: 4}, 3, 4).days] == ["published"] * 2
    assert [lab.values(number) for number in (1, 2, 3, 4)] == [[1], [3], [6], [10]]
