"""A day that is made again and found unchanged is from then on one that was made from its new inputs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from lakeproof import Column, audit, daily_table
from lakeproof.asset import table_assets
from lakeproof.journey import Asked, take
from lakeproof.lake.catalog import local_path
from lakeproof.lake.upkeep import SPENT, upkeep
from lakeproof.outputs.discarding import discard
from lakeproof.restate import outdated
from lakeproof.verify import verify

if TYPE_CHECKING:
    from lakeproof.asset import TableAsset

DAYS = {"lakeproof.keep-replaced-days": "10", "lakeproof.max-snapshots": "1"}
SAME = ((1, 2, 3), (3, 3), (6,), (2, 4))
"""Readings that add up to the same."""


@pytest.fixture
def made(lab: Any) -> TableAsset:
    """Return a table that adds up the readings of a day."""
    columns = [Column("reading_date", "date"), Column("total", "long")]
    totals = lab.table("lab.totals", columns=columns, key=[], audits=[audit.not_null("total")], properties=DAYS)

    @daily_table(totals, readings=lab.table(properties=DAYS))
    def add_up(readings: pl.DataFrame) -> pl.DataFrame:
        return readings.group_by("reading_date").agg(total=pl.col("value").cast(pl.Int64).sum())

    return table_assets([add_up.key])[0]


@pytest.fixture
def again(lab: Any, made: TableAsset) -> Any:
    """Return what restates the readings of the first day, makes its total again, and returns what became of that."""

    def run(*values: int, output: str = "main") -> str:
        lake = lab.lakehouse.lake.on(output)
        lab.run(lab.table(properties=DAYS), lab.rows(*values), 1)
        return str(take(lake, made, (lab.day(1),), Asked()).days[0].state)

    return run


def confirmed(lab: Any) -> set[str]:
    """Return the files that confirm totals."""
    return {path.name for path in totals_folder(lab, "confirmed").glob("*")}


def totals_folder(lab: Any, name: str) -> Path:
    """Return a folder of the totals."""
    return Path(lab.stored("lab.totals").location().removeprefix("file://")) / name


def kept_up(lab: Any, name: str = "lab.totals", *, days: int) -> list[str]:
    """Do the upkeep of a table, so many days ahead, and return the reasons of what went."""
    return [gone.reason for gone in upkeep(lab.stored(name), now=datetime.now(UTC) + timedelta(days=days)).removed]


def test_it_is_not_outdated(lab: Any, made: TableAsset, again: Any) -> None:
    """`run --downstream` does not run it again, until an input is what it was made from at no time or before."""
    lake, days = lab.lakehouse.lake, [lab.day(1)]
    assert again(*SAME[0]) == "published"
    for values in (SAME[1], SAME[0]):
        lab.run(lab.table(), lab.rows(*values), 1)
        assert outdated(lake, made, days) == set(days)

        assert again(*values) == "unchanged"
        assert outdated(lake, made, days) == set()
    assert again(7) == "published"
    assert outdated(lake, made, days) == set()


def test_it_is_verified_from_what_confirmed_it(lab: Any, made: TableAsset, again: Any) -> None:
    """What it was published from is collected after a while; then what confirmed it proves it, and nothing else."""
    again(*SAME[0])
    assert again(*SAME[1]) == "unchanged"
    (found,) = verify(lab.lakehouse.lake, made)
    assert (found.state, any("confirmed" in note for note in found.notes)) == ("identical", False)

    for _ in range(2):
        kept_up(lab, "lab.readings", days=20)
        kept_up(lab, days=20)
    (found,) = verify(lab.lakehouse.lake, made)
    assert (found.state, found.run) == ("identical", lab.live("lab.totals")[lab.day(1)].run)
    assert "confirmed it" in found.notes[0]

    (record,) = [totals_folder(lab, "evidence") / name for name in confirmed(lab)]
    record.write_bytes(record.read_bytes() + b" ")
    (found,) = verify(lab.lakehouse.lake, made)
    assert found.state == "inputs-gone"


def test_upkeep_keeps_the_last_confirmation_and_its_evidence(lab: Any, again: Any) -> None:
    """However old; those before it go, and it goes when the day is published anew."""
    for values in SAME:
        again(*values)
    assert len(confirmed(lab)) == 3
    last = max(confirmed(lab))

    assert SPENT not in kept_up(lab, days=0)
    kept_up(lab, days=400)
    assert confirmed(lab) == {last}
    assert (totals_folder(lab, "evidence") / last).exists()

    again(7)
    kept_up(lab, days=1)
    assert confirmed(lab) == set()
    assert (totals_folder(lab, "evidence") / last).exists()
    kept_up(lab, days=800)
    assert not (totals_folder(lab, "evidence") / last).exists()


def test_an_output_confirms_for_itself(lab: Any, made: TableAsset, again: Any) -> None:
    """What was tried beside production says nothing about it, and what it confirmed goes with it."""
    again(*SAME[0])
    assert again(*SAME[1], output="fix") == "unchanged"
    main, days = lab.lakehouse.lake, [lab.day(1)]

    assert (outdated(main, made, days), outdated(main.on("fix"), made, days)) == (set(days), set())
    kept_up(lab, days=400)
    assert len(confirmed(lab)) == 1
    discard(main, "fix")
    kept_up(lab, days=400)
    assert confirmed(lab) == set()


def test_half_a_confirmation_is_none(lab: Any, made: TableAsset, again: Any) -> None:
    """A run that is killed as it writes one has confirmed nothing; the next one does."""
    again(*SAME[0])
    again(*SAME[1])
    (name,) = confirmed(lab)
    file = totals_folder(lab, "confirmed") / name
    file.write_bytes(file.read_bytes()[:50])

    assert outdated(lab.lakehouse.lake, made, [lab.day(1)]) == {lab.day(1)}
    assert again(*SAME[1]) == "unchanged"
    assert outdated(lab.lakehouse.lake, made, [lab.day(1)]) == set()


def test_a_confirmation_that_cannot_be_written_refuses_nothing(lab: Any) -> None:
    """Readers have the day, which is told as unchanged; only a sensor will ask for it once more."""
    table = lab.table()
    lab.run(table, lab.rows(1), 1)
    folder = Path(local_path(lab.stored().location())) / "confirmed"
    folder.write_text("in the way")

    assert lab.states(table, lab.rows(1)) == ["unchanged"]
    assert lab.values() == [1]
