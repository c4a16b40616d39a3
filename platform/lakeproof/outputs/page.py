"""A comparison as one page of HTML that needs nothing else, to be opened in a meeting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeproof.outputs.text import verdict

if TYPE_CHECKING:
    from lakeproof.outputs.comparison import Comparison


def page(found: Comparison) -> str:
    """Return the page."""
    return verdict(found)
