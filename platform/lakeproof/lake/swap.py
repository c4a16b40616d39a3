"""Which catalogs take a commit only on the table that it was planned on, so that no run undoes another's.

Read in PyIceberg 0.12: `SqlCatalog` updates the row only where that still names the metadata that was read;
`RestCatalog` sends requirements, which the server checks; `GlueCatalog` sends the version of Glue's table;
`HiveCatalog` holds the metastore's lock from before it reads until after it wrote. `DynamoDbCatalog` and
`BigQueryMetastoreCatalog` cannot commit to a table at all. What another class does is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyiceberg.catalog.sql import SqlCatalog

from lakeproof.errors import UsageError

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

CONDITIONAL = {
    "pyiceberg.catalog.sql.SqlCatalog",
    "pyiceberg.catalog.rest.RestCatalog",
    "pyiceberg.catalog.glue.GlueCatalog",
    "pyiceberg.catalog.hive.HiveCatalog",
}
"""The classes whose `commit_table` is conditional; by name, since some need packages that are not there."""

IN_MEMORY = {None, "", ":memory:"}


def demand_conditional(catalog: Catalog, where: str) -> None:
    """Refuse a catalog that is not known to take a commit only on the table that it was planned on.

    Args:
        catalog: The catalog.
        where: What a person calls it.

    Raises:
        UsageError: It is none.
    """
    commits = next(kind for kind in type(catalog).__mro__ if "commit_table" in vars(kind))
    if f"{commits.__module__}.{commits.__qualname__}" not in CONDITIONAL:
        msg = (
            f"{where} is a {type(catalog).__name__}, which is not known to commit under a condition: "
            "two runs at once could undo each other's days."
        )
        raise UsageError(msg, next_step="let it be of type rest, sql, glue or hive")


def demand_lasting(catalog: Catalog, where: str) -> None:
    """Refuse a catalog in the memory of its process: what is published there is gone when that ends.

    Raises:
        UsageError: It is one.
    """
    if not isinstance(catalog, SqlCatalog) or catalog.engine.dialect.name != "sqlite":
        return
    if catalog.engine.url.database in IN_MEMORY:
        msg = f"{where} is in this process's memory: nobody else sees what is published there, and it ends with it."
        raise UsageError(msg, next_step="give it the uri of a file or a server, such as sqlite:////path/catalog.db")
