"""Promise 1, watched by Trino: it polls a table on S3 while processes publish good days, and have bad ones held."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Any

from polling import POLLS, assert_whole
from publisher import ROWS, day
from trino_server import ask

if TYPE_CHECKING:
    from conftest import Published

DAYS = (1, 2, 3)
ROUNDS = 3
PUBLISHERS = 2


def rounds_of(process: int, batch: int) -> list[dict[str, Any]]:
    """Return runs of two days, of which one is bad."""
    runs = []
    for turn in range(ROUNDS):
        value = 1_000 * batch + 100 * process + turn + 1
        good, bad = DAYS[turn % 3], DAYS[(turn + 1) % 3]
        runs.append({"days": sorted([good, bad]), "values": {good: value, bad: -value}})
    return runs


def test_no_poll_by_trino_sees_a_bad_a_missing_or_a_mixed_day(
    rest: Published, server: int, record_property: Any
) -> None:
    """Every poll sees the three days whole, each of one run that passed, and the values change as it looks."""
    name = rest.catalog.new_name()
    rest.catalog.run(name, {"days": list(DAYS), "value": 0})
    statement = f"SELECT CAST(day AS varchar), count(*), min(value), max(value) FROM {name} GROUP BY day"  # noqa: S608
    polls: list[list[list[Any]]] = []
    states: Counter[str] = Counter()

    with ThreadPoolExecutor(1) as pool:
        for batch in count():
            runs = [rounds_of(process, batch) for process in range(PUBLISHERS)]
            publishing = pool.submit(rest.catalog.together, name, *runs)
            while not publishing.done():
                polls.append(ask(server, statement, catalog="lake"))
            states += Counter(state for said in publishing.result() for run in said for state in run["states"])
            if len(polls) > POLLS:
                break

    record_property("polls by trino", len(polls))
    assert states["held"] == PUBLISHERS * ROUNDS * (batch + 1)
    assert_whole(polls, [str(day(number)) for number in DAYS], ROWS)
    assert len({row[2] for poll in polls for row in poll}) > 1
