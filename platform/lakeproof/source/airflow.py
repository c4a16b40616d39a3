"""A DAG run of Airflow, or a task of it, as something that a table waits for: there once it succeeded for the day."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec
from requests.auth import AuthBase

from lakeproof.errors import ContractError, LakeproofError, SourceError
from lakeproof.parts import check_timezone
from lakeproof.source.auth import secret_of
from lakeproof.source.base import check_base, opened_base, shown_base
from lakeproof.source.client import BRIEF_ATTEMPTS, BRIEF_SECONDS, HEADERS, Answer, Client, Retry, origin_of
from lakeproof.source.protocol import Completeness
from lakeproof.window import ONE_DAY, Window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from requests import PreparedRequest

    from lakeproof.source.protocol import Day

PAGE = 100
"""The most items that Airflow gives at once, unless its `maximum_page_limit` says less."""

MOST_BYTES = 64 * 2**20

SUCCESS = "success"
STATES = {
    None: "was not scheduled yet",
    "scheduled": "is scheduled",
    "queued": "is queued",
    "running": "is running",
    "deferred": "is deferred",
    "restarting": "is restarting",
    "up_for_retry": "failed, and will be tried again",
    "up_for_reschedule": "waits to look again",
    "awaiting_input": "waits for a person",
    "failed": "failed",
    "upstream_failed": "did not run, because what it waits for failed",
    "skipped": "was skipped",
    "removed": "was removed from its DAG",
}
"""What is told of a state that is no success. None of them is complete."""

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
T = TypeVar("T")


class _Run(msgspec.Struct):
    """A DAG run, as far as it matters here. One that was triggered without a logical date has none."""

    dag_run_id: str
    logical_date: Instant | None
    run_after: Instant
    state: str
    end_date: Instant | None

    @property
    def key(self) -> object:
        """What tells it from any other in a list."""
        return self.dag_run_id


class _Task(msgspec.Struct):
    """A task of a DAG run; a mapped one is there once for each index."""

    dag_run_id: str
    map_index: int
    state: str | None
    end_date: Instant | None

    @property
    def key(self) -> object:
        """What tells it from any other in a list."""
        return self.dag_run_id, self.map_index


E = TypeVar("E", _Run, _Task)


class _Listed(Protocol[E]):
    """A page of a list."""

    total_entries: int
    entries: list[E]


class _Runs(msgspec.Struct):
    total_entries: int
    entries: list[_Run] = msgspec.field(name="dag_runs")


class _Tasks(msgspec.Struct):
    total_entries: int
    entries: list[_Task] = msgspec.field(name="task_instances")


class _Token(msgspec.Struct):
    access_token: str


@dataclass(frozen=True)
class AirflowLogin:
    """A user of Airflow; build it with `airflow_login`.

    Args:
        user_env: The environment variable that holds the name.
        password_env: The environment variable that holds the password.
    """

    user_env: str
    password_env: str


def airflow_login(*, user_env: str, password_env: str) -> AirflowLogin:
    """Log in to Airflow with a name and a password, for a token that is used once and kept nowhere.

    Args:
        user_env: The environment variable that holds the name.
        password_env: The environment variable that holds the password.
    """
    return AirflowLogin(user_env, password_env)


@dataclass(frozen=True)
class AirflowTask:
    """A DAG run of Airflow 3, or one task of it.

    A day is there when the run of its logical date succeeded, or the task in it; every one of a mapped task. All other
    states are not, also those that a later Airflow may have. Runs count whether the scheduler, a backfill or a person
    started them; a run without a logical date is no day's.

    Args:
        dag_id: The DAG.
        task_id: The task; None for the run as a whole.
        base: Scheme, host and port of the API server, and what stands before its paths.
        base_env: Or the environment variable that holds it, read when Airflow is asked.
        auth: The credential: `airflow_login`, or `bearer` with a token.
        at: The time of day of the logical date.
        timezone: The zone of that time; by default that of the table's days.
        days_after: How many days the logical date lies after the table's day: 0 where a DAG has data intervals, 1 where
            its logical date is the moment at which it runs, as with cron in Airflow 3. When it is not said, it is 0,
            and a run that could start before the day began is refused.
        retry: How often a request is tried again; three times at most.
        timeout: Seconds that one attempt may take; 20 at most.
    """

    dag_id: str
    task_id: str | None = None
    base: str | None = None
    base_env: str | None = None
    auth: AuthBase | AirflowLogin | None = field(default=None, repr=False)
    at: str = "00:00"
    timezone: str | None = None
    days_after: int | None = None
    retry: Retry = field(default_factory=Retry)
    timeout: float = BRIEF_SECONDS

    def __post_init__(self) -> None:
        """Refuse what can only be a slip."""
        where = f"AirflowTask {self._path}"
        if not self.dag_id or self.task_id == "":
            msg = f"{where} has an empty dag_id or task_id."
            raise ContractError(msg, next_step="name the DAG; leave task_id out to wait for its whole run")
        check_base(where, self.base, self.base_env)
        if self.timezone is not None:
            check_timezone(where, self.timezone)
        try:
            naive = time.fromisoformat(self.at).tzinfo is None
        except ValueError:
            naive = False
        if not naive:
            msg = f"{where}: at={self.at!r} is no time of day."
            raise ContractError(msg, next_step='give it as "06:30", and its zone as timezone=')

    @property
    def name(self) -> str:
        """Where Airflow shows it, and of which logical date it is where that is not the day's midnight."""
        after = f" {self.days_after} days after" if self.days_after else ""
        at = f" at {self.at}" if self.at != "00:00" else ""
        return f"{shown_base(self.base, self.base_env)}{self._path}{at}{after}"

    def complete(self, window: Window | None) -> Mapping[Day, Completeness]:
        """Ask for the runs of a window's logical dates."""
        assert window is not None  # noqa: S101 - a table without days is refused where it is declared
        dates = {day: self._logical_date(day, window.timezone) for day in window.days}
        try:
            runs, tasks = self._asked(min(dates.values()), max(dates.values()))
        except LakeproofError as error:
            return dict.fromkeys(dates, Completeness.refused(error))
        return {
            day: self._judge(runs.get(at, []), tasks, Window.of(day, timezone=window.timezone))
            for day, at in dates.items()
        }

    def _logical_date(self, day: date, timezone: str) -> datetime:
        """Return the logical date of the run of a day."""
        on = day + (self.days_after or 0) * ONE_DAY
        local = datetime.combine(on, time.fromisoformat(self.at), ZoneInfo(self.timezone or timezone))
        return local.astimezone(UTC)

    def _asked(self, first: datetime, last: datetime) -> tuple[_RunsOf, _TasksOf]:
        """Ask for the runs of some logical dates, each under its date, and their tasks, each under its run."""
        base = opened_base(self.name, self.base, self.base_env)
        auth = self._log_in(base, self.auth) if isinstance(self.auth, AirflowLogin) else self.auth
        dates = {"logical_date_gte": first.isoformat(), "logical_date_lte": last.isoformat()}
        url = f"{base}/api/v2/dags/{quote(self.dag_id, safe='')}/dagRuns"
        runs: _RunsOf = defaultdict(list)
        tasks: _TasksOf = defaultdict(list)
        with self._client(base, auth) as client:
            for run in self._entries(client, url, dates, _Runs):
                if run.logical_date is not None:
                    runs[run.logical_date.astimezone(UTC)].append(run)
            if self.task_id is not None and runs:
                for task in self._entries(client, f"{url}/~/taskInstances", dates | {"task_id": self.task_id}, _Tasks):
                    tasks[task.dag_run_id].append(task)
        return runs, tasks

    def _entries(self, client: Client, url: str, params: Mapping[str, str], kind: type[_Listed[E]]) -> list[E]:
        """Return what Airflow lists, from all pages."""
        found: dict[object, E] = {}
        page, at = None, 0
        while page is None or (page.entries and at < page.total_entries):
            asked = {**params, "order_by": "id", "limit": str(PAGE), "offset": str(at)}
            page = client.get(url, asked, self.name, lambda answer: self._decoded(answer, kind))
            at += len(page.entries)
            found |= {entry.key: entry for entry in page.entries}
        if len(found) != page.total_entries:
            # What runs again goes to the end of the list, and another entry is passed over: perhaps one that failed.
            msg = f"{self.name}: its list of {page.total_entries:,} entries changed while it was read."
            raise SourceError(msg, next_step="ask again")
        return list(found.values())

    def _decoded(self, answer: Answer, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            msg = f"{self.name}: its answer is not one of Airflow's API: {error}."
            raise SourceError(msg, next_step="see that base= is Airflow's API server, and its version 3") from None

    def _judge(self, runs: Sequence[_Run], tasks: _TasksOf, window: Window) -> Completeness:
        """Say whether a day is there, by the runs of its logical date."""
        if not runs:
            zone, after = self.timezone or window.timezone, self.days_after or 0
            day = f"{after:+} days from it" if after else "the day"
            why = f"has no run whose logical date is {day} at {self.at} {zone}"
            return Completeness(complete=False, reason=f"{self.name} {why}")
        if self.days_after is None and any(run.run_after <= window.start for run in runs):
            why = "its run of that logical date could start before the day began; is it about the day before?"
            return Completeness(complete=False, reason=f"{self.name}: {why} Say days_after=1 if so, else days_after=0")
        asked: Sequence[_Run | _Task] = runs
        if self.task_id is not None:
            asked = [task for run in runs for task in tasks[run.dag_run_id]]
        if not asked:
            return Completeness(complete=False, reason=f"{self.name}: the day's run has no such task")
        missed = Counter(one.state for one in asked if one.state != SUCCESS)
        if missed:
            state, count = missed.most_common(1)[0]
            told = STATES.get(state, f"is in state {state!r}, which is not known here and so not taken for done")
            of = f" ({count} of {len(asked)} mapped tasks)" if len(asked) > 1 else ""
            return Completeness(complete=False, reason=f"{self.name} {told}{of}")
        ended = max((one.end_date.astimezone(UTC).isoformat() for one in asked if one.end_date), default="unknown")
        version = f"{', '.join(run.dag_run_id for run in runs)}, ended {ended}"
        return Completeness(complete=True, reason=f"{self.name} succeeded", version=version)

    def _log_in(self, base: str, login: AirflowLogin) -> AuthBase:
        """Return a token in exchange for a name and a password, as one asks that may be kept waiting."""
        where = f"{self.name}, login of ${login.user_env}"
        body = {"username": secret_of(login.user_env), "password": secret_of(login.password_env)}
        with self._client(base, None, repeats=False) as client:
            token = client.get(
                f"{base}/auth/token", {}, where, lambda answer: self._decoded(answer, _Token), method="POST", sent=body
            )
        return _Bearer(token.access_token)

    def _client(self, base: str, auth: AuthBase | None, *, repeats: bool = True) -> Client:
        return Client(
            origin=origin_of(base),
            auth=auth,
            headers=HEADERS,
            rate=None,
            retry=replace(self.retry, attempts=min(self.retry.attempts, BRIEF_ATTEMPTS)),
            timeout=min(self.timeout, BRIEF_SECONDS),
            most_bytes=MOST_BYTES,
            repeats=repeats,
        )

    @property
    def _path(self) -> str:
        return f"/dags/{self.dag_id}" + (f"/tasks/{self.task_id}" if self.task_id else "")


@dataclass(frozen=True)
class _Bearer(AuthBase):
    """A token that Airflow gave."""

    token: str = field(repr=False)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


_RunsOf = dict[datetime, list[_Run]]
_TasksOf = dict[str, list[_Task]]
