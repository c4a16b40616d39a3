"""`python -m flights.feed`: serve the departures until the process ends."""

from __future__ import annotations

import argparse
import contextlib
import sys
from datetime import datetime
from pathlib import Path

from flights.feed.faults import KINDS, Fault
from flights.feed.replay import Replay
from flights.feed.server import KEY_VARIABLE, Feed


def main() -> None:
    """Start the feed, and say where it listens."""
    options = _options()
    replay = Replay.of(options)
    feed = Feed(port=options.port, host=options.host, rate=options.rate, faults=options.fault, replay=replay)
    if options.port_file is not None:
        # In one step: whoever waits for the file finds a whole number in it.
        beside = options.port_file.with_name(f"{options.port_file.name}.new")
        beside.write_text(f"{feed.port}\n")
        beside.replace(options.port_file)
    sys.stdout.write(f"The flights feed is at {feed.url}; the key is in {KEY_VARIABLE}.\n")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        feed.serve()


def _options() -> argparse.Namespace:
    known = "; ".join(f"{kind}: {what}" for kind, what in KINDS.items())
    parser = argparse.ArgumentParser(prog="python -m flights.feed", description="Departures by day, as an API.")
    parser.add_argument("--port", type=int, default=0, help="where it listens; 0 for a free port")
    parser.add_argument("--port-file", type=Path, help="where it writes the port")
    parser.add_argument("--host", default="127.0.0.1", help="on which address; the loopback's by default")
    parser.add_argument("--rate", type=float, default=50, help="requests a second before it answers 429; 0 for any")
    Replay.add_options(parser)
    parser.add_argument("--began", type=datetime.fromisoformat, help="when its clock was set; now by default")
    parser.add_argument(
        "--fault",
        type=Fault.parse,
        action="append",
        default=[],
        metavar="KIND[:field=…,to=…,from_item=…,times=…,seconds=…]",
        help=f"what is wrong with it, as often as wanted. {known}",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
