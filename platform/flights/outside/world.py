"""Starts what the example collects from, and tells where it is by environment variables."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flights.outside.reference import DATABASE, fill
from flights.outside.weather import FIRST, LAST, land

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

FEED_URL, FEED_KEY, LANDING = "FLIGHTS_FEED_URL", "FLIGHTS_FEED_KEY", "FLIGHTS_LANDING"
START_SECONDS = 30


@contextmanager
def outside(folder: Path, *, rate: float = 50, first: date = FIRST, last: date = LAST) -> Iterator[dict[str, str]]:
    """Serve the feed on a free loopback port, fill the landing folder and the database; yield where they are.

    What the environment names already is left alone: a feed elsewhere, another folder, a Postgres.

    Args:
        folder: Where the landing folder and the database are made.
        rate: Requests a second that the feed takes.
        first: The first day of weather to land.
        last: The last one, included.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    found = {name: os.environ[name] for name in (FEED_URL, FEED_KEY, LANDING, DATABASE) if os.environ.get(name)}
    if LANDING not in found:
        found[LANDING] = str(folder / "landing")
        land(folder / "landing", first, last)
    if DATABASE not in found:
        found[DATABASE] = f"sqlite:///{folder / 'reference.db'}"
        _fill_once(folder / "reference.db")
    if FEED_URL in found:
        yield found
        return
    found.setdefault(FEED_KEY, secrets.token_hex(8))
    port = folder / f"feed-{os.getpid()}.port"
    command = [sys.executable, "-m", "flights.feed", "--port-file", str(port), "--rate", str(rate)]
    feed = subprocess.Popen(command, env=os.environ | found, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    try:
        found[FEED_URL] = f"http://127.0.0.1:{_port(port, feed)}"
        yield found
    finally:
        feed.terminate()
        feed.wait()
        port.unlink(missing_ok=True)


def _fill_once(database: Path) -> None:
    """Make the database in one step, and leave one that is there alone: another command may be reading it."""
    if not database.exists():
        new = database.with_name(f"reference-{os.getpid()}.new")
        fill(f"sqlite:///{new}")
        new.replace(database)


def _port(file: Path, feed: subprocess.Popen[bytes]) -> int:
    """Wait until the feed says where it listens."""
    until = time.monotonic() + START_SECONDS
    while not file.exists():
        if feed.poll() is not None or time.monotonic() > until:
            msg = "The flights feed did not start."
            raise RuntimeError(msg)
        time.sleep(0.02)
    return int(file.read_text())
