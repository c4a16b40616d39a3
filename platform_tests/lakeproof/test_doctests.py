"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "errors",
        "window",
        "record",
        "value",
        "cost.used",
        "stewardship.advice",
        "stewardship.ends",
        "stewardship.spent",
        "stewardship.valuing",
        "stewardship.worthtext",
        "outputs.shell",
    ],
)
def test_examples_are_true(module: str) -> None:
    """Each example gives what the docstring says, and there is at least one."""
    result = doctest.testmod(import_module(f"lakeproof.{module}"))

    assert result.attempted > 0
    assert result.failed == 0
