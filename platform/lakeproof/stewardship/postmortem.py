"""A post-mortem, as far as the record can write it: what happened, to whom, for how long. Why is asked, not answered.

Nobody is named. What the record says is passed on without the addresses and user names that are in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakeproof.markdown import cell, markdown_table
from lakeproof.stewardship.text import duration
from lakeproof.window import days_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from lakeproof.lake.days import Day
    from lakeproof.stewardship.impact import Waited
    from lakeproof.stewardship.incidents import Incident, Publish, Symptom

ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
SHOWN_ROWS = 5
SHOWN_COLUMNS = 8
SHOWN_FOUND = 10
SHOWN_DAYS = 31

FOUND = {
    "held": "Audits held",
    "blocked": "Before a row was read, a check of the source blocked",
    "missed": "The SLA was missed by",
    "failed": "A run failed that was to make",
}
READERS = {
    "held": "The rows at fault were staged outside the table, and no reader saw them.",
    "blocked": "Not a row was read, so nothing wrong could reach readers.",
    "missed": "Nothing that was published was wrong: it was late.",
    "failed": "A day is published whole and audited, or not at all, and the run that failed published none of these.",
}
WHYS = {
    "held": ("Why were these rows at fault?", "Why did the source, or the step before, let them through?"),
    "blocked": ("Why does the source not look as its contract says?", "Why did nobody hear of the change before?"),
    "missed": ("Why was the day not there when it was due?", "Why did what it waited for take so long?"),
    "failed": ("Why did the run fail?", "Why was that not caught before it ran?"),
}


@dataclass(frozen=True)
class Found:
    """What an audit found on a day.

    Args:
        day: The day.
        run: The run that staged it.
        finding: What was found, in one line.
        rows: Some of the rows at fault.
        key: The columns to show first: those that identify a row.
    """

    day: Day
    run: str
    finding: str
    rows: Sequence[Mapping[str, Any]]
    key: Sequence[str] = ()


@dataclass(frozen=True)
class Background:
    """What a post-mortem tells besides the incident itself.

    Args:
        owner: Who owns the table, as the contract says.
        before: What readers had of its days when it opened, of those that they had.
        found: What audits found.
        waited: The days that waited, by table; the incident's own first.
        people: The user names in the record, which are left out.
        now: The instant of the report.
    """

    owner: str
    before: Mapping[Day, Publish]
    found: Sequence[Found]
    waited: Sequence[Waited]
    people: frozenset[str]
    now: datetime


def postmortem(incident: Incident, background: Background) -> str:
    """Return a post-mortem as Markdown."""
    told = _Writer(incident, background)
    sections = {
        "Summary": told.summary(),
        "Timeline": told.timeline(),
        "What readers saw": told.readers(),
        "Impact": told.impact(),
        "Evidence": told.evidence(),
        "Detection and recovery": told.times(),
        "Contributing factors": told.factors(),
        "Actions": told.actions(),
    }
    days = f": {incident.days_text}" if incident.days_text else ""
    lines = [f"# {incident.table} {incident.kind}{days}", "", f"Incident `{incident.id}`."]
    for title, body in sections.items():
        lines += ["", f"## {title}", "", *body]
    return "\n".join(lines) + "\n"


def owner_text(owner: str) -> str:
    """Return an owner as a post-mortem names it: a team by its name, and nobody by an address.

    >>> owner_text("team:flight-operations"), owner_text("ann@example.org")
    ('team flight-operations', "the table's owner")
    """
    kind, _, name = owner.partition(":")
    return f"team {name}" if kind == "team" and name else "the table's owner"


def without_people(text: str, people: frozenset[str]) -> str:
    """Return what the record says without addresses, and without the user names that are in it.

    >>> without_people("/home/ann/x.csv: ask bob@example.org about lab.readings@2024-01-03", frozenset({"ann"}))
    '/home/(someone)/x.csv: ask (someone) about lab.readings@2024-01-03'
    """
    names = [rf"\b{re.escape(name)}\b" for name in sorted(people, key=len, reverse=True)]
    return re.sub("|".join([ADDRESS.pattern, *names]), "(someone)", text)


@dataclass(frozen=True)
class _Writer:
    """Writes the sections, a list of lines each."""

    incident: Incident
    background: Background

    def summary(self) -> list[str]:
        one, owner = self.incident, owner_text(self.background.owner)
        days = one.days_text or "the whole table"
        closed = (
            f"It was closed at {_at(one.closed)}, {duration(one.duration)} later."
            if one.closed is not None and one.duration is not None
            else f"It is open; waiting: {_days(one.waiting)}."
        )
        causes = ", ".join(sorted(one.causes))
        return [
            f"{FOUND[one.kind]} {days} of {one.table} ({causes}), first at {_at(one.opened)}. {closed}",
            f"{READERS[one.kind]} The table belongs to {owner}.",
        ]

    def timeline(self) -> list[str]:
        moments: list[tuple[datetime, int, str]] = []
        for number, symptom in enumerate(self.incident.symptoms):
            if symptom.began is not None:
                moments.append((symptom.began, 0, f"Run `{symptom.dagster_run}` began."))
            moments.append((symptom.at, 1, self._found(symptom, first=number == 0)))
        by_run: dict[tuple[datetime, str | None], list[Publish]] = {}
        for publish in self.incident.published.values():
            by_run.setdefault((publish.at, publish.run), []).append(publish)
        for (at, run), publishes in by_run.items():
            made = f" by run `{run}`" if run else ""
            moments.append((at, 2, f"Published{made}: {_days([publish.day for publish in publishes])}."))
        if self.incident.closed is not None:
            moments.append((self.incident.closed, 3, "Closed: all of its days are published."))
        rows = [f"| {_at(at)} | {what} |" for at, _, what in sorted(moments)]
        return ["| UTC | what |", "|---|---|", *dict.fromkeys(rows)]

    def _found(self, symptom: Symptom, *, first: bool) -> str:
        opened = "Opened" if first else "Found again"
        reason = cell(without_people(symptom.reason, self.background.people))
        return f"{opened}, {symptom.kind}: {_days(symptom.days)}: {reason}"

    def readers(self) -> list[str]:
        lines = [f"Nothing wrong. {READERS[self.incident.kind]}", "", "| day | until it was published | since |"]
        lines.append("|---|---|---|")
        for day in self.incident.days[:SHOWN_DAYS]:
            before, after = self.background.before.get(day), self.incident.published.get(day)
            then = "nothing: it was not published yet" if before is None else _seen(before)
            now = f"no change, as of {_at(self.background.now)}" if after is None else _seen(after)
            lines.append(f"| {day or 'all'} | {then} | {now} |")
        if (more := len(self.incident.days) - SHOWN_DAYS) > 0:
            lines.append(f"| … | {more} more days | |")
        return lines

    def impact(self) -> list[str]:
        waited = self.background.waited
        if not waited:
            return ["Every day that depends on these was published before: nothing waited."]
        lines = ["These days were kept from readers, or could not be made, while the incident was open.", ""]
        lines += ["| table | owner | days | worth to | those days |", "|---|---|---|---|---|"]
        for one in waited:
            worth = "; ".join(f"{value.consumer}: {value.why}, {value.amount_text}" for value in one.table.values)
            usd = "" if one.usd is None else f"${one.usd:,.0f}"
            owner, worth = owner_text(one.table.owner), cell(without_people(worth, self.background.people))
            lines.append(f"| {one.table.name} | {owner} | {len(one.days)}: {_days(one.days)} | {worth} | {usd} |")
        return [*lines, "", "Worth is what the contracts say, a day of it for each day that waited: at most so much."]

    def evidence(self) -> list[str]:
        lines = []
        for symptom in self.incident.symptoms:
            reason = without_people(symptom.reason, self.background.people).replace("\n", " ")
            lines.append(f"- {_days(symptom.days)}, run `{symptom.run or symptom.dagster_run or 'none'}`: {reason}")
        lines = list(dict.fromkeys(lines))
        for found in self.background.found[:SHOWN_FOUND]:
            at = f"{self.incident.table}@{found.day}" if found.day else self.incident.table
            finding = without_people(found.finding, self.background.people)
            lines += ["", f"{at}, run `{found.run}`: {finding}"]
            if found.rows:
                table = markdown_table(list(_shown(found)))
                lines += ["", without_people(table, self.background.people)]
        if (more := len(self.background.found) - SHOWN_FOUND) > 0:
            lines += ["", f"{more} more are in the evidence: `lakeproof show {self.incident.table}@DAY --held`."]
        return lines

    def times(self) -> list[str]:
        one = self.incident
        began = one.symptoms[0].began
        found = f"{duration(one.opened - began)} after the run began" if began else "at the deadline"
        lines = [f"- Detected {found}, by {', '.join(sorted(one.symptoms[0].causes))}."]
        if one.duration is not None:
            lines.append(f"- Recovered {duration(one.duration)} after it was detected.")
        else:
            open_for = duration(self.background.now - one.opened)
            lines.append(f"- Not recovered: open for {open_for} as of {_at(self.background.now)}.")
        attempts = len({symptom.dagster_run for symptom in one.symptoms if symptom.dagster_run})
        if attempts:
            lines.append(f"- Runs that met it: {attempts}.")
        return lines

    def factors(self) -> list[str]:
        first, second = WHYS[self.incident.kind]
        whys = [first, second, "Why?", "Why?", "Why could the system let it come to this?"]
        asked = [
            "What made it worse, or longer?",
            "What went well?",
            "Could it have been found earlier: by which audit, on which table upstream?",
        ]
        lines = ["Ask about the system, not about people. Five whys:", ""]
        lines += [line for number, why in enumerate(whys, 1) for line in (f"{number}. {why}", "")]
        return [*lines, *(line for question in asked for line in (f"- {question}", ""))][:-1]

    def actions(self) -> list[str]:
        return ["| action | prevents, detects or repairs | owner (a team) | by |", "|---|---|---|---|", "| | | | |"]


def _shown(found: Found) -> Iterator[dict[str, Any]]:
    """Yield a few rows with their key, what was audited, and as much else as fits."""
    words = set(re.findall(r"\w+", found.finding))
    names = list(found.rows[0])
    first = [name for name in names if name in found.key or name in words]
    chosen = list(dict.fromkeys([*first, *names]))[:SHOWN_COLUMNS]
    return ({name: row.get(name) for name in chosen} for row in found.rows[:SHOWN_ROWS])


def _days(days: Sequence[Day]) -> str:
    return days_text([day for day in days if day is not None]) or "the whole table"


def _seen(publish: Publish) -> str:
    rows = "rows" if publish.rows is None else f"{publish.rows:,} row{'' if publish.rows == 1 else 's'}"
    run = "" if publish.run is None else f" of run `{publish.run}`"
    return f"{rows}{run}" + (f", snapshot {publish.snapshot}" if publish.snapshot else "")


def _at(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"
