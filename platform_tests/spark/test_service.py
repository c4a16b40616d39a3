"""The service `spark` of docker-compose.yml, by its own command and configuration, makes a table of a code location."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import servers
from deployment import ROOT, Deployment
from pyiceberg.catalog import load_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

JOBS = Path(__file__).parent / "jobs"
JARS = ",".join(map(str, (ROOT / ".venv" / "s3a").glob("*.jar")))
PIPELINE = """
import dagster as dg
import polars as pl
from lakeproof import Column, Lakehouse, Table, Window, audit, daily_table, spark_table

def declared(name):
    columns = [Column("reading_date", "date"), Column("sensor", "string"), Column("value", "int")]
    return Table(name, columns=columns, partition="reading_date", start="2024-01-01", end="2024-01-03", layer="tests",
                 key=["reading_date", "sensor"], owner="team:plant", audits=[audit.unique()])

raw, made = declared("plant.raw"), declared("plant.made")

@daily_table(raw)
def collect(window: Window) -> pl.DataFrame:
    return pl.DataFrame([(day, "a", 7) for day in window.days], schema=raw.column_names, orient="row")

defs = dg.Definitions(
    assets=[collect, spark_table(made, "as_they_are.py", raw=raw)], resources={"lakehouse": Lakehouse()}
)
"""


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """Start the store, and Spark from what is configured for its image; jars and programs are this machine's."""
    made = Deployment(tmp_path, servers.free_port())
    local = made._local
    conf = tmp_path / "conf"
    conf.mkdir()
    port = {"address": "127.0.0.1", "port": str(made.port("spark"))}
    lines = [local("spark", line) for line in (ROOT / "deploy/spark/spark-defaults.conf").read_text().splitlines()]
    lines += [f"spark.jars {JARS}", *(f"spark.connect.grpc.binding.{name} {value}" for name, value in port.items())]
    (conf / "spark-defaults.conf").write_text("\n".join(lines))
    here = Path(sys.executable)
    words = [word.replace("/opt/spark/bin", str(here.parent)) for word in made.command("spark")]
    more = {
        "PATH": f"{here.parent}:{os.defpath}",
        "PYTHONPATH": "",
        "SPARK_CONF_DIR": str(conf),
        "SPARK_LOCAL_IP": "127.0.0.1",
        **{name: os.environ[name] for name in ("JAVA_HOME",) if name in os.environ},
    }
    try:
        made.start_store()
        made.started("spark", words, **more)()
        yield made
    finally:
        made.close()


def test_a_code_location_has_its_table_made_by_the_service(deployment: Deployment, tmp_path: Path) -> None:
    """The image of the code has a client, and no Spark; the variable is that of .env.example; no secret is told."""
    there = re.search(r"^#LAKEPROOF_SPARK=(\S+)$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
    assert there is not None
    project = tmp_path / "project"
    shutil.copytree(JOBS, project / "jobs")
    (project / "pipeline.py").write_text(PIPELINE)
    (project / "workspace.yaml").write_text("load_from: [{python_file: pipeline.py}]")
    more = {"LAKEPROOF_SPARK": deployment._local("flights", there[1]), "DAGSTER_HOME": str(tmp_path / "record")}
    command = ["lakeproof", "run", "-w", str(project / "workspace.yaml"), "--all", "--day", "2024-01-01", "--json"]

    done = deployment.tried("flights", command, more)

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    secret = deployment.secrets["LAKE_SECRET"]
    catalog, store = (f"http://127.0.0.1:{deployment.ports['store'][port]}" for port in (8181, 8333))
    lake = load_catalog(
        "lake",
        type="rest",
        uri=catalog,
        warehouse="s3://lake",
        credential=f"lake:{secret}",
        **{"oauth2-server-uri": f"{catalog}/v1/oauth/tokens", "s3.endpoint": store, "s3.region": "us-east-1"},
        **{"s3.access-key-id": "lake", "s3.secret-access-key": secret},
    )
    table = lake.load_table("plant.made")
    assert [row["value"] for row in table.scan().to_arrow().to_pylist()] == [7]
    summary = table.current_snapshot().summary
    with table.io.new_input(summary["lakeproof.evidence"]).open() as evidence:
        engine = json.loads(evidence.read())["engine"]
    assert (engine["name"], engine["launcher"]) == ("spark", "SparkConnect")
    told = done.stdout + done.stderr + (deployment.folder / "spark.log").read_text()
    assert secret not in told
