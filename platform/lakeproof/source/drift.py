"""A source as it is beside its contract: what is gone, what is new, what was probably renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeproof.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def compare_names(wanted: Sequence[str], found: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Compare the names that a contract reads with those that a source has.

    Returns:
        A line for each that is gone, with the new one that is nearest to it; a line for each that is new.

    >>> compare_names(["carrier", "flight"], ["carier", "flight", "gate"])
    (('field carrier is gone. Did you mean carier?',), ('field carier is new', 'field gate is new'))
    """
    new = _others(found, wanted)
    gone = _others(wanted, found)
    return (
        tuple(
            f"field {name} is gone. {did_you_mean(name, new) if new else 'Nothing new took its place.'}"
            for name in gone
        ),
        tuple(f"field {name} is new" for name in new),
    )


def _others(names: Iterable[str], known: Iterable[str]) -> list[str]:
    here = set(known)
    return [name for name in names if name not in here]
