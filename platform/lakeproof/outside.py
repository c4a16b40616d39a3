"""Days of sources in Dagster's graph: an external asset for each, whose days turn green when all of a day is there."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import dagster as dg

from lakeproof.errors import LakeproofError
from lakeproof.lake.days import day_key, key_day
from lakeproof.reads import awaited_by
from lakeproof.source.protocol import Source
from lakeproof.spec import DATA_VERSION_TAG, NOT_READY, OUTCOME_TAG, asset_key, partitions_of, source_key
from lakeproof.window import Window, days_text, runs_of_days

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import date

    from lakeproof.lake.days import Day
    from lakeproof.reads import Reads
    from lakeproof.source.protocol import Awaited, Completeness
    from lakeproof.wanted import Look

UNKNOWN = "complete"
"""The data version of a day whose source does not tell one state of it from another."""

ASKED_AT_ONCE = 366
"""Most days that a source is asked about in one tick, the newest first."""

LOOKED_AGAIN = 7
"""Days that were seen complete, the newest first, of which a source is asked whether they changed since."""


FREE_REFUSALS = 3
"""How often a day is asked for again at once, after its run found it not ready."""

PATIENCE_SECONDS = 60.0
MOST_PATIENCE_SECONDS = 3600.0
"""How long it is left alone from then on: twice as long each time, up to this."""

EVENTS_READ = 1_000
"""How many events are read at once."""

FAILURES = 20
"""How often a source may break in a tick before it is not asked about parts of what it broke over: to find one day of a
year takes ten."""

FAILING_SECONDS = 5
"""For how long it may."""


def source_specs(tables: Sequence[Reads]) -> list[dg.AssetSpec]:
    """Return an external asset for each source of each table, with the table's days."""
    return [
        dg.AssetSpec(
            source_key(made.table, name),
            description=f"Days of {source.name}: green when all of a day is there.",
            group_name="sources",
            owners=[made.table.owner],
            kinds={"source"},
            metadata=_columns(source),
            partitions_def=partitions_of(made.table),
        )
        for made in tables
        for name, source in awaited_by(made).items()
    ]


def _columns(source: Awaited) -> dict[str, dg.TableSchema]:
    """Return the fields of what is read; what is only waited for has none."""
    if not isinstance(source, Source):
        return {}
    columns = [dg.TableColumn(field.name, field.type, field.description) for field in source.fields]
    return {"dagster/column_schema": dg.TableSchema(columns)}


@dataclass(frozen=True)
class Refusals:
    """How often a day was asked for and not ready when its run began.

    Args:
        times: How often.
        last: The event that says so of the last time.
        at: When that was, in seconds since 1970.
    """

    times: int
    last: int
    at: float

    @property
    def until(self) -> float:
        """Until when its sources are not asked again, in seconds since 1970."""
        more = self.times - FREE_REFUSALS
        return self.at + min(PATIENCE_SECONDS * 2**more, MOST_PATIENCE_SECONDS) if more >= 0 else 0.0


@dataclass
class SeenComplete:
    """Which days of sources Dagster's record has as complete.

    Args:
        instance: Dagster's record.
        tables: The tables whose sources are meant.
        known: What an earlier look found, by asset, with the mark that it is true for; kept by the caller.
        refusals: The refused days that earlier looks found, by table, with the last event that they saw; kept likewise.
    """

    instance: dg.DagsterInstance
    tables: Sequence[Reads]
    known: dict[dg.AssetKey, tuple[str, dict[Day, str | None]]] = field(default_factory=dict)
    refusals: dict[dg.AssetKey, tuple[int, dict[Day, Refusals]]] = field(default_factory=dict)
    _read: set[dg.AssetKey] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Ask once for the last event of each source."""
        keys = [source_key(made.table, name) for made in self.tables for name in awaited_by(made)]
        records = self.instance.get_asset_records(keys) if keys else []
        self._marks = {
            record.asset_entry.asset_key: str(record.asset_entry.last_materialization_storage_id) for record in records
        }

    def mark(self, made: Reads, name: str) -> str:
        """Return what changes whenever more is known of an input."""
        return self._marks.get(source_key(made.table, name), "")

    def complete(self, made: Reads, name: str) -> Mapping[Day, str | None]:
        """Return the days of an input that are complete, each with its version where that is known.

        What was seen before a run found the day not ready is not known any more: the source is asked anew.
        """
        key, mark = source_key(made.table, name), self.mark(made, name)
        if not mark:
            return {}
        refused = {day: of_day.last for day, of_day in self._refusals(made).items()}
        mark = f"{mark} {max(refused.values(), default='')}"
        if key not in self.known or self.known[key][0] != mark:
            seen = dict(self._days(key, daily=made.table.partition is not None))
            since = self._seen_at(key, refused)
            self.known[key] = mark, {day: seen[day] for day in seen if since.get(day, 0) >= refused.get(day, 0)}
        return self.known[key][1]

    def refused(self, made: Reads) -> Mapping[Day, int]:
        """Return the days that were asked for and not ready when their run began, each with the event that says so."""
        return {day: of_day.last for day, of_day in self._refusals(made).items()}

    def left_alone(self, made: Reads) -> set[Day]:
        """Return the days that were refused so often that their sources are not asked again for a while.

        A source may be complete for the sensor and not for the run, for ever: a folder that one machine alone has.
        """
        return {day for day, of_day in self._refusals(made).items() if time.time() < of_day.until}

    def _refusals(self, made: Reads) -> Mapping[Day, Refusals]:
        key = asset_key(made.table)
        last, found = self.refusals.get(key, (0, {}))
        while key not in self._read:
            wanted = dg.AssetRecordsFilter(key, after_storage_id=last)
            records = self.instance.fetch_observations(wanted, limit=EVENTS_READ, ascending=True).records
            for record in records:
                told = record.asset_observation
                if told is not None and told.tags.get(OUTCOME_TAG) == NOT_READY:
                    day = key_day(told.partition) if told.partition else None
                    times = found[day].times if day in found else 0
                    found[day] = Refusals(times + 1, record.storage_id, record.timestamp)
            if records:
                last = records[-1].storage_id
            self.refusals[key] = last, found
            if len(records) < EVENTS_READ:
                self._read.add(key)
        return found

    def _seen_at(self, key: dg.AssetKey, days: Collection[Day]) -> Mapping[Day, int]:
        """Return the last event that says of each of some days that it is complete."""
        if None in days:
            return {None: int(self._marks[key])}
        if not days:
            return {}
        event = dg.DagsterEventType.ASSET_MATERIALIZATION
        found = self.instance.event_log_storage.get_latest_storage_id_by_partition(key, event, set(map(day_key, days)))
        return {key_day(partition): at for partition, at in found.items()}

    def _days(self, key: dg.AssetKey, *, daily: bool) -> Iterator[tuple[Day, str | None]]:
        if daily:
            event = dg.DagsterEventType.ASSET_MATERIALIZATION
            found = self.instance.event_log_storage.get_latest_tags_by_partition(key, event, [DATA_VERSION_TAG])
            for partition, tags in found.items():
                yield key_day(partition), _version(tags)
            return
        latest = self.instance.get_latest_materialization_event(key)
        if latest is not None and latest.asset_materialization is not None:
            yield None, _version(latest.asset_materialization.tags or {})


def _version(tags: Mapping[str, str]) -> str | None:
    version = tags.get(DATA_VERSION_TAG)
    return None if version == UNKNOWN else version


@dataclass(frozen=True)
class Seen:
    """What asking a source came to.

    Args:
        events: The days that are complete, or changed, since it was last asked.
        lacks: Why other days are not complete, a line each.
    """

    events: tuple[dg.AssetMaterialization, ...]
    lacks: tuple[str, ...]


def ask_source(look: Look, made: Reads, name: str, source: Awaited) -> Seen:
    """Ask a source which of the days that its table wants are complete, and whether the latest ones changed.

    Days that the table has published were complete, and are not asked for, unless a run has found since that they are
    not.

    Args:
        look: The lake as it is now, and what is known of sources.
        made: The table.
        name: The input.
        source: The source.
    """
    key, known = source_key(made.table, name), look.outside.complete(made, name)
    days = look.days(made)
    published = look.published(made)
    not_ready = look.outside.refused(made)
    done = [day for day in days if day in published and day not in known and day not in not_ready]
    alone = look.outside.left_alone(made)
    unseen = [d for d in days if d not in known and d not in alone and (d not in published or d in not_ready)]
    told = sorted((day for day, version in known.items() if version is not None), key=str)
    again = [day for day in told if day is None or (made.table.has_day(day) and made.table.gap(day) is None)]
    events = [_event(key, day, None, f"{made.table.name} has it") for day in done]
    lacks: dict[str, None] = {}
    answers, refused = _answers(source, made, sorted({*unseen[-ASKED_AT_ONCE:], *again[-LOOKED_AGAIN:]}, key=str))
    for reason, failed in refused.items():
        about = days_text([day for day in failed if day is not None])
        lacks[f"{source.name} cannot be asked{about and f' about {about}'}: {reason}"] = None
    for day, found in answers.items():
        if not found.complete:
            if day in unseen:
                lacks[found.reason] = None
        elif day not in known or (found.version is not None and found.version != known[day]):
            events.append(_event(key, day, found.version, found.reason))
    return Seen(tuple(events), tuple(lacks))


def _answers(source: Awaited, made: Reads, days: Sequence[Day]) -> tuple[dict[Day, Completeness], dict[str, list[Day]]]:
    """Ask a source about days; one that has no days says the same of all.

    Where it breaks over a stretch of days, each half is asked about, until it is known which days it breaks over.

    Returns:
        What it says of days, and of which it says nothing, by the reason.
    """
    listed: list[date] = [day for day in days if day is not None]
    asked: deque[Window | None] = deque(Window.of(a, b, made.table.timezone) for a, b in reversed(runs_of_days(listed)))
    if days and not listed:
        asked.append(None)
    answers: dict[Day, Completeness] = {}
    refused: dict[str, list[Day]] = {}
    failures, until = 0, time.monotonic() + FAILING_SECONDS
    while asked:
        window = asked.popleft()
        of_window: Sequence[Day] = (None,) if window is None else window.days
        try:
            found = source.complete(window)
            answers |= {day: found[day] if day in found else found[None] for day in of_window if day in days}
        except Exception as error:  # noqa: BLE001 - whatever it breaks with, the other days must be asked about
            failures += 1
            if window is not None and len(of_window) > 1 and failures < FAILURES and time.monotonic() < until:
                middle = window.days[len(of_window) // 2]
                asked += [replace(window, first=middle), replace(window, until=middle)]
                continue
            reason = error.what if isinstance(error, LakeproofError) else f"{type(error).__name__}: {error}"
            refused.setdefault(reason, []).extend(of_window)
    return answers, refused


def _event(key: dg.AssetKey, day: Day, version: str | None, reason: str) -> dg.AssetMaterialization:
    partition = None if day is None else day_key(day)
    return dg.AssetMaterialization(
        key, description=reason, partition=partition, tags={DATA_VERSION_TAG: version or UNKNOWN}
    )
