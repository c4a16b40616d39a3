"""Runs a command that ends when the process which started it does, however that ends.

Started as `python leash.py COMMAND…` with a pipe as its standard input, as the leader of a process group of its own.
The starter keeps the other end open and never writes: the system closes it when the starter dies, `SIGKILL` included,
and then the group is ended. Else it ends as the command ends, by the same exit code or signal.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

GRACE_SECONDS = 10.0
"""How long the command has to end by itself; Spark tells its cluster meanwhile."""


def main() -> None:
    """Run the command."""
    # Not ignored but heard: what is ignored is ignored by the command, too. Who ends the group waits for the command.
    signal.signal(signal.SIGTERM, lambda *_: None)
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)  # noqa: S603 - the starter's own
    left = threading.Event()
    threading.Thread(target=_watch, args=(left,), daemon=True).start()
    code = command.wait()
    if left.is_set():
        os.killpg(0, signal.SIGKILL)  # what the command started, and did not end
    if code < 0:
        if -code == signal.SIGTERM:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _watch(left: threading.Event) -> None:
    """Wait for the starter's end, and end the group: softly, then hard."""
    while os.read(0, 1):
        pass
    left.set()
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
