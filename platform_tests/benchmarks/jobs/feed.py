"""The feed's pages on disk, read by each contestant; and days collected from the feed itself."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import requests

from flights.collection.raw_departures import FIELDS
from flights.feed.departures import all_days
from flights.feed.server import DEMO_KEY, KEY_VARIABLE
from lakeproof import HttpSource, Window
from lakeproof.source import NextLink, Rate, api_key
from lakeproof.source.client import Answer
from lakeproof.source.pages import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 500
RATE = 50


def make(folder: str, days: int) -> dict[str, Any]:
    """Write the pages of the first days of the year, and the same items as lines."""
    items = [item for day in list(all_days().values())[:days] for item in day.items]
    at = Path(folder)
    at.mkdir(parents=True, exist_ok=True)
    for begin in range(0, len(items), PAGE):
        page = {"data": items[begin : begin + PAGE], "total": len(items), "next": None}
        (at / f"page-{begin:07}.json").write_text(json.dumps(page, separators=(",", ":")))
    (at / "items.jsonl").write_text("".join(f"{json.dumps(item, separators=(',', ':'))}\n" for item in items))
    return {"rows": len(items)}


def parse(how: str, folder: str) -> dict[str, Any]:
    """Read all pages into columns; the time is of the reading alone."""
    readers = {"ours": _ours, "polars": _polars, "duckdb": _duckdb, "polars_lines": _polars_lines}
    pages = sorted(Path(folder).glob("page-*.json"))
    began = time.monotonic()
    rows = readers[how](pages)
    return {"rows": rows, "seconds": time.monotonic() - began}


def _ours(pages: list[Path]) -> int:
    paths = {field.name: field.name for field in FIELDS}
    shape = Shape(FIELDS, paths, "data", {"total": int, "next": str | None}, omits_null=False)
    batches = [shape.read(Answer("", {}, page.read_bytes()), page.name).batch for page in pages]
    return sum(batch.num_rows for batch in batches)


def _polars(pages: list[Path]) -> int:
    frames = [pl.read_json(page).select(pl.col("data").explode().struct.unnest()) for page in pages]
    return sum(frame.height for frame in frames)


def _duckdb(pages: list[Path]) -> int:
    with duckdb.connect() as connection:
        read = f"FROM read_json('{pages[0].parent}/page-*.json')"
        return connection.sql(f"SELECT unnest(data, max_depth := 2) {read}").to_arrow_table().num_rows


def _polars_lines(pages: list[Path]) -> int:
    return pl.read_ndjson(pages[0].parent / "items.jsonl").height


def collect(days: int) -> dict[str, Any]:
    """Collect days from the feed at its rate; the limit alone takes the time between so many requests."""
    os.environ[KEY_VARIABLE] = DEMO_KEY
    with _feed() as url:
        source = HttpSource(
            "/v1/departures",
            FIELDS,
            base=url,
            params={"date": "{ds}"},
            items="data",
            total="total",
            pagination=NextLink("next", limit=PAGE),
            auth=api_key(env=KEY_VARIABLE, header="X-Api-Key"),
            rate=Rate(RATE),
        )
        listed = list(all_days())
        began = time.monotonic()
        delivery = source.read(Window.of(listed[0], listed[days - 1]))
        rows = sum(batch.num_rows for batch in delivery.rows)
        seconds = time.monotonic() - began
    pages = sum(told["pages"] + told["retries"] for told in delivery.told.values())
    return {"rows": rows, "seconds": seconds, "requests": pages, "rate": RATE, "limit_seconds": (pages - 1) / RATE}


@contextlib.contextmanager
def _feed() -> Iterator[str]:
    """Run the feed in a process of its own, as it is run by hand, until it answers."""
    with subprocess.Popen(
        [sys.executable, "-m", "flights.feed", "--rate", str(RATE)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[5].rstrip(";")
            requests.get(f"{url}/v1/departures/days", headers={"X-Api-Key": DEMO_KEY}, timeout=60)
            yield url
        finally:
            process.terminate()
