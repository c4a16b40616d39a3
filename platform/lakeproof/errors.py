"""Every refusal says what happened, what readers of the table see now, and what to do next.

    LakeproofError                1
    ├── ContractError             2  a declaration is wrong; nothing was run
    ├── UsageError                2  a command or call was wrong; nothing was run
    │   ├── UnknownTableError     2  no table of that name
    │   └── UnknownDayError       2  a day that the table does not have
    ├── MakeError                 1  the function or SQL of a table failed, or returned something that is not rows
    ├── RowsError                 1  rows do not fit the contract: columns, types, values, days
    ├── AuditError                1  a staged day could not be audited at all
    ├── LakeError                 1  the catalog or the warehouse cannot be used
    └── SourceError               1  a source cannot be reached, or not be read as its contract says

The number is the exit code of a command that ends with the error. A day that is held (3), not ready (4) or moved under
a run (5) is an outcome of the day, not an error of the run.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class LakeproofError(Exception):
    """A refusal that a person can act on.

    Args:
        what: What happened, with the table, the day and the field at fault.
        readers: What readers of the table see now; None when no table is concerned.
        next_step: The command to run or the change to make.
    """

    exit_code = 1
    may_pass = False
    """Whether the same run may do better later: what cannot be reached now, or what a function met."""

    def __init__(self, what: str, *, readers: str | None = None, next_step: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.readers = readers
        self.next_step = next_step

    def __str__(self) -> str:
        """Return the refusal as up to three labelled paragraphs."""
        lines = [self.what]
        if self.readers:
            lines.append(f"Readers: {self.readers}")
        if self.next_step:
            lines.append(f"Next: {self.next_step}")
        return "\n".join(lines)


class ContractError(LakeproofError):
    """A declaration is wrong; nothing was run."""

    exit_code = 2


class UsageError(LakeproofError):
    """A command or call was wrong; nothing was run."""

    exit_code = 2


class UnknownTableError(UsageError):
    """No table has that name."""


class UnknownDayError(UsageError):
    """The table has no such day."""


class MakeError(LakeproofError):
    """The function or the SQL of a table failed, or returned something that is not rows."""

    may_pass = True


class RowsError(LakeproofError):
    """Rows do not fit the contract."""


class AuditError(LakeproofError):
    """A staged day could not be audited at all."""


class LakeError(LakeproofError):
    """The catalog or the warehouse cannot be used."""

    may_pass = True


class SourceError(LakeproofError):
    """A source cannot be reached, or not be read as its contract says."""

    may_pass = True


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known words, or lists them when none is near.

    >>> did_you_mean("carier", ["carrier", "origin"])
    'Did you mean carrier?'
    >>> did_you_mean("xyz", ["carrier", "origin"])
    'Known: carrier, origin.'
    """
    names = sorted(known)
    near = get_close_matches(word, names, n=3)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"Known: {', '.join(names[:20])}{', …' if len(names) > 20 else ''}."  # noqa: PLR2004 - a line's worth
