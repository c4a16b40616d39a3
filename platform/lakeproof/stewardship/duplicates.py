"""Definitions and tables that are there twice, or under one name for two things."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from lakeproof.meaning.compare import Meanings
from lakeproof.stewardship.definitions import Defined, inputs_of, metrics, promises, statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeproof.asset import TableAsset
    from lakeproof.meaning.compare import Verdict

Kind = Literal["conflict", "duplicate", "near", "alike", "content"]

ALIKE = 0.8
"""The share of all columns of two tables that both have, from which they look alike."""


@dataclass(frozen=True)
class Duplicate:
    """Two definitions, or tables, that should be one, or that should not have one name.

    Args:
        kind: `conflict`: one name means two things, which is an error. `duplicate`: the same under two names. `near`:
            the same but for one thing. `alike`: two tables from the same inputs, with the same key and columns.
            `content`: two tables with the same rows.
        keep: The one to use; of those that differ, the one that is upstream, or by name before the other.
        other: The other one.
        words: What there is to say.
        usd_per_month: What the other table costs a month, in dollars, where that is known.
    """

    kind: Kind
    keep: str
    other: str
    words: str
    usd_per_month: float | None = None

    @property
    def is_error(self) -> bool:
        """Whether it must be mended."""
        return self.kind == "conflict"


def defined_twice(tables: Sequence[TableAsset], costs: Mapping[str, float] | None = None) -> list[Duplicate]:
    """Return what the definitions of tables show to be there twice, errors first.

    Args:
        tables: The tables, upstream first: of two, the first is the one to use.
        costs: What tables cost a month, in dollars, by name; of those that are not there, it is not known.
    """
    meanings = Meanings(promises(tables))
    found = [
        finding
        for left, right in combinations(metrics(tables), 2)
        if (finding := _metrics(left, right, meanings)) is not None
    ]
    same: set[tuple[str, str]] = set()
    for left, right in combinations(statements(tables), 2):
        finding = _statements(left, right, meanings, costs or {})
        if finding is not None:
            same.add((finding.keep, finding.other))
            found.append(finding)
    for one, other in combinations(tables, 2):
        if (one.table.name, other.table.name) not in same and looks_alike(one, other):
            found.append(_alike(one, other, costs or {}))
    order: list[Kind] = ["conflict", "duplicate", "near", "alike"]
    return sorted(found, key=lambda finding: order.index(finding.kind))


def _metrics(left: Defined, right: Defined, meanings: Meanings) -> Duplicate | None:
    one, other = left.metric, right.metric
    if one is None or other is None:
        return None
    verdict = meanings.compare(left.definition, right.definition)
    told = (one.unit, one.direction) != (other.unit, other.direction)
    if one.name == other.name:
        if verdict.label == "same" and not told:
            return Duplicate("duplicate", left.name, right.name, f"the same metric is declared twice; use {left.name}")
        return Duplicate("conflict", left.name, right.name, _conflict(left, right, verdict))
    if verdict.label == "same":
        words = f"the same under two names; use {left.name}"
        if told:
            words += f" (units and directions are told as {_told(left)} and {_told(right)})"
        return Duplicate("duplicate", left.name, right.name, words)
    if verdict.label == "near":
        return Duplicate("near", left.name, right.name, _named(verdict.difference, left, right))
    return None


def _conflict(left: Defined, right: Defined, verdict: Verdict) -> str:
    match verdict.label:
        case "same":
            return f"one name and meaning, but the unit and direction are {_told(left)} and {_told(right)}"
        case "near":
            return f"one name, two meanings: {_named(verdict.difference, left, right)}"
    why = f"one has {verdict.unknown}" if verdict.unknown else "no rule makes one of the other"
    return f"one name, and nothing proves that it means one thing: {why}"


def _told(defined: Defined) -> str:
    metric = defined.metric
    return f"{metric.unit}, {metric.direction}" if metric else ""


def _named(words: str, left: Defined, right: Defined) -> str:
    for side, name in (("left", left.name), ("right", right.name)):
        words = words.replace(f"The {side} one", name).replace(f"the {side} one", name)
    return words.rstrip(".")


def _statements(left: Defined, right: Defined, meanings: Meanings, costs: Mapping[str, float]) -> Duplicate | None:
    verdict = meanings.compare(left.definition, right.definition)
    cost = costs.get(right.name)
    if verdict.label == "same" and _stored(left) == _stored(right):
        words = f"both statements make the same rows; use {left.name}"
        return Duplicate("duplicate", left.name, right.name, words, cost)
    if verdict.label == "same":
        words = "both statements make the same rows, but are stored with other types or digits, or in part"
        return Duplicate("near", left.name, right.name, words, cost)
    if verdict.label == "near":
        return Duplicate("near", left.name, right.name, _named(verdict.difference, left, right), cost)
    return None


def _stored(defined: Defined) -> tuple[list[tuple[str, int]], str]:
    """Return what decides how the rows of a statement are stored."""
    table = defined.made.table
    split = table.name if table.on_reject == "split" else ""  # its audits leave rows out
    return sorted((c.type, -1 if c.digits is None else c.digits) for c in table.columns), split


def looks_alike(one: TableAsset, other: TableAsset) -> bool:
    """Whether two tables are made from the same inputs, and have the same key and nearly the same columns."""
    reads, others = (sorted(inputs_of(made).values()) for made in (one, other))
    columns, other_columns = ({(c.name, c.type) for c in made.table.columns} for made in (one, other))
    overlap = len(columns & other_columns) / len(columns | other_columns)
    return bool(reads) and reads == others and set(one.table.key) == set(other.table.key) and overlap >= ALIKE


def _alike(one: TableAsset, other: TableAsset, costs: Mapping[str, float]) -> Duplicate:
    reads = " and ".join(sorted({name for name, _, _ in inputs_of(one).values()}))
    key = ", ".join(one.table.key) or "none"
    words = f"both are made from {reads}, with key {key} and nearly the same columns: compare what they hold"
    return Duplicate("alike", one.table.name, other.table.name, words, costs.get(other.table.name))
