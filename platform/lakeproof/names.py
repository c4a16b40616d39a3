"""One name, one declaration: a second table or pipeline of a name is refused, wherever it is declared."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from lakeproof.errors import ContractError

_DECLARED: WeakValueDictionary[str, Any] = WeakValueDictionary()
_PLACES: dict[str, str] = {}


def take_name(name: str, owner: object, kind: str = "tables") -> None:
    """Refuse a second table of the same name, unless it is the same line of code, loaded again.

    Args:
        name: The table's name.
        owner: The table; its name is free again when nobody has it any more.
        kind: What it is; the name of another kind may be the same.

    Raises:
        ContractError: The name is taken.
    """
    place = _declared_at()
    at = f"{kind} {name}"
    if at in _DECLARED and _PLACES[at] != place:
        msg = f"Two {kind} are called {name}: one declared at {_PLACES[at]}, one at {place}."
        raise ContractError(msg, next_step="rename one of them")
    _DECLARED[at] = owner
    _PLACES[at] = place


def _declared_at() -> str:
    """Return the file and line, outside this package, that is declaring."""
    here = str(Path(__file__).parent)
    frame = sys._getframe(1)  # noqa: SLF001 - the interpreter's documented way to see one's caller
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(here) or frame.f_code.co_filename == "<string>"
    ):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
