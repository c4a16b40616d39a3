"""A real Airflow: its scheduler runs real DAGs, and its API server is asked. It takes a minute: for `make soak`."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).parents[2]
AIRFLOW = ROOT / ".venv" / "airflow" / "bin" / "airflow"
PAGE = ROOT / "docs" / "from-airflow.md"
PATIENCE_SECONDS = 120

collect_ignore = [] if os.environ.get("LAKEPROOF_AIRFLOW") else ["test_real_airflow.py"]


@dataclass
class Airflow:
    """An Airflow that runs.

    Args:
        url: Where its API server is.
        passwords: Of its users: `boss` may do anything, `reader` only look.
        stop: Ends its API server.
    """

    url: str
    passwords: Mapping[str, str]
    stop: Callable[[], None]

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """Ask its API as `boss`; wait for an answer that is none yet."""
        login = {"username": "boss", "password": self.passwords["boss"]}
        token = requests.post(f"{self.url}/auth/token", json=login, timeout=20).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.request(method, f"{self.url}/api/v2{path}", headers=headers, json=body or None, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def wait_for(self, what: str, find: Callable[[], Any]) -> Any:
        """Wait until something is found, and return it."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            try:
                if found := find():
                    return found
            except requests.RequestException:  # it is starting
                pass
            time.sleep(1)
        return pytest.fail(f"{what}: not within {PATIENCE_SECONDS} s")


def dag_of_the_page() -> str:
    """Return the DAG that docs/from-airflow.md translates."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (dag,) = (block for block in blocks if "from airflow" in block)
    return str(dag)


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """Run an Airflow with the DAGs beside this file and the one of the page; its database is SQLite."""
    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    dags.mkdir()
    (dags / "lab.py").write_text((Path(__file__).parent / "lab_dags.py").read_text())
    (dags / "page.py").write_text(dag_of_the_page())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    settings = {
        "CORE__DAGS_FOLDER": str(dags),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "4",
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": "boss:admin,reader:viewer",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=60",
        "API_AUTH__JWT_SECRET": os.urandom(16).hex(),
    }
    known = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "LAKEPROOF"))}
    environment = known | {f"AIRFLOW__{name}": value for name, value in settings.items()} | {"AIRFLOW_HOME": str(home)}
    environment["PATH"] = f"{AIRFLOW.parent}{os.pathsep}{environment['PATH']}"
    subprocess.run([AIRFLOW, "db", "migrate"], env=environment, check=True, capture_output=True)
    with ExitStack() as stack:
        server = [AIRFLOW, "api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        stop = stack.enter_context(running(server, environment, home / "api-server.log"))
        stack.enter_context(running([AIRFLOW, "dag-processor"], environment, home / "dag-processor.log"))
        stack.enter_context(running([AIRFLOW, "scheduler", "--skip-serve-logs"], environment, home / "scheduler.log"))
        made = Airflow(url, {}, stop)
        made.wait_for("Airflow", lambda: requests.get(f"{url}/api/v2/version", timeout=20).ok)
        made.passwords = json.loads((home / "simple_auth_manager_passwords.json.generated").read_text())
        yield made


@contextmanager
def running(command: list[Any], environment: Mapping[str, str], log: Path) -> Iterator[Callable[[], None]]:
    """Run a process, and end it with all that it started."""
    with log.open("w") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)

        def stop() -> None:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

        try:
            yield stop
        finally:
            stop()
