"""Who takes part: each peer in an environment of its own, and what each is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from measure import JobError, Sample, run_job

if TYPE_CHECKING:
    from pathlib import Path

from setting import PEERS


@dataclass(frozen=True)
class Peer:
    """A tool that does the same job.

    Args:
        name: As it calls itself.
        module: Its program, below `peers`.
        folder: Its environment, below `.venv/peers`.
    """

    name: str
    module: str
    folder: str

    @property
    def python(self) -> Path:
        """The Python of its environment."""
        return PEERS / self.folder / "bin" / "python"

    def run(self, function: str, **arguments: Any) -> Sample:
        """Run a function of its program.

        Raises:
            JobError: It failed, or the peer is not installed.
        """
        if not self.python.exists():
            msg = f"{self.name} is not installed; `make bench` installs it where its Python is there"
            raise JobError(msg)
        return run_job(f"peers.{self.module}:{function}", python=self.python, **arguments)


DAGSTER_ICEBERG = Peer("dagster-iceberg", "dagster_iceberg", "dagster-iceberg")
SQLMESH = Peer("SQLMesh on DuckDB", "sqlmesh_duckdb", "sqlmesh")
LOCAL_DATA_PLATFORM = Peer("local-data-platform", "local_data_platform", "local-data-platform")
ALL = (DAGSTER_ICEBERG, SQLMESH, LOCAL_DATA_PLATFORM)
