"""A member that comes twice in an object of JSON: readers keep the last and lose the first, so it is looked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

QUOTE, COLON, SPACE = b'": '


class _TwiceError(Exception):
    pass


def comes_twice(text: bytes, names: Collection[str]) -> str | None:
    """Return one of some names that comes twice in an object; None when none does.

    Args:
        text: Sound JSON.
        names: The names that matter. Of others nothing is taken, so nothing of them is lost.
    """

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


def surely_once(items: bytes | memoryview, members: int | None = None, texts: int = 0) -> bool:
    """Whether it is sure without a look at each member that none comes twice in an item; false says nothing.

    Looking at each takes longer than all else that is done with items, and counting takes next to nothing. There are
    two quotes around each name and each text, and no more members than colons which may end a name. Where all of them
    are needed for what is known to be there, or there are as many different names as colons, none comes twice.

    Args:
        items: A list of objects, as sound JSON.
        members: How many different members they have together at least, if that is known.
        texts: How many of these are texts, at least.
    """
    octets = np.frombuffer(items, np.uint8)
    if members is not None and np.count_nonzero(octets == QUOTE) == 2 * (members + texts):
        return True
    most = _most_members(octets)
    return most == members or most == sum(map(len, msgspec.json.decode(items, type=list[dict[str, msgspec.Raw]])))


def _most_members(octets: np.ndarray[Any, np.dtype[np.uint8]]) -> int:
    """Count the colons after a quote or white space: each member has one, and text within quotes may have more."""
    before = octets[:-1]
    return int(np.count_nonzero((octets[1:] == COLON) & ((before == QUOTE) | (before <= SPACE))))
