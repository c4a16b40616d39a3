"""A rate that is declared is kept by all that run on a machine."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from uuid import uuid4

from lakeproof.source import Rate

ASKS = """
import sys, time
from lakeproof.source import Rate
for _ in range(6):
    Rate(8).wait(sys.argv[1])
    print(time.monotonic(), flush=True)
"""
"""Not too fast: on a busy machine, who asks may be kept from looking at the clock for a hundredth of a second."""


def gaps(times: list[float]) -> list[float]:
    """Return the seconds from each request to the next."""
    return [later - earlier for earlier, later in zip(sorted(times), sorted(times)[1:], strict=False)]


def test_two_processes_share_a_rate() -> None:
    """No stretch holds more requests of two processes than of one."""
    origin = f"http://{uuid4()}"
    command = [sys.executable, "-c", ASKS, origin]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    times = [[float(line) for line in run.communicate(timeout=60)[0].split()] for run in runs]

    assert [len(taken) for taken in times] == [6, 6]
    taken = sorted([*times[0], *times[1]])
    assert all(later - earlier > 7 * 0.125 - 0.075 for earlier, later in zip(taken, taken[7:], strict=False))


def test_threads_share_a_rate() -> None:
    """Threads of a process take turns too, evenly."""
    origin, taken = f"http://{uuid4()}", []

    def ask() -> None:
        for _ in range(4):
            Rate(20).wait(origin)
            taken.append(time.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(taken) == 12
    assert min(gaps(taken)) > 0.0375
    assert max(taken) - min(taken) < 2.5


def test_origins_do_not_wait_for_each_other() -> None:
    """A rate is an origin's."""
    began = time.monotonic()
    for _ in range(5):
        Rate(1, seconds=30).wait(f"http://{uuid4()}")

    assert time.monotonic() - began < 5


def test_a_killed_run_frees_its_place() -> None:
    """A process that dies while it waits holds up nobody."""
    origin = f"http://{uuid4()}"
    code = f"from lakeproof.source import Rate\nwhile True: Rate(1, seconds=1.5).wait({origin!r}); print(1, flush=True)"
    run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert run.stdout is not None
    run.stdout.readline()
    time.sleep(0.6)
    run.kill()
    run.communicate()
    began = time.monotonic()

    Rate(1, seconds=1.5).wait(origin)

    assert time.monotonic() - began < 1.4  # a place that is taken makes it a whole interval
