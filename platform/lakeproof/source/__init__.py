"""What lies outside the lake: read by window, checked before it is read, and asked whether a day is complete."""

from __future__ import annotations

from lakeproof.source.package import PackageSource
from lakeproof.source.protocol import Completeness, Delivery, Precheck, Source

__all__ = ["Completeness", "Delivery", "PackageSource", "Precheck", "Source"]
