"""Where a source's day lies: `{ds}` and its like in a path, a URL or a parameter."""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING

from lakeproof.errors import ContractError, did_you_mean

if TYPE_CHECKING:
    from lakeproof.window import Window

KNOWN = ("ds", "ds_nodash", "year", "month", "day", "start", "end")
_PLACE = re.compile(r"\{([^{}]*)\}")


def check_template(where: str, text: str) -> None:
    """Refuse a placeholder that is not known.

    Raises:
        ContractError: It has one; the error names the nearest.
    """
    for name in _PLACE.findall(text):
        if name not in KNOWN:
            msg = f"{where}: {text!r} has the placeholder {{{name}}}. {did_you_mean(name, KNOWN)}"
            raise ContractError(msg, next_step="use one of the known placeholders")


def has_day(text: str) -> bool:
    """Whether a template names a day."""
    return _PLACE.search(text) is not None


def fill(text: str, day: Window | None) -> str:
    """Fill in a day.

    `{ds}` is 2013-01-05, `{ds_nodash}` 20130105; `{year}`, `{month}`, `{day}` are its parts, two digits for the latter;
    `{start}` and `{end}` are the instants at which the day begins and ends, in UTC.

    Args:
        text: The template.
        day: A window of one day; None where the template names none.
    """
    if day is None:
        return text
    first = day.first
    values = {
        "ds": first.isoformat(),
        "ds_nodash": f"{first:%Y%m%d}",
        "year": f"{first:%Y}",
        "month": f"{first:%m}",
        "day": f"{first:%d}",
        "start": day.start.astimezone(UTC).isoformat(),
        "end": day.end.astimezone(UTC).isoformat(),
    }
    return _PLACE.sub(lambda match: values[match[1]], text)
