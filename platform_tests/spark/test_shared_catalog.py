"""The same table, audits and command on catalogs that many machines share: in the process, and by a Spark job."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
import pytest
import servers
from pyiceberg.utils.config import Config

from lakeproof import Lakehouse, Window, daily_table
from lakeproof.lake.files import list_files, records_of
from lakeproof.outputs.beside import sides_of
from lakeproof.outputs.compare import How, compare
from lakeproof.spark.process import SparkSubmit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Plant

SCHEMA = {"reading_date": pl.Date, "sensor": pl.String, "value": pl.Int32}

S3A = Path(__file__).parents[2] / ".venv" / "s3a"
"""The jars by which Spark reaches S3."""

REACH = {"spark.jars": ",".join(map(str, S3A.glob("*.jar")))}

SERVERS = {"postgres": servers.postgres, "rest": servers.seaweed}


@contextmanager
def shared(kind: str, patch: pytest.MonkeyPatch) -> Iterator[Lakehouse]:
    """Run a catalog's server, and yield its lake, found by PyIceberg's configuration alone."""
    with SERVERS[kind]() as properties:
        for name, value in properties.items():
            variable = name.upper().replace(".", "__").replace("-", "_")
            patch.setenv(f"PYICEBERG_CATALOG__SHARED__{variable}", value)
        patch.setattr("pyiceberg.catalog._ENV_CONFIG", Config())  # read once, as PyIceberg is imported
        yield Lakehouse(catalog_name="shared")


@pytest.mark.parametrize("kind", SERVERS)
def test_spark_and_the_process_make_the_same_on_a_shared_catalog(
    plant_of: type[Plant], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """An output that Spark makes beside `main` is compared row by row, and is identical; no file is left over."""
    with shared(kind, monkeypatch) as lakehouse:
        plant = plant_of(lakehouse, SparkSubmit("local[2]"))

        @daily_table(plant.raw)
        def collect(window: Window) -> pl.DataFrame:
            rows = [(day, "a", value) for day in window.days for value in (1, 2, 3)]
            return pl.DataFrame(rows, schema=SCHEMA, orient="row")

        @daily_table(plant.readings, raw=plant.raw)
        def here(raw: pl.LazyFrame) -> pl.LazyFrame:
            return raw

        tags = {"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": "2024-01-02"}
        for asset in (collect, here):
            assert dg.materialize_to_memory([asset], tags=tags, resources={"lakehouse": lakehouse}).success

        beside = plant_of(Lakehouse(catalog_name="shared", output="by-spark"), plant.launcher)
        done = beside.run("more", conf=REACH)

        assert done.refusal == ""
        found: Any = compare("plant.readings", *sides_of(lakehouse.lake, "by-spark", "plant.readings"), How())
        assert (found.added, found.removed, found.changed) == (2, 0, 0)
        done = beside.run(conf=REACH)
        assert done.refusal == ""
        again: Any = compare("plant.readings", *sides_of(lakehouse.lake, "by-spark", "plant.readings"), How())
        assert again.identical
        table = lakehouse.catalog.load_table("plant.readings")
        left = [file.name for file in list_files(table.io, f"{records_of(table)}/staging")]
        assert not [name for name in left if name.endswith(".parquet")]
