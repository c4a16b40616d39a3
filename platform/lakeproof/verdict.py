"""The recorded outcome of all audits of one staged day, bound to the exact files that were read."""

from __future__ import annotations

from dataclasses import InitVar, asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from lakeproof.errors import AuditError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeproof.parts import Severity

SEAL = object()
"""Held by the one function that audits; a verdict cannot be made without it."""


@dataclass(frozen=True)
class Content:
    """An order-insensitive digest of a day's rows.

    Args:
        key: The algorithm and the engine's version; digests of different keys say nothing about each other.
        digest: The digest itself.
        rows: How many rows were digested.
    """

    key: str
    digest: str
    rows: int


@dataclass(frozen=True)
class AuditResult:
    """What one audit found on one staged day.

    Args:
        audit: The audit's name.
        severity: `blocking` or `warn`.
        passed: Whether the condition held.
        failed: Rows that broke it; for a condition on the whole day, 1 when it broke.
        total: Rows it looked at.
        describe: The condition in words.
        measured: The number it judged, when it judged one.
        error: Why it could not judge; such an audit never passed.
        sample: Up to ten of the rows at fault.
        history: The days it compared with, each with its rows.
        said: What it found, where counting rows does not tell it.
    """

    audit: str
    severity: Severity
    passed: bool
    failed: int
    total: int
    describe: str
    measured: float | None = None
    error: str | None = None
    sample: tuple[dict[str, Any], ...] = ()
    history: tuple[tuple[date, int], ...] = ()
    said: str | None = None

    @property
    def holds(self) -> bool:
        """Whether this result keeps the day from readers: any audit that could not judge does, and a blocking one."""
        return not self.passed and (self.severity == "blocking" or self.error is not None)

    @property
    def finding(self) -> str:
        """What was found, in one line."""
        if self.error is not None:
            return f"{self.audit}: could not judge: {self.error}"
        if self.said is not None:
            return f"{self.audit}: {self.said}"
        if self.passed:
            return f"{self.audit}: passed"
        measured = f" (measured {self.measured:g})" if self.measured is not None else ""
        rows = f"{self.failed:,} of {self.total:,} rows" if self.measured is None else f"{self.total:,} rows"
        return f"{self.audit}: {self.describe}{measured}: {rows}"


@dataclass(frozen=True)
class Verdict:
    """All audits of one staged day; what `publish` asks for.

    Only `lakeproof.audit.judge` makes one: it holds the seal. `recorded_verdict` reads one back.

    Args:
        day: The day; None for an unpartitioned table.
        stage: The digest of the staged files that were read.
        content: The digest of their rows.
        results: One result per declared audit.
    """

    day: date | None
    stage: str
    content: Content
    results: tuple[AuditResult, ...]
    seal: InitVar[object]

    def __post_init__(self, seal: object) -> None:
        """Refuse a verdict that no audit made."""
        if seal is not SEAL:
            msg = "A verdict comes from auditing a stage, not from a constructor."
            raise AuditError(msg, next_step="call lakeproof.wap.audit on a staged day")

    @property
    def passed(self) -> bool:
        """Whether the day may be published: something blocking was judged, and nothing holds it."""
        judged = any(r.severity == "blocking" and r.error is None for r in self.results)
        return judged and not any(result.holds for result in self.results)

    @property
    def holding(self) -> tuple[AuditResult, ...]:
        """The results that keep the day from readers."""
        return tuple(result for result in self.results if result.holds)

    @property
    def reason(self) -> str:
        """Why the day is held, in one line."""
        if self.passed:
            return "passed"
        return "; ".join(result.finding for result in self.holding) or "no blocking audit ran"

    def as_record(self) -> dict[str, Any]:
        """Return the verdict as plain values, for the evidence."""
        return {
            "day": self.day,
            "stage": self.stage,
            "passed": self.passed,
            "content": asdict(self.content),
            "audits": [asdict(r) | {"holds": r.holds, "finding": r.finding} for r in self.results],
        }


def recorded_verdict(record: Mapping[str, Any]) -> Verdict:
    """Return a verdict as the evidence has it, from `Verdict.as_record`; of the same files, and no others.

    Args:
        record: What the evidence says of a day; it is for the caller to see that the evidence is sound.
    """
    results = tuple(
        AuditResult(
            audit=told["audit"],
            severity=told["severity"],
            passed=told["passed"],
            failed=told["failed"],
            total=told["total"],
            describe=told["describe"],
            measured=told["measured"],
            error=told["error"],
            said=told["said"],
        )
        for told in record["audits"]
    )
    day = record["day"] and date.fromisoformat(record["day"])
    return Verdict(day, record["stage"], Content(**record["content"]), results, seal=SEAL)
