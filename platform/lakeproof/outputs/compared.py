"""What was compared: the files that both sides had for each day, so that no other than these are promoted."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lakeproof.lake.beside import files_digest
from lakeproof.lake.days import day_key, key_day
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.files import list_files, read_file, records_of
from lakeproof.lake.live import View
from lakeproof.lake.output import COMPARED

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from lakeproof.lake.days import Day
    from lakeproof.lake.live import LiveDay
    from lakeproof.lake.output import OutputTable

    Both = tuple[LiveDay | None, LiveDay | None]


@dataclass(frozen=True)
class Compared:
    """The two sides of a day as they were compared.

    Args:
        old: What tells the files of `main` from any other; None for none.
        new: The same of the output's.
    """

    old: str | None
    new: str | None

    @classmethod
    def now(cls, old: LiveDay | None, new: LiveDay | None) -> Compared:
        """Return what tells two sides as they are."""
        return cls(*(files_digest(side.locations) if side else None for side in (old, new)))


def remember(table: OutputTable, days: Mapping[Day, Both]) -> None:
    """Leave on record which files of which days were compared.

    Args:
        table: The table as the output has it.
        days: The days, each as `main` and the output had it.
    """
    now = datetime.now(UTC)
    told = {day_key(day): astuple(Compared.now(*both)) for day, both in days.items()}
    location = f"{_folder(table)}/{now:%Y%m%dT%H%M%S%f}{COMPARED}"
    with lake_faults(f"writing {location}"), table.io.new_output(location).create() as out:
        out.write(json.dumps({"format": 1, "compared": now.isoformat(), "days": told}, indent=1).encode())


def compared(table: OutputTable) -> dict[Day, Compared]:
    """Return the sides of each day as they were last compared."""
    found: dict[Day, Compared] = {}
    with lake_faults(f"reading what was compared of {'.'.join(table.name())}"):
        for file in sorted(list_files(table.io, _folder(table)), key=lambda file: file.name):
            if file.name.endswith(COMPARED) and (data := read_file(table.io, file.location)):
                found |= {key_day(day): Compared(*sides) for day, sides in json.loads(data)["days"].items()}
    return found


def last_compared(table: OutputTable) -> datetime | None:
    """Return when an output was last compared in a table."""
    with lake_faults(f"reading what was compared of {'.'.join(table.name())}"):
        files = [f for f in list_files(table.io, _folder(table)) if f.name.endswith(COMPARED)]
    return max((file.modified for file in files), default=None)


def sides(table: OutputTable, days: Collection[Day] | None = None) -> dict[Day, Both]:
    """Return an output's own days as `main` and the output have them now.

    Args:
        table: The table as the output has it.
        days: Only these; None for all that the output owns.
    """
    own = [day for day in table.owned if days is None or day in days]
    old, new = View.of(table.main, own).days, View.of(table, own).days
    return {day: (old.get(day), new.get(day)) for day in own}


def _folder(table: OutputTable) -> str:
    return f"{records_of(table)}/outputs/{table.output}"
