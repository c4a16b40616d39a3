"""The rules are measured by the labelled pairs: how often `same` is right, and how often it is found."""

from __future__ import annotations

import re
from collections import Counter
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakeproof.meaning.compare import Meanings, Verdict
from lakeproof.meaning.definition import Definition, Promise, Promised, Reading

CONTENT = yaml.load((Path(__file__).parent / "pairs.yaml").read_text(), yaml.CSafeLoader)
LABELS = ("same", "near", "different")


def promised(table: dict[str, Any]) -> Promised:
    """Return what a declared table promises."""
    columns = {name: Promise(of["type"], bool(of.get("nullable"))) for name, of in table["columns"].items()}
    return Promised(columns, tuple(table.get("key", ())), table.get("partition"), table.get("as"))


def reading(source: str) -> Reading:
    """Return how an input is read."""
    name, days, latest = re.fullmatch(r"([a-z]+\.[a-z_]+)(?:\.last\(days=(\d+)\)|(\.latest\(\)))?", source).groups()
    return Reading(name, None if latest else int(days or 1))


def definition(kind: str, side: dict[str, Any]) -> Definition:
    """Return one side of a pair."""
    if kind == "table":
        return Definition(side["sql"], {name: reading(source) for name, source in side["inputs"].items()})
    window = "" if side["window"] == "day" else f".{side['window']}"
    alias = side["table"].partition(".")[2]
    return Definition(side["sql"], {alias: reading(f"{side['table']}{window}")}, tuple(side["grain"]))


def interval(right: int, of: int) -> str:
    """Return a share with its interval of 95 %: Wilson, 1927, which holds for shares near 1 as well."""
    z, share = 1.96, right / of
    middle, width = share + z * z / (2 * of), z * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    low, high = ((middle + sign * width) / (1 + z * z / of) for sign in (-1, 1))
    return f"{right} of {of} = {share:.3f} ({low:.3f} to {high:.3f})"


@pytest.fixture(scope="module")
def verdicts() -> list[tuple[dict[str, Any], Verdict]]:
    """Return each pair with the verdict on it."""
    meanings = Meanings({name: promised(table) for name, table in CONTENT["tables"].items()})
    return [
        (pair, meanings.compare(*(definition(pair["kind"], pair[side]) for side in ("left", "right"))))
        for pair in CONTENT["pairs"]
    ]


def test_what_is_called_the_same_is_the_same(verdicts: list[tuple[dict[str, Any], Verdict]]) -> None:
    """Of the pairs called `same`, 0.98 are; of those that are, 0.9 are called so. What was missed is printed."""
    matrix = Counter((pair["label"], verdict.label) for pair, verdict in verdicts)
    print("\nlabelled   called", *(f"{label:>10}" for label in LABELS))
    for label in LABELS:
        print(f"{label:<17}", *(f"{matrix[label, called]:>10}" for called in LABELS))
    for label in ("same", "near"):
        right = matrix[label, label]
        print(f"{label}: precision {interval(right, sum(matrix[each, label] for each in LABELS))}")
        print(f"{label}: recall    {interval(right, sum(matrix[label, each] for each in LABELS))}")
    for pair, verdict in verdicts:
        if verdict.label != pair["label"]:
            print(f"{pair['id']}: {pair['label']}, called {verdict.label}. {verdict.difference}{verdict.unknown}")

    right = matrix["same", "same"]
    assert right >= 0.98 * sum(matrix[label, "same"] for label in LABELS)
    assert right >= 0.9 * sum(matrix["same", label] for label in LABELS)


def test_what_sets_near_ones_apart_is_told(verdicts: list[tuple[dict[str, Any], Verdict]]) -> None:
    """A near pair that is found is found by the change that its label names, and has a difference in words."""
    found = [(pair, verdict) for pair, verdict in verdicts if verdict.label == pair["label"] == "near"]

    assert len(found) >= 70
    assert all(verdict.change == pair["change"] for pair, verdict in found)
    assert all(re.search("left one|right one", verdict.difference) for _, verdict in found)
