"""A Spark job whose bucket refuses or is busy; and a session of this process that reaches one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import servers
from faulty import Faulty, faulty
from pair import configured

from lakeproof import Lakehouse
from lakeproof.spark.process import SparkSubmit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Plant

HERE = Path(__file__).parent
JARS = ",".join(map(str, (HERE.parents[1] / ".venv" / "s3a").glob("*.jar")))


@pytest.fixture(scope="module")
def bucket() -> Iterator[tuple[Faulty, dict[str, str]]]:
    """Return a proxy before a real S3 server, and the properties of a catalog whose tables lie behind it."""
    with servers.seaweed() as properties, faulty(properties["s3.endpoint"]) as before:
        yield before, properties | {"s3.endpoint": before.url}


def test_a_bucket_that_refuses_a_job_publishes_nothing(
    bucket: Any, plant_of: type[Plant], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused to Spark, or as files are taken over, it is told; readers have the old day; a busy one is waited for."""
    before, properties = bucket
    monkeypatch.setattr(Lakehouse, "is_temporary", property(lambda _: True))
    conf = {"spark.jars": JARS}
    with configured(properties) as lakehouse:
        plant = plant_of(lakehouse, SparkSubmit("local[2]"))
        plant.give(1, 2, days=1)
        assert plant.run(days=(1, 1), conf=conf).refusal == ""
        for asked, said, remedy in (
            (
                r"PUT .*/staging/.*/rows/",
                "AccessDenied",
                "see that the key or role with which Spark reaches the bucket",
            ),
            (r"PUT /lake/plant/readings/data/", "ACCESS_DENIED in CopyObject", "see that the lake's key is right"),
        ):
            with before.fault("403", asked) as fault:
                done = plant.run("more", days=(1, 1), conf=conf)

            assert fault.seen
            assert "plant.readings" in done.refusal
            assert said in done.refusal
            assert "\nReaders: see what they saw before this run\n" in done.refusal
            assert f"\nNext: {remedy}" in done.refusal
            told = done.refusal + "\n".join(done.log)
            assert [word for word in (properties["s3.secret-access-key"], "Signature") if word in told] == []
            assert plant.values() == {plant.day(1): [1, 2]}

        with before.fault("slow-down", r"PUT .*/staging/.*/rows/", times=3) as fault:
            done = plant.run("more", days=(1, 1), conf=conf)

        assert done.refusal == ""
        assert len(fault.seen) == 3
        assert plant.values() == {plant.day(1): [1, 2, 9]}


def test_a_session_of_this_process_reaches_a_bucket(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Endpoint and keys are PyIceberg's; jars come from the properties file that `spark-submit` would have."""
    _, properties = bucket
    spark = tmp_path / "spark.conf"
    spark.write_text(f"spark.jars {JARS}\n")
    monkeypatch.setenv("LAKEPROOF_SPARK_PROPERTIES", str(spark))
    lines = ["catalog:", "  here:", *(f"    {name}: {value}" for name, value in properties.items())]
    (tmp_path / ".pyiceberg.yaml").write_text("\n".join(lines))
    monkeypatch.setenv("PYICEBERG_HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)

    program = [sys.executable, HERE / "two_runs_in_a_session.py", "here"]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 0, done.stderr[-3000:]
    first, both = {"2024-01-01": [1, 2]}, {"2024-01-01": [1, 2], "2024-01-02": [1, 2]}
    assert done.stdout.splitlines()[-1] == f"{first} {both} 1 session"
