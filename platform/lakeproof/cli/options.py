"""Arguments that several commands take."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from lakeproof.errors import UsageError
from lakeproof.window import Window, as_day, days_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date

    from lakeproof.lake.days import Day

FIRST_YEAR = 1970
"""Reports of what came before would reach back beyond the first day that there is."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")


def workspace(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that names the workspace file."""
    return click.option(
        "-w", "--workspace", default="workspace.yaml", show_default=True, help="Dagster's list of code locations."
    )(command)


@contextmanager
def writing(file: str, option: str) -> Iterator[None]:
    """Tell a file that cannot be written as one clear refusal.

    Args:
        file: The file.
        option: The option that named it.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        yield
    except OSError as error:
        msg = f"{file} cannot be written: {error.strerror}."
        raise UsageError(msg, next_step=f"name another file, or leave {option} out") from None


def which(days: Iterable[Day]) -> str:
    """Return days as a person writes them; an unpartitioned table is all of it."""
    return days_text([day for day in days if day is not None]) or "all of it"


def asked_days(day: str | None, first: str | None, last: str | None) -> Window | None:
    """Return the days that `--day`, or `--from` and `--to`, ask for; None when none were given.

    Raises:
        UsageError: They contradict each other, or one is missing.
    """
    if day and (first or last):
        msg = "Give --day, or --from and --to, not both."
        raise UsageError(msg)
    if day:
        return Window.of(day)
    if bool(first) != bool(last):
        msg = f"Give --from and --to together; only --{'from' if first else 'to'} was given."
        raise UsageError(msg, next_step="for one day, use --day")
    if not first:
        return None
    if last and as_day(last) < as_day(first):
        msg = f"--to {last} lies before --from {first}."
        raise UsageError(msg, next_step="swap them")
    return Window.of(first, last)


def parse_target(target: str) -> tuple[str, date | None]:
    """Return the table and the day of `TABLE` or `TABLE@DAY`.

    Raises:
        UsageError: Something else follows the day.
    """
    name, day, output = parse_target_on(target)
    if output is not None:
        msg = f"{target!r} is not TABLE or TABLE@DAY."
        raise UsageError(msg, next_step="for example: lakeproof show flights.departures@2013-01-05")
    return name, day


def parse_target_on(target: str) -> tuple[str, date | None, str | None]:
    """Return the table, the day and the output of `TABLE`, `TABLE@DAY`, `TABLE@OUTPUT` or `TABLE@DAY@OUTPUT`.

    Raises:
        UsageError: Something else follows.
    """
    name, *rest = target.split("@")
    day = as_day(rest.pop(0)) if rest and rest[0][:1].isdigit() else None
    if len(rest) > 1:
        msg = f"{target!r} is not TABLE, TABLE@DAY or TABLE@DAY@OUTPUT."
        raise UsageError(msg, next_step="for example: lakeproof show flights.departures@2013-01-05")
    return name, day, rest[0] if rest else None


def asked_instant(text: str | None) -> datetime:
    """Return the instant of a report: what `--as-of` says, or now; in UTC.

    Raises:
        UsageError: The text is no instant, or has no zone.
    """
    if text is None:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None or instant.year < FIRST_YEAR:
        msg = f"{text!r} is not an instant."
        raise UsageError(msg, next_step="give a date, a time and a zone, as 2024-01-02T06:00Z")
    return instant.astimezone(UTC)
