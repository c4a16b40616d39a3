"""Spark in this process, by dagster-pyspark: one session for all that is run interactively, warm after the first."""

from __future__ import annotations

import importlib.util
import os
import runpy
import shlex
import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from lakeproof.errors import MakeError
from lakeproof.spark.launcher import HELPER, Job, report_of
from lakeproof.spark.process import ALONE, PROPERTIES_KEY
from lakeproof.spark.s3a import buckets, of_session, s3a

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class SparkHere:
    """Jobs run in this process's own session; a job cannot be stopped, and one that kills the JVM ends the session."""

    @property
    def is_local(self) -> bool:
        """Whether its jobs see this machine's files: they do."""
        return True

    def located(self, location: str) -> str:
        """Return a location as Hadoop names it."""
        return s3a(location)

    def run(self, context: Any, job: Job, beat: Callable[[], None]) -> dict[str, Any]:
        """Run a job to its end; see `Launcher`."""

        def tell(line: str) -> None:
            beat()
            if context is not None:
                context.log.info(line)

        helper, function = _loaded(job)
        settings = {
            name: value
            for bucket in sorted(buckets(job.order))
            for name, value in of_session(job.storage, bucket).items()
        }
        order = {**job.order, "conf": settings | dict(job.conf)}
        report = helper.carry_out(_session, function, order, tell)
        return report_of(job, [{"lakeproof": report}], "")


@cache
def _resource() -> Any:
    try:
        from dagster_pyspark import LazyPySparkResource  # noqa: PLC0415 - an extra, and half a gigabyte
    except ImportError as error:
        msg = "LAKEPROOF_SPARK=session needs dagster-pyspark, which is not installed."
        raise MakeError(msg, next_step="install lakeproof[spark]") from error
    if properties := os.environ.get(PROPERTIES_KEY):
        # The one way to a jar for a session that PySpark starts: later it is too late for its class path.
        os.environ.setdefault("PYSPARK_SUBMIT_ARGS", f"--properties-file {shlex.quote(properties)} pyspark-shell")
    settings = {"spark.master": "local[*]", "spark.ui.showConsoleProgress": "false"}
    return LazyPySparkResource(spark_config=ALONE | settings)


def _session() -> Any:
    return _resource().spark_session


def _loaded(job: Job) -> tuple[Any, Callable[..., Any]]:
    """Return the helper, and the function that the script gives it, both as they are now.

    Raises:
        MakeError: The script gave it none.
    """
    spec = importlib.util.spec_from_file_location(HELPER.stem, HELPER)
    assert spec is not None  # noqa: S101 - a Python file that is there
    assert spec.loader is not None  # noqa: S101 - as above
    helper: Any = importlib.util.module_from_spec(spec)
    sys.modules[HELPER.stem] = helper  # before it runs, as dataclasses want it
    given: list[Callable[..., Any]] = []
    try:
        spec.loader.exec_module(helper)
        helper.run = given.append
        runpy.run_path(str(job.script), run_name="__main__")
    finally:
        del sys.modules[HELPER.stem]
    if not given:
        msg = f"{job.table}: {job.script.name} does not end with lakeproof_job.run(…)."
        raise MakeError(msg, next_step="let it give its function to lakeproof_job.run")
    return helper, given[-1]
