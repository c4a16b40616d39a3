"""Days whose content a later run confirmed: it found them unchanged, and wrote no file of theirs that leads to it.

So it leaves `<table>/confirmed/<run>.json`, which says whose files it found to have the content that it made. What such
a day was made from is told by the evidence of the run that confirmed it last, not of the one that published it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pyiceberg.io import load_file_io

from lakeproof.lake.days import day_key, key_day
from lakeproof.lake.evidence import SHA256_KEY
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.files import list_files, read_file, records_of
from lakeproof.lake.output import MAIN, OutputTable, output_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.lake.days import Day
    from lakeproof.lake.live import LiveDay

CONFIRMED = "confirmed"
"""The folder of a table's confirmations."""


@dataclass(frozen=True)
class Confirmation:
    """What one run confirmed.

    Args:
        run: The run.
        output: Which output it was for.
        sha256: The SHA-256 of its evidence, which tells what it read.
        days: The days, each with the run whose files have the content that this one made.
    """

    run: str
    output: str
    sha256: str
    days: Mapping[Day, str]


def confirm(table: IcebergTable, run: str, unchanged: Mapping[Day, LiveDay], evidence: Mapping[str, str]) -> None:
    """Leave on record which days a run found unchanged; without such days, nothing is written.

    A day of another engine has no evidence that another could take the place of, and is left out.

    Args:
        table: The Iceberg table.
        run: The run.
        unchanged: The days, each as readers have it.
        evidence: What the snapshot's summary would hold of the run's evidence.

    Raises:
        LakeError: The storage refused.
    """
    days = {day_key(day): live.run for day, live in unchanged.items() if live.run}
    if not days:
        return
    location = f"{records_of(table)}/{CONFIRMED}/{run}.json"
    told = {"format": 1, "run": run, "output": output_of(table), "sha256": evidence[SHA256_KEY], "days": days}
    with lake_faults(f"writing {location}"), table.io.new_output(location).create() as out:
        out.write(json.dumps(told, indent=1).encode())


def last_confirmed(table: IcebergTable, published: Mapping[Day, str | None]) -> dict[Day, Confirmation]:
    """Return the newest confirmation of each published day that has one.

    An output has those of `main` for the days that it does not own.

    Args:
        table: The Iceberg table.
        published: Its published days, each with its run; None for one of another engine.

    Raises:
        LakeError: The storage refused.
    """
    owned = table.owned if isinstance(table, OutputTable) else {}
    return {
        day: told
        for told in _confirmations(table)
        for day, run in told.days.items()
        if published.get(day) == run < told.run and told.output == (output_of(table) if day in owned else MAIN)
    }


def last_made(table: IcebergTable, published: Mapping[Day, str]) -> dict[Day, str]:
    """Return the run whose evidence tells what each published day was last made from.

    Args:
        table: The Iceberg table.
        published: Its published days, each with its run.

    Raises:
        LakeError: The storage refused.
    """
    return {**published, **{day: told.run for day, told in last_confirmed(table, published).items()}}


def _confirmations(table: IcebergTable) -> list[Confirmation]:
    """Return a table's confirmations, the oldest run first."""
    properties = tuple(sorted(table.io.properties.items()))
    with lake_faults(f"reading the confirmations of {'.'.join(table.name())}"):
        listed = [file.location for file in list_files(table.io, f"{records_of(table)}/{CONFIRMED}")]
        found = (_written(location, properties) for location in sorted(listed))
        return [told for told in found if told is not None]


def _written(location: str, properties: tuple[tuple[str, Any], ...]) -> Confirmation | None:
    """Return what a file says; None while it is being written, or when it was removed or damaged."""
    try:
        return _parsed(location, properties)
    except (LookupError, ValueError, TypeError, AttributeError):  # not kept: it may be whole in a moment
        return None


@lru_cache(maxsize=20_000)
def _parsed(location: str, properties: tuple[tuple[str, Any], ...]) -> Confirmation:
    """Read a confirmation, which never changes."""
    told = json.loads(read_file(load_file_io(dict(properties), location), location) or b"")
    days = {key_day(key): run for key, run in told["days"].items()}
    return Confirmation(told["run"], told["output"], told["sha256"], days)
