"""Processes that are killed while they publish through a real catalog leave whole days, and nothing to repair."""

from __future__ import annotations

import itertools
import os
import random
import time
from typing import Any

from publisher import ROWS

KILLS = int(os.environ.get("LAKEPROOF_SERVICE_KILLS", "3"))
SEED = int(os.environ.get("LAKEPROOF_SEED", "4"))
LONGEST_SECONDS = 1.0
DAYS = [1, 2, 3]


def test_a_kill_leaves_whole_days(catalog: Any, record_property: Any) -> None:
    """Killed at any moment, a run leaves each day whole and of one run; the next run needs no help."""
    name, moments, numbers = catalog.new_name(), random.Random(SEED), itertools.count()  # noqa: S311 - no secret
    catalog.run(name, {"days": DAYS, "value": next(numbers)})
    for _ in range(KILLS):
        runs = [{"days": DAYS, "value": next(numbers)} for _ in range(50)]
        with catalog.publishing(name, runs) as [process]:
            time.sleep(moments.uniform(0, LONGEST_SECONDS))
            process.kill()
            process.communicate()

        seen = catalog.seen(name)
        assert {number: rows for number, (rows, _) in seen.items()} == dict.fromkeys(DAYS, ROWS)
        assert len({frozenset(values) for _, values in seen.values()}) == 1  # one run's, all of it
        assert all(len(values) == 1 for _, values in seen.values())
        [again] = catalog.run(name, {"days": DAYS, "value": (last := next(numbers))})
        assert again == {"states": ["published"] * len(DAYS), "exit": 0}
        assert catalog.seen(name) == {number: (ROWS, {last}) for number in DAYS}
    record_property("kills survived", KILLS)
