"""Run a day of a table by a Spark job, in a process that a test kills.

Args: the lake's folder, and the folder that the job's script lies in.
"""

from __future__ import annotations

import sys
from pathlib import Path

import conftest
from lakeproof import Lakehouse
from lakeproof.spark.process import SparkSubmit

plant = conftest.Plant(Lakehouse(home=sys.argv[1]), SparkSubmit("local[1]"))
plant.run(job="waits.py", days=(1, 1), search_path=[Path(sys.argv[2])])
