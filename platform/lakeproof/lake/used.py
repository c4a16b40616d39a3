"""Who read a table on which day: beside the table, since a reader has the lake, and need not have Dagster.

A use is a file without content, `<table>/used/<day>.<who>`: once a process, table and day it is asked for, and it is
made once. A read is never kept from going on by it.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from lakeproof.lake.evidence import publisher
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.files import list_files, records_of
from lakeproof.lake.output import OutputTable, is_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyiceberg.table import Table as IcebergTable

USED = "used"
"""The folder of a table's uses."""

CONSUMER = "LAKEPROOF_CONSUMER"
"""The environment variable by which readers say who they are: a team or dashboard, where no person is to be named."""

KEPT = timedelta(days=400)
"""For how long upkeep keeps uses: a year, so that what is read once a year shows, and some weeks to spare."""

LONGEST = 180
"""Characters of a reader's name in a file's name; storages take 255 and more."""

_log = logging.getLogger(__name__)
_noted: set[str] = set()


@dataclass(frozen=True, order=True)
class Use:
    """A day on which somebody read a table, however often.

    Args:
        table: The table's name.
        day: The day of the clock, in UTC.
        who: Who read it: `user@host`, or the name they gave.
    """

    table: str
    day: date
    who: str


def reader() -> str:
    """Return who reads in this process: the name that `LAKEPROOF_CONSUMER` gives, else `user@host`."""
    return os.environ.get(CONSUMER, "").strip() or publisher()


def note_use(table: IcebergTable, who: str) -> None:
    """Leave on record that somebody read a table today; a record that cannot be made keeps nobody from reading.

    A reader that may not write is not seen, and is told nothing. An output's line has no readers that count.

    Args:
        table: The Iceberg table.
        who: The reader.
    """
    try:
        location = f"{records_of(table)}/{USED}/{datetime.now(UTC).date()}.{_safe(who)}"
        if location in _noted or isinstance(table, OutputTable) or is_line(table):
            return
        _noted.add(location)
        with table.io.new_output(location).create():
            pass
    except FileExistsError:
        return  # another process of the same reader was first
    except Exception as error:  # noqa: BLE001 - whatever refuses a record of a read, the read goes on
        _log.debug("A use of %s is not on record: %s", ".".join(table.name()), error)


def uses_of(table: IcebergTable) -> Iterator[Use]:
    """Yield the uses of a table that are on record; names are listed, and no file is read.

    Args:
        table: The Iceberg table.

    Raises:
        LakeError: The storage refused.
    """
    name = ".".join(table.name())
    with lake_faults(f"listing the uses of {name}"):
        for file in list_files(table.io, f"{records_of(table)}/{USED}"):
            day, _, who = file.name.partition(".")
            try:
                yield Use(name, date.fromisoformat(day), unquote(who.replace("=", "%")))
            except ValueError:
                continue  # somebody else's file


def _safe(who: str) -> str:
    """Return a name as storages of all kinds take it, and as `unquote` gives it back."""
    while len(safe := quote(who, safe="@").replace("%", "=")) > LONGEST:
        who = who[:-1]
    return safe
