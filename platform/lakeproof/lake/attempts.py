"""A commit, tried until it lands: planned anew on what is there by then, whenever another one came first."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, TypeVar

from lakeproof.errors import LakeError
from lakeproof.lake.faults import BEFORE, DOWN, UNANSWERED, is_conflict, lake_faults, may_have_landed
from lakeproof.lake.replace import DaysMovedError

if TYPE_CHECKING:
    from collections.abc import Callable

ATTEMPTS = 60

DEADLINE_SECONDS = 300
"""How long a commit is tried: one takes milliseconds, so by then something else is wrong."""

FIRST_WAIT_SECONDS = 0.02
LONGEST_WAIT_SECONDS = 1.0

T = TypeVar("T")


def committed(doing: str, attempt: Callable[[int], T]) -> T:
    """Return what an attempt to commit returns, once one is not overtaken.

    Any commit to any branch or tag of a table overtakes every other, so whatever commits goes through here.

    Args:
        doing: What is done to which table, for a refusal.
        attempt: Looks at what is there, plans on it and commits; is given how many were tried before. After the first,
            it looks whether the one before landed after all.

    Raises:
        LakeError: The catalog or the storage refused for good, or others came first each time.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    unanswered = False
    try:
        for number in range(ATTEMPTS):
            with lake_faults(doing):
                try:
                    return attempt(number)
                except DaysMovedError:
                    continue
                except Exception as error:
                    unanswered = unanswered or may_have_landed(error)
                    if not is_conflict(error) or number == ATTEMPTS - 1 or time.monotonic() > deadline:
                        raise
            time.sleep(random.uniform(0.5, 1) * min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**number))  # noqa: S311 - jitter
    except LakeError as error:
        seen = UNANSWERED if unanswered else BEFORE
        error.readers = f"{DOWN}, and then {seen}" if error.readers == DOWN else seen
        raise
    msg = f"{doing}: {ATTEMPTS} commits in a row lost to others; nothing was published."
    raise LakeError(msg, readers=BEFORE, next_step="run the same command again")
