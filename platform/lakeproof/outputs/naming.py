"""What an output may be called, which one is meant, and how many there may be."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from lakeproof.errors import UsageError
from lakeproof.lake.output import MAIN
from lakeproof.outputs.listing import outputs_in

if TYPE_CHECKING:
    from collections.abc import Collection

    from lakeproof.lake.catalog import Lake

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 40

MOST_KEY = "lakeproof.max-outputs"
"""Property of a catalog: how many outputs a lake may have at once."""

MOST = 10
"""How many, where the catalog does not say: each keeps its files, and each branch is looked at by every upkeep."""


def default_output() -> str:
    """Return the output of this process: what `LAKEPROOF_OUTPUT` says, else `main`."""
    return os.environ.get("LAKEPROOF_OUTPUT") or MAIN


def checked_name(name: str) -> str:
    """Return an output's name.

    It is a branch, part of a table's name and a folder, so it is words of lower-case letters and digits.

    Raises:
        UsageError: It cannot be one.
    """
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        msg = f"{name!r} cannot be the name of an output."
        remedy = f"use up to {LONGEST} lower-case letters, digits and single hyphens, such as fix-timezones"
        raise UsageError(msg, next_step=remedy)
    return name


def on_output(lake: Lake, name: str) -> Lake:
    """Return a lake as an output has it, whether the output is there already or not.

    Raises:
        UsageError: The name cannot be an output's.
    """
    return lake if name == MAIN else lake.on(checked_name(name))


def admitted(lake: Lake, name: str) -> Lake:
    """Return a lake for a run to an output, which the run may begin.

    Raises:
        UsageError: The name cannot be an output's, another output's name begins with it, or there are too many outputs.
    """
    if name == MAIN:
        msg = "main is what readers see, and no output beside it."
        raise UsageError(msg, next_step="leave --output out, or name an output, such as --output fix-timezones")
    checked_name(name)
    known = outputs_in(lake)
    if name in known:
        return lake.on(name)
    if longer := [other for other in known if other.startswith(name)]:
        msg = f"{name!r} is how the name of output {longer[0]} begins, and would be taken for it."
        raise UsageError(msg, next_step="choose a name that no other begins with")
    most = int(lake.catalog.properties.get(MOST_KEY, MOST))
    if len(known) >= most:
        msg = f"There are {len(known)} outputs already, and {most} are allowed: {', '.join(sorted(known))}."
        raise UsageError(
            msg, next_step=f"lakeproof discard {min(known, key=known.__getitem__)}, the one left alone longest"
        )
    return lake.on(name)


def existing(lake: Lake, name: str) -> Lake:
    """Return a lake as an output has it that is there.

    Raises:
        UsageError: There is none of that name.
    """
    checked_name(name)
    known = outputs_in(lake)
    if name not in known:
        raise unknown(name, known)
    return lake.on(name)


def unknown(name: str, known: Collection[str]) -> UsageError:
    """Return the refusal of an output that is not there."""
    listed = f"There are: {', '.join(sorted(known))}." if known else "There is none."
    return UsageError(f"There is no output {name!r}. {listed}", next_step="lakeproof status --output lists them")
