"""What a table's code shows, without running it, to break the promise that its inputs and its window alone decide."""

from __future__ import annotations

from lakeproof.lint.finding import Finding
from lakeproof.lint.table import lint

__all__ = ["Finding", "lint"]
