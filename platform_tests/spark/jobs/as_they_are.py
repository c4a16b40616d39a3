"""The rows of an input, as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lakeproof_job

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def as_they_are(raw: DataFrame) -> DataFrame:
    """Return the input."""
    return raw


if __name__ == "__main__":
    lakeproof_job.run(as_they_are)
