"""What the tests of readers share."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from catalogs import Catalog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Catalog]:
    """Return an empty lake on SQLite, with processes that publish into it."""
    uri, warehouse = f"sqlite:///{tmp_path / 'catalog.db'}", (tmp_path / "lake").as_uri()
    with closing(Catalog({"type": "sql", "uri": uri, "warehouse": warehouse}, tmp_path)) as catalog:
        yield catalog
