"""The operations code location: the platform's tables about itself, the lake they share with all, and their upkeep."""

from __future__ import annotations

import dagster as dg

import operations
from lakeproof import Lakehouse, maintenance, notifications, readiness

TABLES = dg.load_assets_from_package_module(operations)

defs = dg.Definitions.merge(
    dg.Definitions(
        assets=TABLES,
        resources={"lakehouse": Lakehouse()},
        executor=dg.in_process_executor,  # a run is one table: a process for its only step would be most of its time
    ),
    maintenance(TABLES),
    readiness(TABLES),
    notifications(TABLES),
)
