"""A workspace with a small pipeline, and a way to run the command in it."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lakeproof.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The document that `--json` printed."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Shell:
    """Runs `lakeproof` in a workspace of its own, in this process."""

    folder: Path
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch

    def __call__(self, *words: str) -> Result:
        """Run a command, and return its exit code and what it printed."""
        self.patch.setattr(sys, "argv", ["lakeproof", *words])
        self.capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = self.capture.readouterr()
        return Result(int(ended.value.code or 0), printed.out, printed.err)

    def values(self, **days: int) -> None:
        """Say what the source will deliver: `_2024_01_03=-1` for a bad day."""
        text = {day.strip("_").replace("_", "-"): value for day, value in days.items()}
        (self.folder / "values.json").write_text(json.dumps(text))


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """Return a command line in an empty lake of its own."""
    workspace = (
        f"load_from:\n  - python_file:\n      relative_path: {HERE / 'small_pipeline.py'}\n      location_name: small\n"
    )
    (tmp_path / "workspace.yaml").write_text(workspace)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAKEPROOF_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    made = Shell(tmp_path, capsys, monkeypatch)
    made.values()
    yield made
    os.environ.pop("DAGSTER_HOME", None)
