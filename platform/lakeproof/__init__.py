"""Lakeproof: a daily data platform on Dagster and Apache Iceberg: no reader ever sees a row that failed an audit.

The names below are public. Each is imported when it is first used, so that a command that needs none of them starts at
once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakeproof import audit
    from lakeproof.asset import daily_table, spark_table, sql_table
    from lakeproof.contract import Input, Table
    from lakeproof.errors import LakeproofError
    from lakeproof.jobs import maintenance
    from lakeproof.lakehouse import Lakehouse
    from lakeproof.metric import Metric
    from lakeproof.output_job import output_jobs
    from lakeproof.parts import Audit, Column, Sla
    from lakeproof.pipeline import Pipeline
    from lakeproof.sensors import readiness
    from lakeproof.source import AirflowTask, DatabaseSource, HttpSource, LandingSource, PackageSource, Source
    from lakeproof.stewardship.checks import slas
    from lakeproof.stewardship.notifications import Notifications
    from lakeproof.stewardship.telling import notifications
    from lakeproof.value import Value
    from lakeproof.window import Window

_HOMES = {
    "AirflowTask": "lakeproof.source",
    "Audit": "lakeproof.parts",
    "Column": "lakeproof.parts",
    "DatabaseSource": "lakeproof.source",
    "HttpSource": "lakeproof.source",
    "Input": "lakeproof.contract",
    "Lakehouse": "lakeproof.lakehouse",
    "LakeproofError": "lakeproof.errors",
    "LandingSource": "lakeproof.source",
    "PackageSource": "lakeproof.source",
    "Metric": "lakeproof.metric",
    "Notifications": "lakeproof.stewardship.notifications",
    "Pipeline": "lakeproof.pipeline",
    "Sla": "lakeproof.parts",
    "Source": "lakeproof.source",
    "Table": "lakeproof.contract",
    "Value": "lakeproof.value",
    "Window": "lakeproof.window",
    "daily_table": "lakeproof.asset",
    "maintenance": "lakeproof.jobs",
    "notifications": "lakeproof.stewardship.telling",
    "output_jobs": "lakeproof.output_job",
    "readiness": "lakeproof.sensors",
    "slas": "lakeproof.stewardship.checks",
    "spark_table": "lakeproof.asset",
    "sql_table": "lakeproof.asset",
}

__all__ = [
    "AirflowTask",
    "Audit",
    "Column",
    "DatabaseSource",
    "HttpSource",
    "Input",
    "Lakehouse",
    "LakeproofError",
    "LandingSource",
    "Metric",
    "Notifications",
    "PackageSource",
    "Pipeline",
    "Sla",
    "Source",
    "Table",
    "Value",
    "Window",
    "audit",
    "daily_table",
    "maintenance",
    "notifications",
    "output_jobs",
    "readiness",
    "slas",
    "spark_table",
    "sql_table",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name == "audit":
        return import_module("lakeproof.audit")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    msg = f"module 'lakeproof' has no attribute {name!r}"
    raise AttributeError(msg)
