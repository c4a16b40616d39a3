"""What a run is doing, told to whoever listens in this process: the command's progress bar, a test."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Step:
    """A step of a run that begins.

    Args:
        table: The table's name.
        name: `ready`, `read`, `make`, `audit`, `publish` or `record`.
    """

    table: str
    name: str


_listeners: list[Callable[[object], None]] = []


@contextmanager
def listening(listener: Callable[[object], None]) -> Iterator[None]:
    """Call `listener` with each `Step`, each outcome of a run and each refusal of one, while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def is_watched() -> bool:
    """Whether somebody listens: a person who waits for the run, and decides what comes after it."""
    return bool(_listeners)


def report(event: object) -> None:
    """Tell whoever listens."""
    for listener in tuple(_listeners):
        listener(event)
