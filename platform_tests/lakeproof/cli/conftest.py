"""A workspace with a small pipeline, and a way to run the command in it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lakeproof.cli.app import main
from lakeproof.lake.evidence import _contents
from lakeproof.lake.published import _parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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

    def at(self, folder: Path) -> Shell:
        """Return a command line in another folder; this one is there no more."""
        self.patch.chdir(folder)
        self.patch.setenv("LAKEPROOF_HOME", str(folder / "home"))
        return replace(self, folder=folder)

    def in_copy(self, kept: Path, make: Callable[[Shell], None]) -> Shell:
        """Return a command line in a folder as `make` left it: made once, and put back for each test that asks.

        Args:
            kept: Where it is kept: the lake knows the paths of its files, so that each test has the same.
            make: Makes it.
        """
        used, whole = kept / "used", kept / "whole"
        _contents.cache_clear()  # it knows files by their places, and here the same place has others
        _parsed.cache_clear()
        shutil.rmtree(used, ignore_errors=True)
        shutil.copytree(whole if whole.exists() else self.folder, used)
        made = self.at(used)
        if not whole.exists():
            make(made)
            shutil.copytree(used, whole)
        return made

    def run_all(self, code: int, last: str = "2024-01-04") -> None:
        """Run the first days of all tables, and expect an exit code."""
        done = self("run", "--all", "--from", "2024-01-01", "--to", last)
        assert done.code == code, done.err

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
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    made = Shell(tmp_path, capsys, monkeypatch).at(tmp_path)
    made.values()
    yield made
    os.environ.pop("DAGSTER_HOME", None)


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for what is made once, each in a folder of its own."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def published(shell: Shell, kept: Path) -> Shell:
    """Return a command line where four days of the small pipeline are published."""
    return shell.in_copy(kept / "published", lambda shell: shell.run_all(0))


@pytest.fixture
def one_held(shell: Shell, kept: Path) -> Shell:
    """Return a command line where the third of four days is held, and the source still delivers it so."""
    shell.values(_2024_01_03=-1)
    return shell.in_copy(kept / "one held", lambda shell: shell.run_all(3))
