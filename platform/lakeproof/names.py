"""One name, one declaration: a second table of a name is refused, wherever it is declared."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from lakeproof.errors import ContractError

_DECLARED: WeakValueDictionary[str, Any] = WeakValueDictionary()
_PLACES: dict[str, str] = {}


def take_name(name: str, table: object) -> None:
    """Refuse a second table of the same name, unless it is the same line of code, loaded again.

    Args:
        name: The table's name.
        table: The table; its name is free again when nobody has it any more.
    """
    place = _declared_at()
    if name in _DECLARED and _PLACES[name] != place:
        msg = f"Two tables are called {name}: one declared at {_PLACES[name]}, one at {place}."
        raise ContractError(msg, next_step="rename one of them")
    _DECLARED[name] = table
    _PLACES[name] = place


def _declared_at() -> str:
    """Return the file and line, outside this package, that is declaring a table."""
    here = str(Path(__file__).parent)
    frame = sys._getframe(1)  # noqa: SLF001 - the interpreter's documented way to see one's caller
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(here) or frame.f_code.co_filename == "<string>"
    ):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
