"""The flights code location: every table, their lake, its upkeep, what asks for their days, SLAs, and outputs."""

from __future__ import annotations

import dagster as dg

from flights import analysis, collection, transformation, value
from flights.days import LIVE
from lakeproof import Lakehouse, maintenance, notifications, output_jobs, readiness, slas

LAYERS = (collection, transformation, analysis, value)

TABLES = [asset for layer in LAYERS for asset in dg.load_assets_from_package_module(layer)]

defs = dg.Definitions.merge(
    dg.Definitions(
        assets=TABLES,
        resources={"lakehouse": Lakehouse()},
        executor=dg.in_process_executor,  # a run is one table: a process for its only step would be most of its time
    ),
    maintenance(TABLES),
    readiness(TABLES, default_status=dg.DefaultSensorStatus.RUNNING if LIVE else dg.DefaultSensorStatus.STOPPED),
    slas(TABLES),
    notifications(TABLES),
    output_jobs(TABLES),
)
