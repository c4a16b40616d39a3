"""What every test shares."""

from __future__ import annotations

import pytest

from lakeproof import Lakehouse


@pytest.fixture
def lakehouse() -> Lakehouse:
    """Return an empty lake of the test's own."""
    return Lakehouse.in_memory()
