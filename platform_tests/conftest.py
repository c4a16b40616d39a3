"""What every test shares."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from flights.feed.server import DEMO_KEY, KEY_VARIABLE
from flights.outside import outside
from lakeproof import Lakehouse
from lakeproof.journey import open_inputs
from lakeproof.wap import write_audit_publish
from lakeproof.work import Work, base_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

    from lakeproof.asset import TableAsset
    from lakeproof.outcome import Outcome


def pytest_collection_finish() -> None:
    """Take what was imported out of garbage collection, which goes over it again and again: an eighth of the time."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Give it back: DuckDB's bindings complain of what is left at the end."""
    gc.unfreeze()


@pytest.fixture
def lakehouse() -> Lakehouse:
    """Return an empty lake of the test's own."""
    return Lakehouse.in_memory()


@pytest.fixture(scope="session")
def flights_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Serve what the example collects from: a feed, a landing folder and a database, all real."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, DEMO_KEY)
        with outside(tmp_path_factory.mktemp("outside"), rate=0) as where:
            for name, value in where.items():
                patch.setenv(name, value)
            yield where


@pytest.fixture(scope="session")
def publish() -> Callable[[Lakehouse, TableAsset, Sequence[date | None]], Outcome]:
    """Return what takes days of an asset, with its inputs, through the real path, without Dagster's record of it."""

    def run(lakehouse: Lakehouse, made: TableAsset, days: Sequence[date | None]) -> Outcome:
        kinds = {getattr(how, "kind", "source") for how in made.inputs.values()}
        work = Work(
            table=made.table,
            maker=made.maker,
            readers=open_inputs(lakehouse.lake, made.table, made.inputs, days),
            days=tuple(days),
            base=base_of(lakehouse.lake, made.table, days, chained="previous" in kinds),
            sequential=bool(kinds & {"last", "previous"}),
        )
        return write_audit_publish(lakehouse.lake, work)

    return run
