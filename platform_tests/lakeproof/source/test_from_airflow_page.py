"""The page for those who come from Airflow is true: each line of its DAG has a place, and its code runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lakeproof import Lakehouse

if TYPE_CHECKING:
    from conftest import Api, Asked, Said

PAGE = (Path(__file__).parents[3] / "docs" / "from-airflow.md").read_text()
DAG, CODE, TEST = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
RUNS = """{"dag_runs": [
    {"dag_run_id": "a", "logical_date": "2024-02-29T23:00:00Z", "run_after": "2024-03-01T23:00:00Z",
     "state": "success", "end_date": null},
    {"dag_run_id": "b", "logical_date": "2024-03-01T23:00:00Z", "run_after": "2024-03-02T23:00:00Z",
     "state": "running", "end_date": null}], "total_entries": 2}"""
TASKS = """{"task_instances": [
    {"dag_run_id": "a", "map_index": -1, "state": "success", "end_date": "2024-03-01T23:05:00Z"},
    {"dag_run_id": "b", "map_index": -1, "state": "success", "end_date": "2024-03-02T23:05:00Z"}],
    "total_entries": 2}"""


@pytest.fixture
def shop(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the page's files; beside it an Airflow that exported two days, and files of them."""

    def answer(asked: Asked) -> Said:
        if asked.path == "/auth/token":
            return 201, {}, b'{"access_token": "t"}'
        return 200, {}, (TASKS if asked.path.endswith("/taskInstances") else RUNS).encode()

    api.answer = answer
    for day in ("2024-03-01", "2024-03-02"):
        folder = tmp_path / "landing" / "orders" / day
        folder.mkdir(parents=True)
        rows = [f"{day},{row}" for row in ("1,tea,2.50", "2,tea,0.50", "3,test,9.99")]
        (folder / "orders.csv").write_text("\n".join(["day,order_id,product,amount", *rows, ""]))
        (folder / "_SUCCESS").touch()
    for name, value in {
        "AIRFLOW_URL": api.url,
        "AIRFLOW_USER": "reader",
        "AIRFLOW_PASSWORD": "p",
        "SHOP_LANDING": str(tmp_path / "landing"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LAKEPROOF_HOME", raising=False)
    (tmp_path / "sql").mkdir()
    for file, kind in (("sql/totals.sql", "sql"), ("workspace.yaml", "yaml")):
        (text,) = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        (tmp_path / file).write_text(text)
    (tmp_path / "shop.py").write_text(CODE)
    return tmp_path


def run(folder: Path, *command: str) -> str:
    """Run a command in a folder; return what it says."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_code_and_the_commands_run(shop: Path, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two days go through both tables, when Airflow says that its task succeeded; the page's test passes."""
    said = run(shop, "bash", "-euo", "pipefail", "-c", "\n".join(COMMANDS))

    assert len(COMMANDS) == 2
    assert "unchanged" in said
    assert [asked.path.rsplit("/", 1)[-1] for asked in api.asked][:3] == ["token", "dagRuns", "taskInstances"]
    found = Lakehouse(home=str(shop / ".lakeproof")).lake.find("shop.totals")
    assert found is not None
    assert found.scan(selected_fields=("orders",)).to_arrow()["orders"].to_pylist() == [2, 2]
    monkeypatch.syspath_prepend(shop)
    exec(compile(TEST, "from-airflow.md", "exec"), {})  # noqa: S102 - the page's own


def test_every_line_of_the_dag_has_a_place() -> None:
    """The table has each line of the DAG but its imports and closing brackets, and no line that is not in it."""
    rows = re.findall(r"^\| `(.*?)` \| ", PAGE.partition("## Line by line")[2].partition("\n## ")[0], re.MULTILINE)
    named = {row.replace("\\|", "|") for row in rows} - {'with DAG("shop"'}
    lines = {line.strip().rstrip(",") for line in DAG.partition('    "shop",\n')[2].splitlines()}

    assert lines - {"", ")", "):", "}"} == named
