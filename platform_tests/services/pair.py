"""Two tables of a lake that PyIceberg's configuration names, one made of the other, run as Dagster runs them."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
import pytest
from publisher import day, readings, work_of
from pyiceberg.catalog import load_catalog
from pyiceberg.utils.config import Config

from lakeproof import Lakehouse, audit, daily_table
from lakeproof.wap import write_audit_publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lakeproof import Table

DAY = day(1)
NUMBERS = itertools.count(1)


@contextmanager
def configured(properties: Mapping[str, str]) -> Iterator[Lakehouse]:
    """Let PyIceberg's configuration have one more catalog, as variables, and yield its lake."""
    called = f"pair{next(NUMBERS)}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in properties.items():
            variable = name.upper().replace(".", "__").replace("-", "_")
            patch.setenv(f"PYICEBERG_CATALOG__{called.upper()}__{variable}", value)
        patch.setattr("pyiceberg.catalog._ENV_CONFIG", Config())  # read once, as PyIceberg is imported
        yield Lakehouse(catalog_name=called)


@dataclass(frozen=True)
class Run:
    """What came of a materialization.

    Args:
        result: Dagster's result.
        told: All that Dagster keeps of it.
    """

    result: dg.ExecuteInProcessResult
    told: str

    @property
    def refusal(self) -> str:
        """Why it failed, in the platform's words; empty when it did not."""
        failures = [event for event in self.result.all_events if event.event_type_value == "STEP_FAILURE"]
        return failures[0].event_specific_data.error.message if failures else ""  # type: ignore[union-attr]


@dataclass
class Pair:
    """A table and one made of it, both with an old day.

    Args:
        properties: Of the catalog, as nothing is wrong with it.
        lakehouse: The lake, as runs have it.
        value: What the rows of both have now.
    """

    properties: Mapping[str, str]
    lakehouse: Lakehouse
    value: int = 1
    name: str = field(default_factory=lambda: f"pair{next(NUMBERS)}")

    def __post_init__(self) -> None:
        """Publish the old day."""
        self.give(1)
        assert self.run().refusal == ""

    @property
    def raw(self) -> Table:
        """What is given."""
        return readings(f"{self.name}.raw")

    @property
    def made(self) -> Table:
        """What is made of it; an audit looks at the other table, as it comes to judge."""
        given = audit.references("row", self.raw.name, "row")
        return readings(f"{self.name}.made")._but(audits=[*readings("a.b").audits, given])

    def give(self, value: int) -> None:
        """Publish other rows of the day to be made of, with nothing in the way."""
        lake = self.lakehouse.lake
        write_audit_publish(lake, work_of(lake, self.raw.name, [1], {1: value}))
        self.value = value

    def run(self, form: Any = pl.DataFrame, doing: Callable[[], object] = lambda: None) -> Run:
        """Make the day.

        Args:
            form: In which the function takes its input.
            doing: What happens while the function runs.
        """

        def copied(raw: Any) -> Any:
            doing()
            return raw

        copied.__annotations__ = {"raw": form}
        asset = daily_table(self.made, raw=self.raw)(copied)
        with dg.DagsterInstance.ephemeral() as instance:
            resources = {"lakehouse": Lakehouse(catalog_name=self.lakehouse.catalog_name)}  # as a process of its own
            done = dg.materialize(
                [asset], partition_key=str(DAY), resources=resources, raise_on_error=False, instance=instance
            )
            told = "\n".join(str(entry) for entry in instance.all_logs(done.run_id))
        return Run(done, told)

    def seen(self) -> tuple[set[int], int]:
        """Return the values that readers see, and how many snapshots there are: by plain PyIceberg, past any proxy."""
        table = load_catalog(self.lakehouse.catalog_name, **self.properties).load_table(self.made.name)
        return set(table.scan().to_arrow()["value"].to_pylist()), len(table.metadata.snapshots)
