"""What many tables have in common, said once: from when, how often, how many at once, tried again how, and whose."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from lakeproof.errors import ContractError, UsageError
from lakeproof.names import take_name
from lakeproof.parts import NAME, check_timezone
from lakeproof.window import as_day

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""Cron's names for schedules, as crontab(5) has them."""

BACKOFFS = (None, "linear", "exponential")
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Pipeline:
    """What many tables have in common. A table that names it says only what differs.

    Args:
        name: Lower-case letters, digits and underscores; the name of the pool that its runs share, so that no two
            pipelines have one.
        start: The first day of tables that say none themselves.
        end: The day after the last one of such tables; None when there is none yet.
        timezone: The zone of the schedule, and of the days of tables that say none themselves.
        schedule: When days that are over are asked for, as cron or one of its names such as `@daily`; None: as soon as
            they are ready.
        catchup: Whether all missing days are asked for; else only the latest one.
        max_active_runs: How many runs of its tables may be at work at once.
        retries: How often a run that failed with an error is tried again. A refusal is not: nothing would differ.
        retry_delay: How long to wait before that; a timedelta, or seconds.
        retry_backoff: How the wait grows from one try to the next: not at all (None), `linear` or `exponential`.
        owner: Who owns tables that say no owner themselves: an address, or `team:name`.
        tags: Dagster tags of its tables.
        search_path: Folders in which the SQL files of its tables are looked for, after those that a table names.
        depends_on_past: Whether a day runs only when the day before it is published.

    Raises:
        ContractError: Anything above is wrong.
    """

    name: str
    start: str | date | None = field(kw_only=True, default=None)
    end: str | date | None = field(kw_only=True, default=None)
    timezone: str = field(kw_only=True, default="UTC")
    schedule: str | None = field(kw_only=True, default=None)
    catchup: bool = field(kw_only=True, default=True)
    max_active_runs: int = field(kw_only=True, default=3)
    retries: int = field(kw_only=True, default=0)
    retry_delay: timedelta | float = field(kw_only=True, default=timedelta(minutes=5))
    retry_backoff: str | None = field(kw_only=True, default=None)
    owner: str | None = field(kw_only=True, default=None)
    tags: Mapping[str, str] = field(kw_only=True, default_factory=dict)
    search_path: Sequence[str | Path] = field(kw_only=True, default=())
    depends_on_past: bool = field(kw_only=True, default=False)

    def __post_init__(self) -> None:
        """Check all of it."""
        if not NAME.fullmatch(self.name):
            self._refuse("the name must be lower-case letters, digits and underscores")
        check_timezone(f"Pipeline {self.name}", self.timezone)
        try:
            days = [None if day is None else as_day(day) for day in (self.start, self.end)]
        except UsageError as error:
            self._refuse(error.what.rstrip("."), error.next_step)
        first, until = days
        if first is not None and until is not None and until <= first:
            self._refuse(f"it ends ({until}) before it starts ({first})")
        if self.max_active_runs < 1:
            self._refuse(f"max_active_runs={self.max_active_runs} lets nothing run")
        if self.retries < 0 or self.delay < timedelta():
            self._refuse("retries and retry_delay are nothing or more")
        if self.retry_backoff not in BACKOFFS:
            self._refuse(f"retry_backoff={self.retry_backoff!r} is neither None, 'linear' nor 'exponential'")
        if self.schedule is not None:
            self._check_schedule()
        take_name(self.name, self, "pipelines")

    def _check_schedule(self) -> None:
        """Refuse a schedule that is none, or that no calendar ever reaches."""
        from cronsim import CronSim, CronSimError  # noqa: PLC0415 - only who has a schedule needs it

        try:
            next(CronSim(self._cron, datetime(2000, 1, 1, tzinfo=UTC)))
        except CronSimError as error:
            remedy = f"write cron, or one of {', '.join(ALIASES)}"
            self._refuse(f"schedule {self.schedule!r} is no cron: {error}", remedy)
        except StopIteration:
            self._refuse(f"schedule {self.schedule!r} never fires", "name a date that exists")

    def _refuse(self, why: str, remedy: str | None = None) -> None:
        msg = f"Pipeline {self.name}: {why}."
        raise ContractError(msg, next_step=remedy)

    @property
    def delay(self) -> timedelta:
        """How long to wait before a failed run is tried again."""
        return self.retry_delay if isinstance(self.retry_delay, timedelta) else timedelta(seconds=self.retry_delay)

    @property
    def _cron(self) -> str:
        return ALIASES.get(self.schedule or "", self.schedule or "")

    def asked_until(self, now: datetime, timezone: str) -> date:
        """Return the day before which days are asked for: those that were over when the schedule last fired.

        Args:
            now: The instant, with its zone.
            timezone: The zone in which the table's days end.
        """
        fired = self.fired(now)
        return (now if fired is None else fired).astimezone(ZoneInfo(timezone)).date()

    def fired(self, now: datetime) -> datetime | None:
        """Return the instant at which the schedule last fired; None without one.

        Args:
            now: The instant, with its zone.
        """
        if self.schedule is None:
            return None
        from cronsim import CronSim  # noqa: PLC0415 - only who has a schedule needs it

        # Walked backwards it gives what lies before; a schedule fires on the minute, and now may be on it.
        before = (now.astimezone(UTC).replace(second=0, microsecond=0) + MINUTE).astimezone(ZoneInfo(self.timezone))
        fired: datetime = next(CronSim(self._cron, before, reverse=True))
        # Where the clocks go back it then skips the first of two equal times, which is the one that fires.
        skipped: datetime = next(CronSim(self._cron, fired))
        return (skipped if skipped.astimezone(UTC) <= now else fired).astimezone(UTC)
