"""Run two days one after the other in one session of this process, and print what readers have after each.

With an argument the lake is that catalog of PyIceberg's configuration; else it is one of its own.
"""

from __future__ import annotations

import sys

from conftest import Plant
from lakeproof import Lakehouse
from lakeproof.spark import session

Lakehouse.is_temporary = property(lambda _: True)
plant = Plant(Lakehouse(catalog_name=sys.argv[1]) if sys.argv[1:] else Lakehouse.in_memory(), session.SparkHere())
plant.give(1, 2)
seen = []
for number in (1, 2):
    done = plant.run(days=(number, number))
    if done.refusal:
        sys.exit(done.refusal)
    seen.append({str(day): values for day, values in plant.values().items()})
sys.stdout.write(f"{seen[0]} {seen[1]} {session._resource.cache_info().currsize} session\n")
