"""What a source says of all its days at once: which there are, how many rows each has, and whether it is complete."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec

from lakeproof.source.pages import DriftError, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeproof.source.client import Answer
    from lakeproof.window import Window


@dataclass(frozen=True)
class ListedDay:
    """A day, as a source lists it.

    Args:
        complete: Whether the source has all of it.
        rows: How many rows it has; None when the source does not say.
        version: What tells this state of the day from any other; None when the source does not say.
    """

    complete: bool = True
    rows: int | None = None
    version: str | None = None


@dataclass(frozen=True)
class DayIndex:
    """A call that lists days: one for a window of any length.

    Args:
        path: Of the call.
        params: Its parameters; `{first}` and `{last}` are the first and the last day of the window.
        items: Where the days stand in the answer; empty when it is the list itself.
        day: The member of each that is its day.
        rows: The member that is its number of rows, or None.
        complete: The member that says whether it is complete, or None: then a day that is listed is.
        version: The member that tells its state from any other, such as an ETag, or None.
    """

    path: str
    params: Mapping[str, str] = field(default_factory=lambda: {"from": "{first}", "to": "{last}"})
    items: str = "data"
    day: str = "date"
    rows: str | None = None
    complete: str | None = None
    version: str | None = None

    def asked(self, window: Window) -> dict[str, str]:
        """Return the parameters for a window."""
        return {
            name: text.replace("{first}", str(window.first)).replace("{last}", str(window.last))
            for name, text in self.params.items()
        }

    def read(self, answer: Answer, where: str) -> dict[date, ListedDay]:
        """Return the days of an answer.

        Raises:
            PassingError: The answer is not whole.
            DriftError: It is not as declared.
        """
        raw, _ = Shape((), {}, self.items, {}, omits_null=False).open(answer, where)
        wanted: dict[str, Any] = {self.day: date}
        wanted |= {name: kind for name, kind in ((self.rows, int), (self.complete, bool), (self.version, str)) if name}
        struct = msgspec.defstruct("Day", [(f"f{n}", kind) for n, kind in enumerate(wanted.values())],
                                   rename={f"f{n}": name for n, name in enumerate(wanted)})  # fmt: skip
        try:
            listed = msgspec.json.decode(raw, type=list[struct])  # type: ignore[valid-type]  # made above
        except msgspec.ValidationError as error:
            msg = f"{where}: the list of days is not as declared: {error}."
            raise DriftError(msg, next_step="mend days=, or talk to the source's owner") from None
        found = [dict(zip(wanted, msgspec.structs.astuple(one), strict=True)) for one in listed]
        return {
            one[self.day]: ListedDay(
                one.get(self.complete or "", True), one.get(self.rows or ""), one.get(self.version or "")
            )
            for one in found
        }
