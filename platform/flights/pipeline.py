"""What the tables of the example have in common."""

from __future__ import annotations

from datetime import timedelta

from flights.days import END, START
from lakeproof import Pipeline

flights = Pipeline(
    "flights",
    start=START,
    end=END,
    timezone="America/New_York",
    owner="team:flight-operations",
    retries=2,
    retry_delay=timedelta(minutes=1),
    retry_backoff="exponential",
)
