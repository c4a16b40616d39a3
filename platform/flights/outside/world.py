"""Starts what the example collects from, and tells where it is by environment variables."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from flights.days import SHIFT_WEEKS
from flights.feed.replay import Replay
from flights.outside.reference import DATABASE, fill
from flights.outside.weather import land, land_in_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

FEED_URL, FEED_KEY, LANDING = "FLIGHTS_FEED_URL", "FLIGHTS_FEED_KEY", "FLIGHTS_LANDING"
START_SECONDS = 30
END_SECONDS = 10


@contextmanager
def outside(
    folder: Path,
    *,
    rate: float = 50,
    first: date | None = None,
    last: date | None = None,
    replay: Replay | None = None,
) -> Iterator[dict[str, str]]:
    """Serve the feed on a free loopback port, fill the landing folder and the database; yield where they are.

    What the environment names already is left alone: a feed elsewhere, another folder, a Postgres.

    Args:
        folder: Where the landing folder and the database are made.
        rate: Requests a second that the feed takes.
        first: The first day of weather to land; the first of all by default.
        last: The last one, included; the last of all by default.
        replay: When days are delivered, by the feed and into the landing folder; all of 2013 by default.
    """
    replay = replay or Replay()
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    found = {name: os.environ[name] for name in (FEED_URL, FEED_KEY, LANDING, DATABASE) if os.environ.get(name)}
    if replay.weeks:
        found[SHIFT_WEEKS] = str(replay.weeks)
    if DATABASE not in found:
        found[DATABASE] = f"sqlite:///{folder / 'reference.db'}"
        _fill_once(folder / "reference.db")
    with ExitStack() as beside:
        if LANDING not in found:
            found[LANDING] = str(folder / "landing")
            beside.enter_context(_landing(folder / "landing", replay, first or replay.first, last or replay.last))
        if FEED_URL not in found:
            found.setdefault(FEED_KEY, secrets.token_hex(8))
            found[FEED_URL] = beside.enter_context(_feed(folder, rate, replay, found))
        yield found


@contextmanager
def _landing(folder: Path, replay: Replay, first: date, last: date) -> Iterator[None]:
    """Drop what is delivered by now, and each further day in its time."""
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    waiting = next((day for day in days if not replay.delivers(day)), None)
    land(folder, first, last if waiting is None else waiting - timedelta(days=1), replay.weeks)
    if waiting is None:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=land_in_time, args=(folder, replay, waiting, last, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def _feed(folder: Path, rate: float, replay: Replay, found: dict[str, str]) -> Iterator[str]:
    """Serve the departures, and yield where."""
    port = folder / f"feed-{os.getpid()}.port"
    command = [sys.executable, "-m", "flights.feed", "--port-file", str(port), "--rate", str(rate)]
    command += replay.arguments()
    feed = subprocess.Popen(command, env=os.environ | found, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    try:
        yield f"http://127.0.0.1:{_port(port, feed)}"
    finally:
        feed.terminate()
        try:
            feed.wait(END_SECONDS)
        except subprocess.TimeoutExpired:  # a shell may have it ignore the signal
            feed.kill()
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
