"""What is wrong with something that was delivered: where it is, and why it cannot be taken."""

from __future__ import annotations

SHOWN = 60
"""Characters of a value that a message shows."""


class DeliveryFault(Exception):  # noqa: N818 - a fault of the delivery; its source makes an error of it
    """A place in a delivery that cannot be taken as its contract says.

    Args:
        why: What is wrong.
        line: The line of the file, from 1; None where the whole file is meant.
        row: The row of what is read, from 1, where there are no lines.
        field: The field as it is delivered.
    """

    def __init__(self, why: str, *, line: int | None = None, row: int | None = None, field: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.line = line
        self.row = row
        self.field = field

    def __str__(self) -> str:
        """Return the place and what is wrong there."""
        places = (("line", self.line), ("row", self.row), ("field", self.field))
        where = ", ".join(f"{word} {place}" for word, place in places if place is not None)
        return f"{where}: {self.why}" if where else self.why


def shown(value: object) -> str:
    """Return a value as a message shows it, shortened.

    >>> shown("12.5")
    "'12.5'"
    """
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
