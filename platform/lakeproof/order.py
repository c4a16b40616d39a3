"""Which table comes before which: what it reads or refers to, upstream first. A circle has no order, and is refused."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from lakeproof.errors import ContractError
from lakeproof.reads import upstream_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeproof.asset import TableAsset


def upstream_first(tables: Sequence[TableAsset]) -> list[TableAsset]:
    """Return tables so that each comes after what it reads and refers to; else by name.

    Raises:
        ContractError: Tables read each other in a circle.
    """
    made_of = {made.table.name: made for made in tables}
    upstream = {name: upstream_of(made_of[name]) - {name} for name in sorted(made_of)}
    try:
        order = list(TopologicalSorter(upstream).static_order())
    except CycleError as error:
        msg = f"Tables read each other in a circle: {' → '.join(reversed(error.args[1]))}."
        raise ContractError(msg, next_step="break the circle; a table that needs itself reads previous()") from None
    return [made_of[name] for name in order if name in made_of]
