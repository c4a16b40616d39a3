"""A real Trino on loopback, whose catalogs are configured by the blocks of docs/readers.md."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from servers import free_port, running, wait

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TRINO = Path(__file__).parents[2] / ".venv" / "trino"
"""Where `make test-readers` unpacks it."""

JAVA = os.environ.get("TRINO_JAVA", "java")
PATIENCE_SECONDS = 240
"""How long it may take to start: 15 seconds on two quiet cores."""

CONFIG = """\
coordinator=true
node.environment=tests
node.bind-ip=127.0.0.1
node.internal-address=127.0.0.1
node-scheduler.include-coordinator=true
http-server.http.port={port}
discovery.uri=http://127.0.0.1:{port}
plugin.dir={trino}/plugin
catalog.config-dir=catalog
"""


EVENTS = """\
event-listener.name=http
http-event-listener.log-completed=true
http-event-listener.connect-ingest-uri={address}
"""


READY = "ready"
"""A catalog whose one table shows that the workers are known."""


class NotReadyError(Exception):
    """Trino has not started, or has no worker yet."""


@contextmanager
def trino(catalogs: Mapping[str, str], environment: Mapping[str, str], events: str = "") -> Iterator[int]:
    """Run Trino, and yield the port at which it answers.

    Args:
        catalogs: The text of each catalog's properties file, by the catalog's name.
        environment: What `${ENV:…}` in them refers to.
        events: Where it sends the event of each query that ended; nowhere where that is empty.
    """
    with tempfile.TemporaryDirectory(prefix="lakeproof-trino-") as name:
        folder, port = Path(name), free_port()
        (folder / "catalog").mkdir()
        for catalog, properties in {**catalogs, READY: "connector.name=memory\n"}.items():
            (folder / "catalog" / f"{catalog}.properties").write_text(properties)
        config = CONFIG.format(port=port, trino=TRINO)
        if events:
            (folder / "events.properties").write_text(EVENTS.format(address=events))
            config += "event-listener.config-files=events.properties\n"
        (folder / "config.properties").write_text(config)
        command = [
            *(JAVA, "-Xmx1G", "-XX:TieredStopAtLevel=1", "-Djdk.attach.allowAttachSelf=true"),
            *(f"-Djava.io.tmpdir={folder}", "-Dconfig=config.properties"),
            *("-cp", f"{TRINO}/lib/*", "io.trino.server.TrinoServer"),
        ]
        with running(command, folder, {"env": {**os.environ, **environment}}):
            wait(lambda: _demand_worker(port), (requests.ConnectionError, NotReadyError), PATIENCE_SECONDS)
            yield port


def ask(port: int, statement: str, catalog: str = "system") -> list[list[Any]]:
    """Return the rows of a statement as Trino's protocol tells them.

    Args:
        port: Where Trino answers.
        statement: The statement.
        catalog: Which catalog a name without one is in.

    Raises:
        ValueError: Trino refuses it; the text is Trino's.
    """
    headers = {"X-Trino-User": "reader", "X-Trino-Catalog": catalog}
    address = f"http://127.0.0.1:{port}/v1/statement"
    told = requests.post(address, data=statement.encode(), headers=headers, timeout=60).json()
    rows: list[list[Any]] = []
    while True:
        rows += told.get("data", [])
        if "error" in told:
            raise ValueError(told["error"]["message"])
        if "nextUri" not in told:
            return rows
        told = requests.get(told["nextUri"], timeout=60).json()


def _demand_worker(port: int) -> None:
    """Raise until a query can run: for some seconds, Trino does not know yet which catalogs its node has."""
    if requests.get(f"http://127.0.0.1:{port}/v1/info", timeout=60).json()["starting"]:
        raise NotReadyError
    try:
        # Rows that lie on a worker: the system's tables, and those that are only written, are there before.
        ask(port, "CREATE TABLE IF NOT EXISTS default.rows AS SELECT 1 AS id", READY)
        rows = ask(port, "SELECT id FROM default.rows", READY)
    except ValueError as error:
        raise NotReadyError from error
    if rows != [[1]]:
        raise NotReadyError
