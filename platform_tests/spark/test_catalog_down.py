"""A catalog that is down while a Spark job makes a day, or as the day is to be published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import servers
from line import line_to
from pair import configured

from lakeproof import Lakehouse
from lakeproof.lake import attempts
from lakeproof.progress import Step, listening

if TYPE_CHECKING:
    import pytest

    from conftest import Plant
    from lakeproof.spark.process import SparkConnect


def test_a_catalog_that_goes_down_under_a_job_publishes_nothing(
    connect: SparkConnect, plant_of: type[Plant], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever it goes, readers have the old day, nothing of the job is published, and the same command works."""
    monkeypatch.setattr(Lakehouse, "is_temporary", property(lambda _: True))
    monkeypatch.setattr(attempts, "ATTEMPTS", 5)
    with servers.postgres() as properties, line_to(properties) as (line, near), configured(near) as lakehouse:
        plant = plant_of(lakehouse, connect)
        plant.give(1, 2, days=1)
        assert plant.run(days=(1, 1)).refusal == ""
        for step in ("make", "publish"):

            def cut(event: object, step: str = step) -> None:
                if event == Step("plant.readings", step):
                    line.cut()

            with listening(cut):
                done: Any = plant.run("more", days=(1, 1))
            line.mend()

            assert "plant.readings 2024-01-01: The catalog cannot be used for publishing plant.readings" in done.refusal
            assert (
                "\nReaders: can read nothing while the catalog cannot be used, and then see what they" in done.refusal
            )
            assert (
                "\nNext: see whether the catalog is up and reachable, then run the same command again" in done.refusal
            )
            assert plant.values() == {plant.day(1): [1, 2]}

        assert plant.run("more", days=(1, 1)).refusal == ""
        assert plant.values() == {plant.day(1): [1, 2, 9]}
