"""A small API that serves the example's departures by day, with every fault that an API can have."""

from __future__ import annotations

from flights.feed.server import Feed

__all__ = ["Feed"]
