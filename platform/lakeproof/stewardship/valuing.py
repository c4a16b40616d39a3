"""Whether ends pay, from all that is on record: contracts or Dagster's record, what was spent, and who read what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from statistics import mean
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.data_version import INPUT_DATA_VERSION_TAG_PREFIX

from lakeproof.lake.evidence import read_evidence
from lakeproof.lake.files import run_began
from lakeproof.lake.live import View
from lakeproof.lake.output import is_line
from lakeproof.lake.promise import Declared
from lakeproof.lake.used import Use, uses_of
from lakeproof.lakehouse import asset_reader
from lakeproof.reads import upstream_of
from lakeproof.stewardship.advice import ENOUGH_DAYS, Cluster
from lakeproof.stewardship.attainment import Attainment
from lakeproof.stewardship.costing import lineage_recorded
from lakeproof.stewardship.promised import promised_days
from lakeproof.stewardship.querylogs import configured_logs, uses_in
from lakeproof.stewardship.worth import REJECTED, Known, Made
from lakeproof.window import ONE_DAY, Window

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import date

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.asset import TableAsset
    from lakeproof.lake.catalog import Lake


def declared(made: Iterable[TableAsset], assets: Mapping[str, Sequence[str]]) -> list[Known]:
    """Return what the contracts of tables say of them.

    Args:
        made: The tables whose code is loaded.
        assets: The Dagster assets that depend on each, and are no tables.
    """
    return [
        Known(
            one.table.name,
            frozenset(upstream_of(one) - {one.table.name}),
            one.table.values,
            tuple(assets.get(one.table.name, ())),
            one.table.owner,
        )
        for one in made
    ]


def assets_downstream(graphs: Iterable[dg.Definitions], tables: Collection[str]) -> dict[str, list[str]]:
    """Return the Dagster assets that depend on tables, and are none: what dbt calls exposures.

    Args:
        graphs: The definitions of all code locations.
        tables: The names of the tables.
    """
    keys = {dg.AssetKey(name.split(".")): name for name in tables}
    found: dict[str, set[str]] = {}
    for definitions in graphs:
        graph = definitions.resolve_asset_graph()
        for key in graph.get_all_asset_keys() - keys.keys():
            for parent in graph.get(key).parent_keys & keys.keys():
                found.setdefault(keys[parent], set()).add(asset_reader(key))
    return {name: sorted(assets) for name, assets in found.items()}


def recorded(instance: dg.DagsterInstance, lake: Lake, names: Collection[str], before: datetime) -> list[Known]:
    """Return what Dagster's record says of tables, for those who do not have their code.

    Args:
        instance: Dagster's record.
        lake: The lake.
        names: The names of the tables; those of rejects, and outputs' lines, belong to others.
        before: What was recorded later does not count.
    """
    known = []
    for name, told in lineage_recorded(instance, names, before).items():
        table = lake.find(name)
        if table is not None and not is_line(table) and not name.endswith(REJECTED):
            read = frozenset(told.upstream) - {name}
            known.append(Known(name, read, told.values, owner=table.properties.get("owner", "")))
    assets = _assets_recorded(instance, [one.name for one in known], lake.tables(), before)
    return [replace(one, assets=tuple(assets.get(one.name, ()))) for one in known]


def _assets_recorded(
    instance: dg.DagsterInstance, names: Collection[str], tables: Collection[str], before: datetime
) -> Mapping[str, Sequence[str]]:
    """Return the Dagster assets, other than tables, that depend on each table, as far as they were ever made.

    Dagster tags what it makes with each asset that it depends on; without their code, nothing else is on record.
    """
    keys = {name: dg.AssetKey(name.split(".")) for name in {*names, *tables}}
    tags = {f"{INPUT_DATA_VERSION_TAG_PREFIX}/{keys[name].to_user_string()}": name for name in names}
    found: dict[str, list[str]] = {}
    for key in sorted(set(instance.get_asset_keys()) - {*keys.values()}):
        wanted = dg.AssetRecordsFilter(key, before_timestamp=before.timestamp())
        for record in instance.fetch_materializations(wanted, limit=1).records:
            told = record.asset_materialization.tags if record.asset_materialization else None
            for tag in tags.keys() & (told or {}).keys():
                found.setdefault(tags[tag], []).append(asset_reader(key))
    return found


def uses_on_record(lake: Lake, names: Iterable[str]) -> list[Use]:
    """Return who read which of some tables when: beside the tables, and in the query logs that are configured.

    Args:
        lake: The lake.
        names: The names of the tables.

    Raises:
        LakeproofError: The storage refused, or a configured log cannot be read.
    """
    listed = sorted(names)
    beside = [use for name in listed if (table := lake.find(name)) is not None for use in uses_of(table)]
    return [*beside, *uses_in(configured_logs(), listed)]


def unnamed(uses: Iterable[Use]) -> list[Use]:
    """Return uses with a number for each person, `user@host`, so that a table of them names none.

    >>> from datetime import date
    >>> day = date(2026, 11, 5)
    >>> [use.who for use in unnamed([Use("a.b", day, "ada@laptop"), Use("a.b", day, "asset weekly")])]
    ['reader 1', 'asset weekly']

    Args:
        uses: The uses.
    """
    listed = sorted(uses)
    numbers = {who: f"reader {number}" for number, who in enumerate(sorted({u.who for u in listed if "@" in u.who}), 1)}
    return [replace(use, who=numbers.get(use.who, use.who)) for use in listed]


def made_on_record(instance: dg.DagsterInstance, lake: Lake, names: Iterable[str], now: datetime) -> dict[str, Made]:
    """Return how tables are made: since when, by what, and how they kept their SLAs.

    Args:
        instance: Dagster's record.
        lake: The lake.
        names: The names of the tables.
        now: The instant of the report.

    Raises:
        LakeError: The storage refused.
    """
    tables = {name: table for name in names if (table := lake.find(name)) is not None}
    return {name: _made(instance, name, table, now) for name, table in tables.items()}


def _made(instance: dg.DagsterInstance, name: str, table: IcebergTable, now: datetime) -> Made:
    view = View.of(table)
    runs = sorted({live.run for live in view.days.values() if live.run})
    first = dg.AssetRecordsFilter(dg.AssetKey(name.split(".")))
    told = instance.fetch_materializations(first, limit=1, ascending=True).records
    began = [*map(run_began, runs[:1]), *(datetime.fromtimestamp(record.timestamp, UTC) for record in told)]
    evidence = read_evidence(table, runs[-1]) if runs else None
    return Made(
        min(began).date() if began and min(began) <= now else None,
        None if evidence is None else _cluster(name, view, evidence),
        _attained(table, now),
    )


def _cluster(name: str, view: View, evidence: Mapping[str, Any]) -> Cluster | None:
    engine = (evidence.get("engine") or {}).get("name")
    if not engine:
        return None
    latest = sorted(view.days.items(), key=lambda item: str(item[0]))[-ENOUGH_DAYS:]
    made, read = mean(live.rows for _, live in latest), rows_read(evidence["inputs"])
    return None if read is None else Cluster(name, str(engine), round(max(made, read)))


def rows_read(inputs: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Return how many rows a day's job reads of all its inputs; None where that is not known of each.

    It is not of sources, of a table of which the run had no day, and of a job that declares no input: what it reads,
    it reads by itself.

    >>> orders = {"days": {"2026-11-01": {"rows": 30}, "2026-11-02": {"rows": 50}}, "trailing_days": 7}
    >>> rows_read({"orders": orders}), rows_read({"orders": orders, "shops": {"days": {"all": {"rows": 9}}}})
    (280, 289)
    >>> rows_read({"orders": orders | {"kind": "latest", "trailing_days": 1}})  # all of it, each time
    80
    >>> rows_read({"orders": orders, "api": {"source": "https"}}), rows_read({"orders": {"days": {}}}), rows_read({})
    (None, None, None)

    Args:
        inputs: The inputs by name, as the evidence of a run has them.
    """
    if not inputs or not all(told.get("days") for told in inputs.values()):
        return None
    return sum(_of_input(told) for told in inputs.values())


def _of_input(told: Mapping[str, Any]) -> float:
    rows: list[int] = [day["rows"] for day in told["days"].values()]
    days: int = told.get("trailing_days", 1)
    return sum(rows) if told.get("kind") == "latest" else mean(rows) * days


def _attained(table: IcebergTable, now: datetime) -> Attainment | None:
    promise = Declared.of(table.properties)
    if promise is None:
        return None
    judged = [day for day in promised_days(table, now) if day.judged][-ENOUGH_DAYS:]
    return Attainment(len(judged), sum(day.state == "met" for day in judged), promise.sla.target)


def looked_at(last: date) -> Window:
    """Return the days of the clock, in UTC, whose costs are looked at: the last ones, and as many before them.

    Args:
        last: The last day that counts.
    """
    return Window(last - (2 * ENOUGH_DAYS - 1) * ONE_DAY, last + ONE_DAY)
