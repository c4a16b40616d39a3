"""A source as it is beside its contract: what is gone, what is new, what was probably renamed."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def compare_names(
    wanted: Sequence[str],
    found: Sequence[str],
    fits: Callable[[str, str], bool] = lambda wanted, new: True,  # noqa: ARG005 - everything fits
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Compare the names that a contract reads with those that a source has.

    Args:
        wanted: The names that the contract reads.
        found: The names that the source has.
        fits: Whether the values under a new name are of the type of a wanted one.

    Returns:
        A line for each that is gone, with the new one that probably took its place; a line for each that is new.

    >>> compare_names(["carrier", "flight"], ["carier", "flight", "gate"])
    (('field carrier is gone. Did you mean carier?',), ('field carier is new', 'field gate is new'))
    """
    new = _others(found, wanted)
    gone = _others(wanted, found)
    return (
        tuple(f"field {name} is gone. {renamed(name, [other for other in new if fits(name, other)])}" for name in gone),
        tuple(f"field {name} is new" for name in new),
    )


def renamed(name: str, others: Sequence[str]) -> str:
    """Say which of some new names a field probably has now."""
    if near := get_close_matches(name, others, n=1):
        return f"Did you mean {near[0]}?"
    return f"Its values may now be in {' or '.join(others)}." if others else "Nothing new took its place."


def _others(names: Iterable[str], known: Iterable[str]) -> list[str]:
    here = set(known)
    return [name for name in names if name not in here]
