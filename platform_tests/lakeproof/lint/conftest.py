"""Code that is written into a package of its own, imported, and read by the lint."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from lakeproof import sql_table
from lakeproof.asset import table_assets
from lakeproof.engine.function import FunctionMaker
from lakeproof.lint import Finding, lint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lakeproof import Table
    from lakeproof.engine.function import Maker


@dataclass(frozen=True)
class Made:
    """A table with what makes it."""

    table: Table
    maker: Maker
    inputs: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
def of_modules(lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[Finding]]]:
    """Return what lints the function `make` of the module `made` of a package, given the text of its modules."""
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "linted"

    def found(made: str, **others: str) -> list[Finding]:
        package.mkdir()
        (package / "__init__.py").write_text("")
        for name, text in {"made": made, **others}.items():
            (package / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        function = importlib.import_module("linted.made").make
        return lint([Made(lab.table(), FunctionMaker(function, {}))])

    yield found
    for name in [name for name in sys.modules if name.split(".")[0] == "linted"]:
        del sys.modules[name]


@pytest.fixture
def of_sql(lab: Any, tmp_path: Path) -> Callable[..., list[Finding]]:
    """Return what lints a SQL file that reads `readings`, whose key is reading_date, sensor and value."""

    def found(statement: str, **changes: Any) -> list[Finding]:
        (tmp_path / "made.sql").write_text(statement)
        table = lab.table("lab.made", **changes)
        asset = sql_table(table, "made.sql", search_path=[tmp_path], readings=lab.table())
        return lint(table_assets([asset.key]))

    return found
