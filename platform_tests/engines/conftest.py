"""What the tests of engines share: a lake with every kind of day on each catalog, and a Trino server that reads both.

They run in `make test-readers`, which brings the engines.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import servers
from all_types import HELD, TABLE, Row, publish_clocks, publish_days
from catalogs import Catalog
from readers_page import of_language
from trino_server import TRINO, trino

from lakeproof.lake.held import held_days
from lakeproof.lake.live import View

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

collect_ignore_glob = [] if "rest" in servers.CATALOGS and TRINO.is_dir() else ["test_*.py"]

HERE = Path(__file__).parent


@dataclass(frozen=True, repr=False)
class Published:
    """A lake with every kind of day.

    Args:
        catalog: Its catalog.
        environment: Where it is, in the variables of docs/readers.md.
        main: The rows of `main`.
        branch: The rows of the output's branch.
        candidate: The rows of the candidate that `environment` names.
        clocks: The rows of the other table.
        killed: How the run ended that was killed before its publish.
    """

    catalog: Catalog
    environment: Mapping[str, str]
    main: list[Row]
    branch: list[Row]
    candidate: list[Row]
    clocks: list[Row]
    killed: int

    @classmethod
    def into(cls, properties: Mapping[str, str], folder: Path, environment: Mapping[str, str]) -> Published:
        """Publish into a new lake."""
        catalog = Catalog(properties, folder)
        lake = catalog.lake()
        rows = publish_days(lake)
        clocks = publish_clocks(lake)
        killed = subprocess.run(
            [sys.executable, HERE / "all_types.py"],
            env={**os.environ, "PYICEBERG_HOME": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
        ).returncode
        table = catalog.stored(TABLE)
        candidate = held_days(table, View.of(table).days)[HELD].candidate
        return cls(catalog, {**environment, "CANDIDATE": candidate}, *rows, clocks, killed)

    @property
    def snapshots(self) -> list[int]:
        """The ids of the table's snapshots, the oldest first."""
        listed = self.catalog.stored(TABLE).metadata.snapshots
        return [one.snapshot_id for one in sorted(listed, key=lambda snapshot: snapshot.timestamp_ms)]


@pytest.fixture(scope="session")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """Return a lake in a REST catalog, with its tables on S3."""
    with servers.seaweed() as properties:
        environment = {
            "CATALOG_URI": properties["uri"],
            "CATALOG_CREDENTIAL": properties["credential"],
            "WAREHOUSE": properties["warehouse"],
            "S3_ENDPOINT": properties["s3.endpoint"],
            "AWS_REGION": properties["s3.region"],
            "AWS_ACCESS_KEY_ID": properties["s3.access-key-id"],
            "AWS_SECRET_ACCESS_KEY": properties["s3.secret-access-key"],
        }
        published = Published.into(properties, tmp_path_factory.mktemp("rest"), environment)
        with closing(published.catalog):
            yield published


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """Return a lake in Postgres, with its tables in a folder."""
    with servers.postgres() as properties:
        environment = {
            "POSTGRES": f"jdbc:postgresql://127.0.0.1:{urlsplit(properties['uri']).port}/postgres",
            "PGUSER": "lake",
            "PGPASSWORD": "trusted",
            "POSTGRES_WAREHOUSE": properties["warehouse"],
        }
        published = Published.into(properties, tmp_path_factory.mktemp("postgres"), environment)
        with closing(published.catalog):
            yield published


@pytest.fixture(scope="session")
def server(rest: Published, postgres: Published) -> Iterator[int]:
    """Return the port of a Trino server with both catalogs, as the page configures them."""
    (lake,), (jdbc,) = (of_language(section, "properties") for section in ("Trino", "With the catalog in Postgres"))
    with trino({"lake": lake, "postgres": jdbc}, {**rest.environment, **postgres.environment}) as port:
        yield port
