"""A catalog through which two runs could undo each other's days is refused, and a commit that is undone is noticed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.utils.config import Config
from sqlalchemy import update
from sqlalchemy.orm import Session

from lakeproof import Lakehouse
from lakeproof.errors import LakeError, UsageError
from lakeproof.lake.catalog import Lake


class LastOneWins(SqlCatalog):
    """A catalog whose pointer is whoever's wrote last, as those are that keep it in a plain file."""

    def commit_table(self, table: Table, requirements: Any, updates: Any) -> CommitTableResponse:
        """Commit without a look at what is there by now."""
        del requirements
        staged = self._update_and_stage_table(table, table.name(), (), updates)
        self._write_metadata(staged.metadata, staged.io, staged.metadata_location)
        with Session(self.engine) as session:
            where = IcebergTables.table_name == table.name()[-1]
            session.execute(update(IcebergTables).where(where).values(metadata_location=staged.metadata_location))
            session.commit()
        return CommitTableResponse(metadata=staged.metadata, metadata_location=staged.metadata_location)


def opened(kind: type[SqlCatalog], folder: Path) -> SqlCatalog:
    """Return a catalog in a folder."""
    return kind("lake", uri=f"sqlite:///{folder}/catalog.db", warehouse=folder.as_uri())


def test_a_catalog_where_the_last_writer_wins_is_refused(tmp_path: Path, lab: Any) -> None:
    """One of two commits that were planned at once is lost in it, and nobody hears of that; so it is no lake."""
    Lake(opened(SqlCatalog, tmp_path), "a catalog").ensure(lab.table())
    catalog = opened(LastOneWins, tmp_path)
    one, other = catalog.load_table("lab.readings"), catalog.load_table("lab.readings")
    one.transaction().set_properties(one="1").commit_transaction()
    other.transaction().set_properties(other="1").commit_transaction()
    assert not {"one", "other"} <= catalog.load_table("lab.readings").properties.keys()

    with pytest.raises(UsageError, match="a catalog is a LastOneWins, which is not known to commit under a condition"):
        Lake(catalog, "a catalog")


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"type": "dynamodb", "warehouse": "s3://lake/warehouse"}, "catalog odd is a DynamoDbCatalog"),
        ({"type": "in-memory"}, "catalog odd is in this process's memory"),
        ({"type": "sql", "uri": "sqlite://"}, "catalog odd is in this process's memory"),
    ],
)
def test_a_configured_catalog_that_cannot_publish_is_refused(
    monkeypatch: pytest.MonkeyPatch, properties: dict[str, str], said: str
) -> None:
    """The refusal comes before anything runs, and says what to configure."""
    for name, value in properties.items():
        monkeypatch.setenv(f"PYICEBERG_CATALOG__ODD__{name.upper()}", value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "moto")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("pyiceberg.catalog._ENV_CONFIG", Config())  # read once, as PyIceberg is imported

    with mock_aws(), pytest.raises(UsageError, match=said) as refusal:
        assert Lakehouse(catalog_name="odd").lake

    assert refusal.value.next_step


@pytest.mark.parametrize("kind", ["rest", "sql", "glue"])
def test_the_catalogs_that_compare_and_swap_are_known(tmp_path: Path, kind: str) -> None:
    """A class of PyIceberg's that commits under a condition is told by name, which a release may change."""
    modules = {"rest": "RestCatalog", "sql": "SqlCatalog", "glue": "GlueCatalog"}
    module = __import__(f"pyiceberg.catalog.{kind}", fromlist=[modules[kind]])
    catalog = object.__new__(getattr(module, modules[kind]))

    assert Lake(catalog, str(tmp_path)).catalog is catalog


def test_a_commit_that_another_writer_undid_is_noticed(lab: Any) -> None:
    """The catalog answered that it took the commit, and has the table as it was: the run does not say it published."""
    lab.run(lab.table(), lab.rows(1))
    with closing(sqlite3.connect(Path(lab.lakehouse.home) / "catalog.db")) as database:
        database.execute(
            "CREATE TRIGGER undone AFTER UPDATE OF metadata_location ON iceberg_tables "
            "WHEN new.metadata_location <> old.metadata_location BEGIN "
            "UPDATE iceberg_tables SET metadata_location = old.metadata_location; END"
        )
        database.commit()

    with pytest.raises(LakeError, match=r"took the commit of run .* and does not have it a moment later") as refusal:
        lab.run(lab.table(), lab.rows(2))
    assert refusal.value.readers == "see what another writer left"
    assert lab.values() == [1]

    with closing(sqlite3.connect(Path(lab.lakehouse.home) / "catalog.db")) as database:
        database.execute("DROP TRIGGER undone")
    assert lab.states(lab.table(), lab.rows(2)) == ["published"]
