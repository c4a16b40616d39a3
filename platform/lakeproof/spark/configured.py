"""Where Spark runs, as the configuration says: one variable, in the words of Spark's own masters."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lakeproof.errors import UsageError
from lakeproof.spark.process import SparkConnect, SparkSubmit
from lakeproof.spark.session import SparkHere

if TYPE_CHECKING:
    from lakeproof.spark.launcher import Launcher

MASTER_KEY = "LAKEPROOF_SPARK"
"""The variable that says where Spark runs."""

PROPERTIES_KEY = "LAKEPROOF_SPARK_PROPERTIES"
"""The variable that names a properties file of Spark's, for `spark-submit`."""

MASTERS = ("local", "spark://", "k8s://", "yarn")


def configured() -> Launcher:
    """Return where Spark runs: `LAKEPROOF_SPARK`, or `local[*]`.

    `local[2]`, `spark://host:7077`, `yarn` and `k8s://…` go by `spark-submit`; `sc://host:15002` is a Spark Connect
    server; `session` is a session that this process keeps, for interactive work.

    Raises:
        UsageError: The variable has none of these.
    """
    where = os.environ.get(MASTER_KEY) or "local[*]"
    if where.startswith(MASTERS):
        return SparkSubmit(where, os.environ.get(PROPERTIES_KEY))
    if where.startswith("sc://"):
        return SparkConnect(where)
    if where == "session":
        return SparkHere()
    msg = f"{MASTER_KEY}={where!r} is no place where Spark runs."
    raise UsageError(msg, next_step=f"set it to local[*], spark://…, yarn, k8s://…, sc://… or session, not {where}")
