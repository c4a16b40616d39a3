"""Since when an SLA holds: the table remembers the instant at which it was first stored, so that none is back-dated."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lakeproof.parts import Sla

if TYPE_CHECKING:
    from collections.abc import Mapping

DECLARED_KEY = "lakeproof.sla-declared"
"""Property of a table: its SLA as JSON, and the instant at which that was first stored."""


@dataclass(frozen=True)
class Declared:
    """An SLA as a table remembers it.

    Args:
        sla: What was promised.
        instant: When it was first stored: days whose deadline lies before it were never promised.
    """

    sla: Sla
    instant: datetime

    @classmethod
    def of(cls, properties: Mapping[str, str]) -> Declared | None:
        """Return what a table's properties say; None when no SLA was stored."""
        if (text := properties.get(DECLARED_KEY)) is None:
            return None
        said = json.loads(text)
        sla = Sla(said["due"], said["target"], said["timezone"], said["since"])
        return cls(sla, datetime.fromisoformat(said["instant"]))


def sla_properties(sla: Sla | None, stored: Mapping[str, str]) -> dict[str, str]:
    """Return what a table is to remember of its contract's SLA.

    Another due time or zone is another promise, and begins now; another target of the same one does not.

    Args:
        sla: The contract's.
        stored: The table's properties; none for a new table.
    """
    if sla is None:
        return {}
    known = Declared.of(stored)
    same = known is not None and (known.sla.due, known.sla.timezone) == (sla.due, sla.timezone)
    instant = known.instant if known is not None and same else datetime.now(UTC)
    since = None if sla.first_promised is None else sla.first_promised.isoformat()
    said = {"due": sla.due, "target": sla.target, "timezone": sla.timezone, "since": since}
    said["instant"] = instant.isoformat()
    return {DECLARED_KEY: json.dumps(said)}
