"""A JSON API as a source: read day by day and page by page, exactly as declared or not at all."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakeproof.engine.cast import arrow_schema
from lakeproof.errors import ContractError, LakeproofError, SourceError, did_you_mean
from lakeproof.source.base import check_base, opened_base, shown_base
from lakeproof.source.client import (
    BRIEF_ATTEMPTS,
    BRIEF_SECONDS,
    HEADERS,
    Answer,
    Client,
    Retry,
    StatusError,
    linked,
    origin_of,
)
from lakeproof.source.days import ListedDay
from lakeproof.source.pages import DriftError, Page, Shape
from lakeproof.source.pagination import OnePage, Pagination, Received
from lakeproof.source.probe import PROBED_ITEMS, probe
from lakeproof.source.protocol import Completeness, Delivery, Precheck
from lakeproof.source.template import check_template, fill, has_day
from lakeproof.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from requests.auth import AuthBase

    from lakeproof.parts import Column
    from lakeproof.source.days import DayIndex
    from lakeproof.source.protocol import Day
    from lakeproof.source.rate import Rate


@dataclass(frozen=True)
class HttpSource:
    """A JSON API.

    It is read a day at a time, and the pages of a day one after another. A page that fails is asked for again, and no
    other is. What does not come exactly as declared is refused, with the item, the field and the value; a member of an
    item that the contract does not have is left out.

    Args:
        path: Below the base; `{ds}` and its like are filled in, here and in `params`. Without them the source has no
            days.
        fields: The columns to read, as delivered.
        base: Scheme, host and port, and what stands before every path.
        base_env: Or the environment variable that holds it, read when the source is asked.
        params: Of the query.
        items: Where the items stand in an answer, such as `data` or `result.items`; empty when it is the list itself.
        names: Where a field stands in an item, by column, where that is not its name: `camelCase`, `location.lat`.
        omits_null: Whether the source leaves out a member that is null. By default a member that is absent is a fault.
        total: Where an answer says how many rows the day has. The rows that come must be as many.
        pagination: How pages follow each other.
        days: The call that lists days, if there is one.
        auth: The credential: `bearer`, `api_key`, or another of the library `requests`.
        headers: Sent with each request; not for credentials.
        rate: How many requests the source takes, from all runs of this machine together.
        retry: How often a request is tried again; a small call, such as a pre-check, three times at most.
        timeout: Seconds that one attempt may take; of a small call 20 at most.
        most_bytes: The largest page, unpacked.
        most_pages: The most pages of a day.
    """

    path: str
    fields: Sequence[Column]
    base: str | None = None
    base_env: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    items: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    omits_null: bool = False
    total: str | None = None
    pagination: Pagination = field(default_factory=OnePage)
    days: DayIndex | None = None
    auth: AuthBase | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    rate: Rate | None = None
    retry: Retry = field(default_factory=Retry)
    timeout: float = 60
    most_bytes: int = 64 * 2**20
    most_pages: int = 10_000

    def __post_init__(self) -> None:
        """Refuse what can only be a slip."""
        where = f"HttpSource {self.path}"
        check_base(where, self.base, self.base_env)
        if "?" in self.path:
            msg = f"{where} has a query."
            raise ContractError(msg, next_step="give it as params=, and a key as auth=")
        for text in (self.path, *self.params.values()):
            check_template(where, text)
        columns = [column.name for column in self.fields]
        for name in self.names:
            if name not in columns:
                msg = f"{where}: names= has {name!r}, which is no field. {did_you_mean(name, columns)}"
                raise ContractError(msg)
        self._check_paths(where)

    @property
    def name(self) -> str:
        """Base and path, without a query."""
        return f"{shown_base(self.base, self.base_env)}{self.path}"

    def read(self, window: Window | None) -> Delivery:
        """Read the days of a window, one after another."""
        told: dict[str, Any] = {}

        def batches() -> Iterator[pa.RecordBatch]:
            with self._client() as client:
                for day in self._days(window):
                    yield from self._read_day(client, day, told)

        return Delivery(pa.RecordBatchReader.from_batches(arrow_schema(self.fields), batches()), told)

    def precheck(self, window: Window | None) -> Precheck:
        """Look at the first items of the window's last day."""
        day = self._days(window)[-1]
        where = f"{self._at(day)}, pre-check"
        with self._client(brief=True) as client:
            try:
                raw = client.get(
                    self._url(day),
                    self._params(day) | self.pagination.first(PROBED_ITEMS),
                    where,
                    lambda answer: self._shape.open(answer, where)[0],
                )
                return probe(self._shape, raw, where)
            except DriftError as error:
                return Precheck(faults=(error.what,))

    def complete(self, window: Window | None) -> dict[Day, Completeness]:
        """Ask the list of days; without one, whether there is any row of each day."""
        days = [_day_of(day) for day in self._days(window)]
        try:
            with self._client(brief=True) as client:
                listed = self._listed(client, window)
        except LakeproofError as error:
            return dict.fromkeys(days, Completeness.refused(error))
        return {day: self._judge(day, listed.get(day)) for day in days}

    def count(self, window: Window | None) -> dict[Day, int] | None:
        """Return how many rows each day has, where the source says so."""
        if self.total is None and (self.days is None or self.days.rows is None):
            return None
        with self._client(brief=True) as client:
            listed = self._listed(client, window)
        found = {_day_of(day): listed.get(_day_of(day)) for day in self._days(window)}
        return {day: (one.rows or 0) if one else 0 for day, one in found.items()}

    def version(self, window: Window | None) -> dict[str, str]:
        """Return what the list of days says of each day's state, else the ETags of the days where it sends them.

        As patient as the reading of pages: it is asked when all of them are read, which it would be a pity to lose.
        """
        tags: dict[str, str] = {}
        with self._client() as client:
            if self.days is not None and self.days.version is not None:
                return {str(day): one.version for day, one in self._listed(client, window).items() if one.version}
            for day in self._days(window):
                params = self._params(day) | self.pagination.first()
                try:
                    tag = client.get(self._url(day), params, self._at(day), _etag, method="HEAD")
                except StatusError:
                    tag = None
                if tag is None:
                    break
                tags[str(_day_of(day))] = tag
        return tags

    def _read_day(self, client: Client, day: Window | None, told: dict[str, Any]) -> Iterator[pa.RecordBatch]:
        url, params = self._url(day), self._params(day) | self.pagination.first()
        seen: dict[int, int] = {}
        summary: Counter[str] = Counter()
        digest = hashlib.sha256()
        total: int | None = None
        tag: str | None = None
        while True:
            number = summary["pages"] + 1
            where = f"{self._at(day)}, page {number}"
            page = client.get(url, params, where, lambda answer, at=where: self._shape.read(answer, at))  # type: ignore[misc]
            self._refuse_repeated(page, seen, number, where)
            total = self._same_total(page, total, where)
            tag = tag or page.answer.headers.get("ETag")
            rows = page.batch.num_rows
            summary.update(pages=1, rows=rows, bytes=len(page.answer.body), retries=page.answer.attempts - 1)
            digest.update(page.answer.body)
            yield page.batch
            received = Received(rows, summary["rows"], number, page.beside, page.answer.headers, total)
            step = self.pagination.after(received)
            if step is None:
                break
            if number >= self.most_pages:
                msg = f"{self._at(day)}: it has more than {self.most_pages:,} pages."
                raise SourceError(msg, next_step="raise most_pages, if the day is that large")
            url, params = (linked(url, step), {}) if isinstance(step, str) else (url, params | step)
        if total is not None and summary["rows"] != total:
            msg = f"{self._at(day)}: it says that it has {total:,} rows, and delivered {summary['rows']:,}."
            raise SourceError(msg, next_step="run it again; if it stays so, talk to the source's owner")
        told[str(_day_of(day) or "all")] = {
            **{name: summary[name] for name in ("pages", "rows", "bytes", "retries")},
            "sha256": digest.hexdigest(),
            **({"etag": tag} if tag else {}),
        }

    def _refuse_repeated(self, page: Page, seen: dict[int, int], number: int, where: str) -> None:
        if page.batch.num_rows and (earlier := seen.setdefault(page.digest, number)) != number:
            msg = f"{where}: it is page {earlier} again, item by item."
            raise SourceError(msg, next_step="talk to the source's owner: its pages do not follow each other")

    def _same_total(self, page: Page, total: int | None, where: str) -> int | None:
        if self.total is None:
            return None
        now: int = page.beside[self.total]
        if total is not None and now != total:
            msg = f"{where}: the day had {total:,} rows, and now has {now:,}: it changed while it was read."
            raise SourceError(msg, next_step="run it again when the source has all of the day")
        return now

    def _judge(self, day: Day, listed: ListedDay | None) -> Completeness:
        if listed is None:
            return Completeness(complete=False, reason=f"{self.name} does not list {day or 'it'}")
        rows = "some rows" if listed.rows is None else f"{listed.rows:,} rows"
        if not listed.complete or listed.rows == 0:
            return Completeness(complete=False, reason=f"{self.name} has {rows} of {day or 'it'}, not all of it")
        return Completeness(complete=True, reason=f"{self.name} has {rows} of {day or 'it'}", version=listed.version)

    def _listed(self, client: Client, window: Window | None) -> dict[Day, ListedDay]:
        """Ask for all days at once, or for a first item of each."""
        if self.days is not None and window is not None:
            where = f"{self.name}, list of days {window}"
            index = self.days
            url = self._base() + index.path
            return dict(client.get(url, index.asked(window), where, lambda answer: index.read(answer, where)).items())
        return {_day_of(day): self._ask_day(client, day) for day in self._days(window)}

    def _ask_day(self, client: Client, day: Window | None) -> ListedDay:
        where = self._at(day)
        params = self._params(day) | self.pagination.first(1)

        def accept(answer: Answer) -> ListedDay:
            raw, beside = self._shape.open(answer, where)
            rows = None if self.total is None else beside[self.total]
            return ListedDay(bool(rows) if rows is not None else bytes(raw).strip(b" []\r\n\t") != b"", rows)

        return client.get(self._url(day), params, where, accept)

    def _check_paths(self, where: str) -> None:
        if self._shape.beside and not self.items:
            msg = f"{where}: the answer is a list (items= is empty), so nothing can stand beside it."
            raise ContractError(msg, next_step="say where the items stand: items=")
        for paths in ([*self._paths.values()], [self.items, *self._shape.beside]):
            if clash := [path for path in paths if paths.count(path) > 1 or _within(path, paths)]:
                msg = f"{where}: {clash[0]} is read as a value, and as something else."
                raise ContractError(msg, next_step="give each its own path")

    def _days(self, window: Window | None) -> list[Window | None]:
        if not any(has_day(text) for text in (self.path, *self.params.values())):
            return [None]
        if window is None:
            msg = f"{self.name} is read by day, and was asked for no day."
            raise SourceError(msg, next_step="read it into a table that has days")
        return [Window.of(day, timezone=window.timezone) for day in window.days]

    def _client(self, *, brief: bool = False) -> Client:
        attempts = min(self.retry.attempts, BRIEF_ATTEMPTS) if brief else self.retry.attempts
        return Client(
            origin=origin_of(self._base()),
            auth=self.auth,
            headers={**HEADERS, **self.headers},
            rate=self.rate,
            retry=replace(self.retry, attempts=attempts),
            timeout=min(self.timeout, BRIEF_SECONDS) if brief else self.timeout,
            most_bytes=self.most_bytes,
        )

    def _base(self) -> str:
        return opened_base(self.name, self.base, self.base_env)

    def _url(self, day: Window | None) -> str:
        return self._base() + fill(self.path, day)

    def _params(self, day: Window | None) -> dict[str, str]:
        return {name: fill(text, day) for name, text in self.params.items()}

    def _at(self, day: Window | None) -> str:
        return f"{self.name} {_day_of(day) or ''}".rstrip()

    @cached_property
    def _paths(self) -> dict[str, str]:
        return {column.name: self.names.get(column.name, column.name) for column in self.fields}

    @cached_property
    def _shape(self) -> Shape:
        beside = dict(self.pagination.beside) | ({self.total: int} if self.total else {})
        return Shape(self.fields, self._paths, self.items, beside, self.omits_null)


def _day_of(day: Window | None) -> Day:
    return None if day is None else day.day


def _etag(answer: Answer) -> str | None:
    return answer.headers.get("ETag")


def _within(path: str, paths: Sequence[str]) -> bool:
    return any(path.startswith(f"{other}.") for other in paths)
