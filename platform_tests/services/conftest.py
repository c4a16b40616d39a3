"""The same tests on every catalog: SQLite in `make test`, Postgres and REST with S3 in `make test-services`."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
import servers
from catalogs import Catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

# A lost answer and a source need a server, and kills on SQLite are what test_crash.py is about.
NEED_SERVERS = [
    "test_bucket_faults.py",
    "test_catalog_faults.py",
    "test_crashes.py",
    "test_deployment.py",
    "test_flights_reference.py",
    "test_lost_answers.py",
    "test_source_bucket.py",
    "test_source_postgres.py",
]
collect_ignore = NEED_SERVERS if servers.CATALOGS == ["sqlite"] else []


@pytest.fixture(scope="session", params=servers.CATALOGS)
def catalog(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """Return a catalog of each kind, empty but for what other tests put there."""
    folder = tmp_path_factory.mktemp(request.param)
    local = {
        "type": "sql",
        "uri": f"sqlite:///{folder / 'catalog.db'}?timeout=30",
        "warehouse": (folder / "warehouse").as_uri(),
    }
    opened = {"sqlite": lambda: nullcontext(local), "postgres": servers.postgres, "rest": servers.seaweed}
    with opened[request.param]() as properties:
        found = Catalog(properties, folder)
        yield found
        found.close()
