"""The flights code location: every table of its four layers, and the lake they live in."""

from __future__ import annotations

import dagster as dg
from flights import analysis, collection, transformation, value

from lakeproof import Lakehouse

defs = dg.Definitions(
    assets=dg.load_assets_from_package_module(collection)
    + dg.load_assets_from_package_module(transformation)
    + dg.load_assets_from_package_module(analysis)
    + dg.load_assets_from_package_module(value),
    resources={"lakehouse": Lakehouse()},
)
