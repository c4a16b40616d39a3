"""Where Spark runs, as the configuration says: one variable, in the words of Spark's own masters."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lakeproof.errors import MakeError, UsageError
from lakeproof.spark.process import PROPERTIES_KEY, SparkConnect, SparkSubmit
from lakeproof.spark.session import SparkHere

if TYPE_CHECKING:
    from lakeproof.spark.launcher import Launcher

MASTER_KEY = "LAKEPROOF_SPARK"
"""The variable that says where Spark runs."""

GLUE_KEYS = {
    "scripts": "LAKEPROOF_GLUE_SCRIPTS",
    "role": "LAKEPROOF_GLUE_ROLE",
    "version": "LAKEPROOF_GLUE_VERSION",
    "worker_type": "LAKEPROOF_GLUE_WORKER_TYPE",
    "workers": "LAKEPROOF_GLUE_WORKERS",
}
"""The variables that say how jobs run in Glue, by the members of `Glue` that they set; the first two are needed."""

MASTERS = ("local", "spark://", "k8s://", "yarn")


def configured() -> Launcher:
    """Return where Spark runs: `LAKEPROOF_SPARK`, or `local[*]`.

    `local[2]`, `spark://host:7077`, `yarn` and `k8s://…` go by `spark-submit`; `sc://host:15002` is a Spark Connect
    server; `session` is a session that this process keeps, for interactive work; `glue` is AWS Glue.

    Raises:
        UsageError: The variable has none of these, or another one that it needs is not set.
        MakeError: What it needs is not installed.
    """
    where = os.environ.get(MASTER_KEY) or "local[*]"
    if where.startswith(MASTERS):
        return SparkSubmit(where, os.environ.get(PROPERTIES_KEY))
    if where.startswith("sc://"):
        return SparkConnect(where)
    if where == "session":
        return SparkHere()
    if where == "glue":
        return _glue()
    msg = f"{MASTER_KEY}={where!r} is no place where Spark runs."
    known = "local[*], spark://…, yarn, k8s://…, sc://…, session or glue"
    raise UsageError(msg, next_step=f"set it to {known}, not {where}")


def _glue() -> Launcher:
    given = {member: os.environ.get(key, "") for member, key in GLUE_KEYS.items()}
    if missing := [GLUE_KEYS[member] for member in ("role", "scripts") if not given[member]]:
        msg = f"{MASTER_KEY}=glue needs {' and '.join(missing)}."
        raise UsageError(msg, next_step=f"set {' and '.join(missing)}, as docs/glue.md says")
    try:
        from lakeproof.spark.glue import Glue  # noqa: PLC0415 - boto3 is an extra
    except ImportError as error:
        msg = f"{MASTER_KEY}=glue needs boto3 and dagster-aws, which are not installed."
        raise MakeError(msg, next_step="install lakeproof[aws]") from error
    options: dict[str, Any] = {member: value for member, value in given.items() if value}
    if "workers" in options:
        if not options["workers"].isdecimal():
            msg = f"{GLUE_KEYS['workers']}={options['workers']!r} is no number of workers."
            raise UsageError(msg, next_step="set it to a whole number from 2 on")
        options["workers"] = int(options["workers"])
    return Glue(**options)
