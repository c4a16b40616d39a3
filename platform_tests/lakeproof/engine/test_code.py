from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        ("from .deep import RATE", "value/deep.py"),
        ("from . import deep", "value/deep.py"),
        ("from . import RATE", "value/__init__.py"),
        ("from ..rates import RATE", "rates.py"),
        ("from .. import rates", "rates.py"),
        ("from shop import RATE", "__init__.py"),
        ("import shop.value.deep as rates", "value/deep.py"),
    ],
)
def test_a_module_is_code_however_it_is_named(tmp_path: Path, statement: str, changed: str) -> None:
    """By a relative name, at any level, or as the package itself."""
    table = package(tmp_path)
    (tmp_path / "shop" / "rates.py").write_text("RATE = 1\n")
    table.write_text(f"{statement}\n")
    before = code_digest(table)
    (tmp_path / "shop" / changed).write_text("RATE = 2\n")

    assert code_digest(table) != before


def test_a_package_without_a_file_of_its_own_is_a_package(tmp_path: Path) -> None:
    """Python finds `..rates` from a folder without `__init__.py`; a name above every folder it does not find."""
    table = package(tmp_path)
    for place in (table.parent, table.parents[1]):
        (place / "__init__.py").unlink()
    rates = tmp_path / "shop" / "rates.py"
    rates.write_text("RATE = 1\n")
    table.write_text(f"from ..rates import RATE\n\n\ndef late():\n    from {'.' * 99}x import y\n")
    before = code_digest(table)
    rates.write_text("RATE = 2\n")

    assert code_digest(table) != before


def test_another_package_is_not_code(tmp_path: Path) -> None:
    """What is imported from one that lies beside is told by its version."""
    table = package(tmp_path)
    (tmp_path / "library").mkdir()
    library = tmp_path / "library" / "__init__.py"
    library.write_text("RATE = 1\n")
    table.write_text("from library import RATE\n")
    before = code_digest(table)
    library.write_text("RATE = 2\n")

    assert code_digest(table) == before


def test_what_is_not_imported_is_not_code(tmp_path: Path) -> None:
    """Another module of the package, or another folder for all of it, changes nothing."""
    table = package(tmp_path / "a")
    (table.parent / "unrelated.py").write_text("X = 1\n")

    assert code_digest(table) == code_digest(package(tmp_path / "b"))
