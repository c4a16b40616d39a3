"""`python -m flights.outside COMMAND …`: run a command with the outside world there, and let it go afterwards."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

from flights.days import FIRST_DAY
from flights.feed.replay import NEW_YORK, Replay, weeks_onto
from flights.outside.world import outside


def main() -> int:
    """Run the command, and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m flights.outside",
        description="Run a command while the flights feed, the landing folder and the database are there.",
    )
    parser.add_argument("--folder", type=Path, default=Path(".lakeproof/outside"), help="where they are kept")
    parser.add_argument("--rate", type=float, default=50, help="requests a second that the feed takes")
    Replay.add_options(parser)
    parser.add_argument("--live", action="store_true", help="move 2013 onto the present")
    parser.add_argument("--past", type=int, metavar="DAYS", help="let the tables begin so many days before its clock")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command; without one, the addresses are printed")
    options = _asked(parser)
    ends = {signal.SIGINT, signal.SIGTERM}
    try:
        replay = Replay.of(options)
    except ValueError as error:
        parser.error(str(error))
    with outside(options.folder, rate=options.rate, replay=replay) as where:
        if options.past is not None:
            where |= {FIRST_DAY: str(_first_day(options.folder, replay, options.past))}
        if not options.command:
            signal.pthread_sigmask(signal.SIG_BLOCK, ends)
            print("\n".join(f"export {name}={value}" for name, value in where.items()), flush=True)  # noqa: T201
            signal.sigwait(ends)
            return 0
        process = subprocess.Popen(options.command, env=os.environ | where)  # noqa: S603 - what was asked for
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        signal.signal(signal.SIGINT, lambda *_: None)  # of a terminal the command has it, too, and ends by itself
        return process.wait()


def _asked(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return the options, with the shift that brings 2013 onto the present where they ask for it."""
    options = parser.parse_args()
    if options.live:
        if options.shift_weeks:
            parser.error("--live says by how many weeks, and so does --shift-weeks: give one of them")
        options.shift_weeks = weeks_onto((datetime.now(NEW_YORK) - timedelta(days=options.behind)).date())
    return options


def _first_day(folder: Path, replay: Replay, past: int) -> date:
    """Return the first day of the tables, which stays what it was when they were first asked for: they begin there."""
    kept = folder / f"first-day-{replay.weeks}"
    if not kept.exists():
        kept.write_text(str(max(replay.first, replay.today() - timedelta(days=past))))
    return date.fromisoformat(kept.read_text())


if __name__ == "__main__":
    sys.exit(main())
