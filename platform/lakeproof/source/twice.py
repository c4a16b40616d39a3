"""A member that comes twice in an object of JSON: readers keep the last and lose the first, so it is looked for."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

_SPACED = re.compile(rb'"[ \t\r\n]+:')


class _TwiceError(Exception):
    pass


def comes_twice(text: bytes, names: Collection[str], members: int | None = None) -> str | None:
    """Return one of some names that comes twice in an object; None when none does.

    Reading all objects once more, member by member, takes about as long as all else that is done with them. Where it is
    known how many members there are at least, they are counted instead, which takes a tenth: a text that has no more of
    them than that has none twice.

    Args:
        text: Sound JSON.
        names: The names that matter. Of others nothing is taken, so nothing of them is lost.
        members: How many members all objects have together if none is there that is not taken; None where any may lack.
    """
    if members is not None and text.count(b'":') == members and not _SPACED.search(text):
        return None

    def check(pairs: list[tuple[str, Any]]) -> None:
        seen = set()
        for name, _ in pairs:
            if name in seen and name in names:
                raise _TwiceError(name)
            seen.add(name)

    try:
        json.loads(text, object_pairs_hook=check)
    except _TwiceError as found:
        return str(found)
    return None
