"""Is a published day made from other content than its inputs have now? Asked of the evidence that it was made with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeproof.lake.evidence import recorded_content
from lakeproof.lake.live import View
from lakeproof.reading import columns_digested, content_of
from lakeproof.reads import tables_read
from lakeproof.recorded import entries_read
from lakeproof.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.contract import Input
    from lakeproof.lake.days import Day
    from lakeproof.reads import Reads

    Stored = Callable[[str], tuple[IcebergTable, Mapping[Day, str]] | None]
    """Finds a stored table by name, with its published days, each with its run; None where there is none."""


def reads_something_else(made: Reads, day: Day, record: Mapping[str, Any], stored: Stored) -> bool:
    """Whether a table that a day was made from has other content for it by now.

    Args:
        made: The table.
        day: The day.
        record: The evidence that the day was made with.
        stored: Finds tables.
    """
    for name, how in tables_read(made):
        if (told := record["inputs"].get(name)) is None or "days" not in told:
            continue
        entries, found = entries_read(how, made.table, told, record, day), stored(how.table.name)
        needed = days_read(made, how, day, found[1] if found else {})
        if any(_differs(found, of, entries.get(of)) for of in needed):
            return True
    return False


def days_read(made: Reads, how: Input, day: Day, published: Mapping[Day, str]) -> Sequence[Day]:
    """Return the days of an input whose content a day is made from.

    What a daily table reads as it is now, such as a list of airports, has no day: it makes no day out of date.

    Args:
        made: The table.
        how: The input.
        day: The day.
        published: The published days of the input.
    """
    if day is None:
        return sorted(published, key=str)
    if how.kind == "latest":
        return ()
    window = how.window(Window.of(day, timezone=made.table.timezone))
    return window.days if window else ()


def _differs(found: tuple[IcebergTable, Mapping[Day, str]] | None, day: Day, entry: Mapping[str, Any] | None) -> bool:
    """Whether a published day is not what was read of it; a day that nobody published differs from nothing."""
    if found is None or (run := found[1].get(day)) is None:
        return False
    if entry is None:
        return True
    if run == entry["run"]:
        return False
    content = recorded_content(found[0], run, day)
    if content is None or content.key != entry["key"]:
        view = View.of(found[0], [day])
        content = content_of(view, view.days[day], columns_digested(found[0], entry["key"]))
    return content.digest != str(entry["digest"])
