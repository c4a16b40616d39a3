"""The world outside the lake, as the example needs it: an API, a landing folder, a database."""

from __future__ import annotations

from flights.outside.world import outside

__all__ = ["outside"]
