"""Which days to ask for: those that are missing and ready, and those of which an input has other content by now.

Tables are asked in the lake, and of sources it is told which days are complete. What was asked for is remembered by its
cause, which is the content of the day's inputs: nothing is asked for twice, and everything again when that changed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from lakeproof import gate
from lakeproof.asked import Memory, Wanted
from lakeproof.contract import Input, in_order
from lakeproof.lake.confirmed import last_made
from lakeproof.lake.days import day_key, key_day
from lakeproof.lake.evidence import read_evidence, recorded_content
from lakeproof.lake.heads import Heads, heads, published_runs
from lakeproof.lake.held import HeldDay, held_days
from lakeproof.lake.running import runs_at_work
from lakeproof.outdated import days_read, reads_something_else
from lakeproof.reads import awaited_by, declared_days, is_scheduled, tables_read, upstream_of
from lakeproof.source.protocol import Completeness
from lakeproof.window import ONE_DAY, Window, days_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import date, datetime

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.contract import Table
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.reads import Reads
    from lakeproof.source.protocol import Awaited

Runs = dict["Day", str]


class Outside(Protocol):
    """What is known of sources, without asking them."""

    def mark(self, made: Reads, name: str) -> str:
        """Return what changes whenever more is known of an input."""

    def complete(self, made: Reads, name: str) -> Mapping[Day, str | None]:
        """Return the days of an input that are complete, each with its version where that is known."""

    def refused(self, made: Reads) -> Mapping[Day, int]:
        """Return the days that were asked for and not ready when their run began, each with what tells when."""

    def left_alone(self, made: Reads) -> set[Day]:
        """Return the days that were refused so often that their sources are not asked again for a while."""


class Watch:
    """Looks at tables again and again.

    Args:
        lake: The lake.
        tables: The tables, each with what it reads.
    """

    def __init__(self, lake: Lake, tables: Sequence[Reads]) -> None:
        self.lake = lake
        self.tables = tables
        self.settled: dict[str, dict[Day, int]] = {}
        self.loaded: dict[str, tuple[str, IcebergTable]] = {}
        self.published: dict[str, tuple[IcebergTable, Runs]] = {}

    def look(self, now: datetime, outside: Outside) -> Look:
        """Look at what the lake and the sources are at now."""
        return Look(self, now, outside)


@dataclass
class Look:
    """One look: every table as it is at one instant or a little later.

    Args:
        watch: What is known from earlier looks.
        now: The instant at which to judge which days are over.
        outside: What is known of sources.
    """

    watch: Watch
    now: datetime
    outside: Outside
    _held: dict[str, dict[Day, HeldDay]] = field(default_factory=dict)
    _made_by: dict[str, Runs] = field(default_factory=dict)
    _evidence_of: dict[tuple[str, str], dict[str, Any] | None] = field(default_factory=dict)

    @cached_property
    def heads(self) -> Mapping[str, str]:
        """The commit that each table is at."""
        tables = self.watch.tables
        names = {made.table.name for made in tables} | {name for made in tables for name in upstream_of(made)}
        return heads(self.watch.lake, names)

    def wanted(self, made: Reads, before: Memory) -> Wanted:
        """Return which days of a table to ask for.

        Args:
            made: The table.
            before: What was remembered of it.

        Raises:
            LakeError: The catalog or the warehouse cannot be used.
        """
        if self._mark(made, before.asked) == before.mark:
            return Wanted({}, before)
        candidates = list(self._candidates(made, before))
        stored = self._stored(made.table.name)
        at_work = runs_at_work(stored[0]) if candidates and stored else {}
        free = [day for day in candidates if day not in at_work]
        readiness = self._check(made, free)
        causes = {day: self._cause(made, day) for day in readiness.ready}
        days = {day: cause for day, cause in causes.items() if cause not in before.asked.get(day_key(day), ())}
        waits_for_past = in_order(made.table, made.inputs.values())
        if days and waits_for_past:
            # What waits for a day that is made goes along with it, in one run; and waits for one that is not.
            days = {day: cause for day, cause in causes.items() if str(day) >= str(next(iter(days)))}
            readiness = self._check(made, list(days))
            days = {day: days[day] for day in readiness.ready}
        if days and self._moved(made):
            return Wanted({}, replace(before, mark=""))
        # Only what is published and settled is forgotten: a clock that jumps back must not make anything asked anew.
        done = self._runs(made.table.name).keys() - set(candidates)
        asked = {key: tuple(causes) for key, causes in before.asked.items() if key_day(key) not in done}
        for day, cause in days.items():
            causes_of = (self._cause(made, day, judged=True), cause) if waits_for_past else (cause,)
            asked[day_key(day)] = tuple(dict.fromkeys((*asked.get(day_key(day), ()), *causes_of)))
        unpublished = [day for day in readiness.ready if day not in self._runs(made.table.name)]
        waits = _waits(readiness, unpublished, [day for day in candidates if day in at_work])
        return Wanted(days, Memory("" if at_work else self._mark(made, asked), asked, waits))

    def _moved(self, made: Reads) -> bool:
        """Whether something was published since the look began, so that the gate knew more than the causes tell."""
        names = {made.table.name, *upstream_of(made)}
        return heads(self.watch.lake, names) != {name: at for name, at in self.heads.items() if name in names}

    def _check(self, made: Reads, days: Sequence[Day]) -> gate.Readiness:
        needed = [*made.inputs.values(), *made.waits.values()]
        return gate.check(self.watch.lake, made.table, needed, days, self.now, self._ask(made))

    def _mark(self, made: Reads, asked: Collection[str]) -> str:
        """Return what changes whenever another look could find something else.

        What becomes of a run that published nothing is looked for where something was asked for and is not settled.
        """
        told = [
            str(self._until(made.table)),
            self._fired(made.table) if made.table.partition is None else None,
            [[name, self.heads.get(name)] for name in sorted({made.table.name, *upstream_of(made)})],
            [[name, self.outside.mark(made, name)] for name in sorted(awaited_by(made))],
            [[name, how.kind, how.days, *declared_days(how.table)] for name, how in tables_read(made)],
            [*declared_days(made.table), made.table.pipeline is None or made.table.pipeline.catchup],
            sorted({*self._last_made(made.table.name).values()}) if asked else None,
            sorted(self.outside.refused(made).values()) if asked else None,
        ]
        return digest(told)

    def _until(self, table: Table) -> date:
        """Return the day before which days are asked for."""
        if table.pipeline is None:
            until = self.now.astimezone(ZoneInfo(table.timezone)).date()
        else:
            until = table.pipeline.asked_until(self.now, table.timezone)
        return min(until, table.until_day or until)

    def _fired(self, table: Table) -> str | None:
        """Return when the schedule of a table last fired; None without one."""
        fired = table.pipeline and table.pipeline.fired(self.now)
        return fired.isoformat() if fired else None

    def published(self, made: Reads) -> Runs:
        """Return the published days of a table, each with its run."""
        return self._runs(made.table.name)

    def days(self, made: Reads) -> Sequence[Day]:
        """Return the days that are asked for once they are ready, whether they are published or not, in order."""
        table = made.table
        if table.partition is None:
            return (None,)
        until = self._until(table)
        days = Window(table.first_day, until).days if table.first_day < until else ()
        catches_up = table.pipeline is None or table.pipeline.catchup
        return [day for day in days if table.gap(day) is None and (catches_up or day == days[-1])]

    def _candidates(self, made: Reads, before: Memory) -> Iterator[Day]:
        """Yield the days that are missing, or made from other content than their inputs have now, in order."""
        table, runs = made.table, self._last_made(made.table.name)
        if table.partition is None:
            if None not in runs or self._is_outdated(made, None, runs[None]) or self._is_due(made, before):
                yield None
            return
        missing = [day for day in self.days(made) if day not in runs]
        builds = any(how.kind == "previous" for _, how in tables_read(made))
        outdated: list[Day] = []
        for day in sorted(day for day in runs if day is not None):
            # What is built on a day that is made again is made again with it.
            if (builds and outdated) or self._is_outdated(made, day, runs[day]):
                outdated.append(day)
        yield from sorted({*missing, *outdated}, key=str)

    def _is_due(self, made: Reads, before: Memory) -> bool:
        """Whether the schedule has fired for an unpartitioned table since it was last asked for."""
        return is_scheduled(made.table) and self._cause(made, None) not in before.asked.get(day_key(None), ())

    def _is_outdated(self, made: Reads, day: Day, run: str) -> bool:
        """Whether an input of a published day has other content than it was last made from, as its evidence says."""
        settled = self.watch.settled.setdefault(made.table.name, {})
        states = tuple(self.outside.complete(made, name).get(day) for name in awaited_by(made))
        seen = hash((run, states, tuple(self._inputs(made, day))))
        if settled.get(day) == seen:
            return False
        if self._read_something_else(made, day, run):
            return True
        settled[day] = seen
        return False

    def _read_something_else(self, made: Reads, day: Day, run: str) -> bool:
        record = self._evidence(made.table.name, run)
        if record is None:
            return False
        for name in awaited_by(made):
            then = record["inputs"].get(name, {}).get("states", {}).get(day_key(day))
            now = self.outside.complete(made, name).get(day)
            if None not in {then, now} and then != now:
                return True
        return reads_something_else(made, day, record, self._stored)

    def _cause(self, made: Reads, day: Day, *, judged: bool = False) -> str:
        """Return what tells a request from any other: the content of the day's inputs, as far as it is published.

        Args:
            made: The table.
            day: The day.
            judged: Whether to return the cause that the day has once it was judged with the one before it.
        """
        told: list[Any] = [[name, self.outside.complete(made, name).get(day)] for name in awaited_by(made)]
        if day is not None or not is_scheduled(made.table):
            # What was made from A, then B, is asked for once more when A is back.
            told.append(["made by", self._last_made(made.table.name).get(day)])
        if (refused := self.outside.refused(made).get(day)) is not None:
            told.append(["refused", refused])
        for name, how in tables_read(made):
            days = self._days_read(made, how, day) if how.kind != "previous" else ()
            told += [[name, day_key(of), self._content(how.table.name, of)] for of in days]
        if day not in self._runs(made.table.name):
            # What has no days, or is only referred to, makes no day out of date, but may be why one was held.
            others = sorted(upstream_of(made) - {made.table.name})
            told += [[name, self._content(name, day if day in self._runs(name) else None)] for name in others]
        if day is not None and in_order(made.table, made.inputs.values()):
            told.append(["past", None if judged else self._past(made.table, day)])
        if day is None and is_scheduled(made.table):
            told.append(["schedule", self._fired(made.table)])
        return digest(told)

    def _past(self, table: Table, day: date) -> str | None:
        """Return the content of the day before, for a day that waits for it; None while it is not there.

        Days that were asked for at once were judged each with the one before: one that is held since then was not held
        for want of it, and is not asked for again because it is there now.
        """
        stored, before = self._stored(table.name), day - ONE_DAY
        if stored is None or before not in stored[1]:
            return None
        if table.name not in self._held:
            self._held[table.name] = held_days(stored[0], {})
        held = self._held[table.name].get(day)
        return None if held and held.run >= stored[1][before] else self._content(table.name, before)

    def _content(self, name: str, day: Day) -> str | None:
        """Return what tells the content of a day from any other; None while it is not published."""
        stored = self._stored(name)
        if stored is None or (run := stored[1].get(day)) is None:
            return None
        content = recorded_content(stored[0], run, day)
        return content.digest if content else run

    def _inputs(self, made: Reads, day: Day) -> Iterator[tuple[str, Day, str | None]]:
        """Yield each day of each table that a day reads, and the run that published it; None where nobody did."""
        for name, how in tables_read(made):
            runs = self._runs(how.table.name)
            for of in self._days_read(made, how, day):
                yield name, of, runs.get(of)

    def _days_read(self, made: Reads, how: Input, day: Day) -> Sequence[Day]:
        return days_read(made, how, day, self._runs(how.table.name))

    def _ask(self, made: Reads) -> gate.Ask:
        """Let the gate know of sources what is known, in place of asking them."""
        names = {id(how): name for name, how in awaited_by(made).items()}

        def ask(source: Awaited, window: Window | None) -> dict[Day, Completeness]:
            known = self.outside.complete(made, names[id(source)])
            unseen = "nothing says yet that it is"
            days: Sequence[Day] = (None,) if window is None else window.days
            return {
                day: Completeness(complete=True, reason="seen complete", version=known[day])
                if day in known
                else Completeness(complete=False, reason=unseen)
                for day in days
            }

        return ask

    def _evidence(self, name: str, run: str) -> dict[str, Any] | None:
        if (name, run) not in self._evidence_of:
            stored = self._stored(name)
            # One at a time: days that share a run come one after another, and a year's evidence is large.
            self._evidence_of = {(name, run): None if stored is None else read_evidence(stored[0], run)}
        return self._evidence_of[name, run]

    def _runs(self, name: str) -> Runs:
        stored = self._stored(name)
        return {} if stored is None else stored[1]

    def _last_made(self, name: str) -> Runs:
        """Return the published days of a table, each with the run whose evidence tells what it was last made from."""
        if name not in self._made_by:
            stored = self._stored(name)
            self._made_by[name] = {} if stored is None else last_made(*stored)
        return self._made_by[name]

    def _stored(self, name: str) -> tuple[IcebergTable, Runs] | None:
        """Return a table as it is at its head, with its published days; they are read anew only when its head moved."""
        table = Heads(self.watch.lake, self.heads, self.watch.loaded).find(name)
        if table is None:
            return None
        known = self.watch.published.get(name)
        if known is None or known[0] is not table:
            known = self.watch.published[name] = table, published_runs(table)
        return known


def _waits(readiness: gate.Readiness, asked: Sequence[Day], at_work: Sequence[Day]) -> str:
    """Return what a table waits for, in one line: the reason that most of its days share, and how many wait.

    Args:
        readiness: The days that may not run.
        asked: Days that were asked for and are not published.
        at_work: Days that a run is making.
    """
    why: dict[Day, str] = dict.fromkeys(asked, "asked for; its latest run has not published it")
    why |= dict.fromkeys(at_work, "being made")
    why |= {day: "; ".join(lack.reason for lack in lacks) for day, lacks in readiness.refused.items()}
    reasons: dict[str, list[date]] = {}
    for day, reason in why.items():
        reasons.setdefault(reason, []).extend([day] if day else [])
    if not reasons:
        return ""
    reason, days = max(reasons.items(), key=lambda found: len(found[1]))
    more = len(why) - len(days) if days else 0
    return f"{days_text(days)}: {reason}".removeprefix(": ") + (f" (and {more} other days)" if more else "")


def digest(told: object) -> str:
    """Return a few letters that tell what is told from anything else."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
