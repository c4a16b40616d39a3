from __future__ import annotations

from typing import TYPE_CHECKING

from lakeproof.engine.code import code_digest

if TYPE_CHECKING:
    from pathlib import Path


def package(folder: Path) -> Path:
    """Write a package whose table imports a module of constants, which imports another."""
    home = folder / "shop"
    (home / "value").mkdir(parents=True)
    for place in (home, home / "value"):
        (place / "__init__.py").write_text("")
    (home / "value" / "deep.py").write_text("RATE = 1\n")
    (home / "value" / "rates.py").write_text("from shop.value.deep import RATE\n")
    table = home / "value" / "cost.py"
    table.write_text("import json\nfrom shop.value import rates\n")
    return table


def test_a_constant_of_the_package_is_code(tmp_path: Path) -> None:
    """A change in a module that the table imports, at any depth, is another code version."""
    table = package(tmp_path)
    before = code_digest(table)
    (table.parent / "deep.py").write_text("RATE = 2\n")

    assert code_digest(table) != before


def test_what_is_not_imported_is_not_code(tmp_path: Path) -> None:
    """Another module of the package, or another folder for all of it, changes nothing."""
    table = package(tmp_path / "a")
    (table.parent / "unrelated.py").write_text("X = 1\n")

    assert code_digest(table) == code_digest(package(tmp_path / "b"))
