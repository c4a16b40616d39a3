"""What lies outside the lake: read by window, checked before it is read, and asked whether a day is complete.

The names below are imported when they are first used: a source pays for its own libraries only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakeproof.source.airflow import AirflowTask, airflow_login
    from lakeproof.source.auth import api_key, bearer
    from lakeproof.source.client import Retry
    from lakeproof.source.database import DatabaseSource
    from lakeproof.source.days import DayIndex
    from lakeproof.source.http import HttpSource
    from lakeproof.source.landing import LandingSource
    from lakeproof.source.package import PackageSource
    from lakeproof.source.pagination import Cursor, LinkHeader, NextLink, Offset, OnePage, PageNumber
    from lakeproof.source.protocol import Awaited, Completeness, Delivery, Precheck, Source
    from lakeproof.source.rate import Rate

_HOMES = {
    "AirflowTask": "airflow",
    "Awaited": "protocol",
    "Completeness": "protocol",
    "Cursor": "pagination",
    "DatabaseSource": "database",
    "DayIndex": "days",
    "Delivery": "protocol",
    "HttpSource": "http",
    "LandingSource": "landing",
    "LinkHeader": "pagination",
    "NextLink": "pagination",
    "Offset": "pagination",
    "OnePage": "pagination",
    "PackageSource": "package",
    "PageNumber": "pagination",
    "Precheck": "protocol",
    "Rate": "rate",
    "Retry": "client",
    "Source": "protocol",
    "airflow_login": "airflow",
    "api_key": "auth",
    "bearer": "auth",
}

__all__ = [
    "AirflowTask",
    "Awaited",
    "Completeness",
    "Cursor",
    "DatabaseSource",
    "DayIndex",
    "Delivery",
    "HttpSource",
    "LandingSource",
    "LinkHeader",
    "NextLink",
    "Offset",
    "OnePage",
    "PackageSource",
    "PageNumber",
    "Precheck",
    "Rate",
    "Retry",
    "Source",
    "airflow_login",
    "api_key",
    "bearer",
]


def __getattr__(name: str) -> object:
    """Import a name when it is first used."""
    if name in _HOMES:
        return getattr(import_module(f"lakeproof.source.{_HOMES[name]}"), name)
    msg = f"module 'lakeproof.source' has no attribute {name!r}"
    raise AttributeError(msg)
