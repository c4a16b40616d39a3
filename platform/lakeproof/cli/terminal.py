"""How commands print: values from outside are shown, and never steer the terminal that shows them.

What the function of a table prints by itself is not among it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.console import Console  # noqa: TID251 - here alone
from rich.table import Table as Grid
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_TERMINAL_WIDTH = 160

STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys and does not show: the control characters of ISO 6429 (ECMA-48) but tab and line feed, and
Unicode's embeddings, overrides and isolates (UAX #9), which let text read as what it is not."""


def printable(text: str) -> str:
    r"""Return text in which what would steer a terminal is written out as Python would write it.

    >>> print(printable("a\x1b[31mb"))
    a\x1b[31mb
    """
    return STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def echo(text: str, *, label: str = "", err: bool = False, nl: bool = True) -> None:
    """Print a text.

    Args:
        text: The text.
        label: What stands before it, in red.
        err: To the error stream.
        nl: With a line feed after it.
    """
    shown = click.style(label, fg="red", bold=True) if label else ""
    click.echo(shown + printable(text), err=err, nl=nl)  # noqa: TID251 - here alone


def confirmed(question: str) -> bool:
    """Ask a person, and return whether the answer is yes."""
    return click.confirm(printable(question))  # noqa: TID251 - here alone


class Terminal(Console):
    """A console to which text is text: it shows what would steer it, and knows no markup.

    Args:
        **options: As Rich has them.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **how: Any) -> Text:
        """Return a text as it will be printed; cells of `grid` are made so as they are put in."""
        return super().render_str(printable(text), **how)


def console() -> Terminal:
    """Return a console for results: as wide as the terminal, or wide enough for a pipe."""
    out = Terminal()
    return out if out.is_terminal else Terminal(width=NO_TERMINAL_WIDTH)


def print_json(document: Any) -> None:
    """Print a document as JSON; dates as text."""
    text = json.dumps(document, indent=2, default=str, ensure_ascii=False)
    click.echo(STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text))  # noqa: TID251 - JSON writes them otherwise


def grid(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[str] = ()) -> Grid:
    """Return rows as a table for the terminal; what a cell says is text, and never markup of Rich.

    Args:
        title: What the table shows.
        columns: The headings.
        rows: A list of cells a row.
        right: The headings of columns that hold numbers.
    """
    table = Grid(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in row))
    return table
