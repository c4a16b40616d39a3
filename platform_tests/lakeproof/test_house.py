"""The house keeps its shape: rooms, floors, doors and the size of things."""

from __future__ import annotations

import ast
import platform
import subprocess
import sys
import sysconfig
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lakeproof

if TYPE_CHECKING:
    from collections.abc import Iterator

LAKEPROOF = Path(lakeproof.__file__).parent
ROOT = LAKEPROOF.parent
FLOORS = [
    ["errors"],
    ["window"],
    ["parts", "layout"],
    ["names", "pipeline", "metric", "value"],
    ["contract"],
    ["progress", "forms", "verdict", "storage", "cost"],
    ["audit", "lake", "engine"],
    ["lint", "meaning"],
    ["reading", "docket", "rejects", "unchanged", "merge", "outcome", "difference", "recorded"],
    ["runrecord", "work", "making", "wap"],
    ["source"],
    ["gate", "precheck", "reads", "asked", "outdated", "wanted", "restate", "journey"],
    ["outputs"],
    ["lakehouse"],
    ["alive", "markdown", "record", "recording", "noting", "spec", "spark", "asset"],
    ["order", "outside", "output_job", "sensors", "verify", "repair", "jobs"],
    ["stewardship"],
    ["testing", "idempotence"],
    ["cli"],
]
SIDE_BY_SIDE = {"audit", "lake", "engine"}
MOST_LINES = 400

FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
MODULES = sorted(path for path in LAKEPROOF.rglob("*.py") if path != LAKEPROOF / "__init__.py")


def room_of(path: Path) -> str:
    """Return the room a module of lakeproof is in."""
    return path.relative_to(LAKEPROOF).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each module that a file imports when it runs, with each name it takes from it."""

    def walk(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            yield child
            yield from walk(child)

    for node in walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from ((node.module or "", alias.name) for alias in node.names)


def rooms(path: Path) -> Iterator[str]:
    """Yield the rooms of lakeproof that a file imports from."""
    for module, name in imports(path):
        parts = module.split(".")
        if parts[0] == "lakeproof" and len(parts) > 1:
            yield parts[1]
        elif module == "lakeproof" and name:
            yield name if name in FLOOR_OF else lakeproof._HOMES[name].split(".")[1]


def short(path: Path) -> str:
    """Return a path as a test's id."""
    return str(path.relative_to(ROOT))


def test_the_source_root_is_no_package() -> None:
    """`import platform` is the standard library's: the source root has no `__init__.py`."""
    assert not (ROOT / "__init__.py").exists()
    assert Path(platform.__file__).parent == Path(sysconfig.get_path("stdlib"))


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_a_room_imports_only_from_floors_below(path: Path) -> None:
    """A module imports from its own room and from rooms further left in the plan, and from no other."""
    room = room_of(path)
    assert room in FLOOR_OF, f"{room} has no floor: add it to the plan and to FLOORS"

    for other in rooms(path):
        assert FLOOR_OF[other] <= FLOOR_OF[room], f"{short(path)} imports {other}, which is above {room}"
        if room in SIDE_BY_SIDE and other in SIDE_BY_SIDE:
            assert other == room, f"{short(path)} imports {other}, which is beside {room}"


@pytest.mark.parametrize(
    ("prefixes", "strangers"),
    [
        (("lake/", "wap.py", "reading.py", "audit/", "engine/"), {"dagster"}),
        (("audit/",), {"pyiceberg", "lakeproof.lake"}),
        (
            ("window.py", "parts.py", "pipeline.py", "value.py", "contract.py", "errors.py"),
            {"dagster", "pyiceberg", "duckdb", "polars", "pyarrow"},
        ),
    ],
)
def test_a_room_does_not_know_what_lies_outside_it(prefixes: tuple[str, ...], strangers: set[str]) -> None:
    """The lake and the publish path do not know Dagster, audits do not know Iceberg, contracts know no engine."""
    inside = [p for p in MODULES if str(p.relative_to(LAKEPROOF)).startswith(prefixes)]
    assert inside

    for path in inside:
        for module, _ in imports(path):
            known = [s for s in strangers if module == s or module.startswith(f"{s}.")]
            assert not known, f"{short(path)} imports {module}"


@pytest.mark.parametrize(("location", "besides"), [("flights", ""), ("operations", "lakeproof.stewardship.")])
def test_a_code_location_uses_only_public_names(location: str, besides: str) -> None:
    """What users copy touches nothing of lakeproof but what `lakeproof.__all__` and `lakeproof.source.__all__` list.

    The tables about operations also read what stewardship derives; and neither location knows the other.
    """
    files = sorted((ROOT / location).rglob("*.py"))
    assert files

    for path in files:
        for module, name in imports(path):
            assert module.split(".")[0] not in {"flights", "operations"} - {location}
            if module.split(".")[0] == "lakeproof" and not (besides and module.startswith(besides)):
                assert module in {"lakeproof", "lakeproof.source"}, f"{short(path)} imports {module}"
                assert name in import_module(module).__all__, f"{short(path)} imports {name}"


def test_every_public_name_is_there() -> None:
    """Each name in `lakeproof.__all__` can be imported, and another says that it is not there."""
    for name in lakeproof.__all__:
        assert getattr(lakeproof, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'tabel'"):
        lakeproof.tabel  # noqa: B018 - the look-up is the test


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import lakeproof", "dagster, duckdb, pyarrow, polars, pyiceberg, sqlglot"),
        ("from lakeproof import Column, Table, Window, Sla, Value", "dagster, duckdb, pyarrow, polars, pyiceberg"),
    ],
)
def test_importing_is_cheap(statement: str, absent: str) -> None:
    """A command pays only for the libraries that it needs."""
    code = f"import sys; {statement}; print(*({{*'{absent}'.split(', ')}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""


def test_no_file_is_too_long() -> None:
    """A file beyond 400 lines is two ideas."""
    long = {
        short(path): lines for path in ROOT.rglob("*.py") if (lines := len(path.read_text().splitlines())) > MOST_LINES
    }

    assert long == {}
