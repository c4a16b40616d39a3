"""What a table promises: columns, key, days, audits, deadline, owner and worth, checked when it is declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

from lakeproof.errors import ContractError, UnknownDayError, UsageError, did_you_mean
from lakeproof.layout import FileLayout
from lakeproof.names import take_name
from lakeproof.parts import NAME, Audit, Column, Sla, check_timezone
from lakeproof.value import bound
from lakeproof.window import ONE_DAY, Window, as_day

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lakeproof.metric import Metric
    from lakeproof.pipeline import Pipeline
    from lakeproof.value import Value

WRITES = ("replace", "merge")
ON_REJECT = ("hold", "split")
REJECTED_BY = "rejected_by"
"""The column of a table of rejects that names the audits."""

ABSENT = ("keep", "delete")

InputKind = Literal["day", "last", "previous", "latest"]


@dataclass(frozen=True)
class Input:
    """A table as another table reads it. Build one with the methods of `Table`.

    Args:
        table: The table that is read.
        kind: `day`, the same days; `last`, a trailing window; `previous`, itself the day before; `latest`, all of it.
        days: How many days each day reads, itself included.
    """

    table: Table
    kind: InputKind = "day"
    days: int = 1

    def window(self, window: Window) -> Window | None:
        """Return the days of the input that `window` needs, clipped to where the input's days begin and end.

        None when the input has no days at all there, or no days by nature (`latest`).
        """
        if self.kind == "latest":
            return None
        first, until = window.first - timedelta(days=self.days - 1), window.until
        if self.kind == "previous":
            first, until = first - ONE_DAY, until - ONE_DAY
        first = max(first, self.table.first_day)
        until = min(until, self.table.until_day or until)
        return Window(first, until, self.table.timezone) if first < until else None


@dataclass(frozen=True, eq=False)
class Table:
    """An Iceberg table with a declared contract; one asset.

    Args:
        name: `namespace.table`; the Iceberg identifier and, split at the dot, the asset key.
        columns: The columns, in order.
        layer: The group in the UI: collection, transformation, analysis or value.
        owner: A person's address, or `team:name`; the pipeline's when it is not given.
        audits: Conditions on every day; at least one must be blocking.
        description: One line on what a row is.
        partition: The `date` column that says which day a row belongs to; None for a table replaced as a whole.
        start: The first day; required with `partition`, here or in the pipeline.
        end: The day after the last one; None when there is none yet.
        timezone: The zone in which the table's days begin and end; the pipeline's when it is not given, else UTC.
        key: Columns that identify a row.
        sort: Columns by which the rows of a day are sorted, for readers that filter on them; `"delay desc"` from the
            highest down.
        allow_empty: Whether a day without rows is a good day.
        write: `replace`: the rows that are made replace a day, or an unpartitioned table, as a whole. `merge`, for an
            unpartitioned table with a key: they are inserted, or update the row that has their key.
        on_reject: What becomes of a day of which an audit refuses rows that it can name: `hold` all of it, or `split`:
            publish the good rows, and the others, each with its reasons, as the day of `<name>__rejected`.
        absent: What a merge does with rows whose key is not among the made ones: `keep` or `delete`.
        gaps: Days that will never come, each with its reason. What depends on them runs without them.
        sla: By when a day is promised.
        value: What the table is worth: to one consumer, or a list of such.
        metrics: What is measured of it, each defined once.
        properties: Iceberg table properties.
        tags: Dagster tags.
        pipeline: What it has in common with other tables, for what is not said here.

    Raises:
        ContractError: Anything above is wrong, or another table has this name.
    """

    name: str
    columns: Sequence[Column] = field(kw_only=True)
    layer: str = field(kw_only=True)
    owner: str = field(kw_only=True, default="")
    audits: Sequence[Audit] = field(kw_only=True)
    description: str = field(kw_only=True, default="")
    partition: str | None = field(kw_only=True, default=None)
    start: str | date | None = field(kw_only=True, default=None)
    end: str | date | None = field(kw_only=True, default=None)
    timezone: str = field(kw_only=True, default="")
    key: Sequence[str] = field(kw_only=True, default=())
    sort: Sequence[str] = field(kw_only=True, default=())
    allow_empty: bool = field(kw_only=True, default=False)
    write: Literal["replace", "merge"] = field(kw_only=True, default="replace")
    on_reject: Literal["hold", "split"] = field(kw_only=True, default="hold")
    absent: Literal["keep", "delete"] = field(kw_only=True, default="keep")
    gaps: Mapping[str | date, str] = field(kw_only=True, default_factory=dict)
    sla: Sla | None = field(kw_only=True, default=None)
    value: Value | Sequence[Value] | None = field(kw_only=True, default=None)
    metrics: Sequence[Metric] = field(kw_only=True, default=())
    properties: Mapping[str, str] = field(kw_only=True, default_factory=dict)
    tags: Mapping[str, str] = field(kw_only=True, default_factory=dict)
    pipeline: Pipeline | None = field(kw_only=True, default=None)

    def __post_init__(self) -> None:
        """Check the whole contract, and take the name."""
        try:
            self._normalise()
            self._check()
        except UsageError as error:
            msg = f"{self.name}: {error}"
            raise ContractError(msg) from None
        take_name(self.name, self)

    def _normalise(self) -> None:
        """Store every field in one form."""
        self._set(columns=tuple(self.columns), key=tuple(self.key), sort=tuple(self.sort))
        common = self.pipeline
        self._set(owner=self.owner or (common and common.owner) or "")
        self._set(timezone=self.timezone or (common.timezone if common else "UTC"))
        if common is not None:
            self._set(tags={**common.tags, **self.tags})
            if self.partition is not None:
                self._set(start=self.start or common.start, end=self.end or common.end)
        for edge in ("start", "end"):
            if (given := getattr(self, edge)) is not None:
                self._set(**{edge: as_day(given)})
        gaps: object = self.gaps
        if not isinstance(gaps, Mapping):
            self._refuse("gaps is not a mapping of days to reasons", "write gaps={'2013-12-31': 'why it is not there'}")
        self._set(gaps={as_day(day): reason for day, reason in self.gaps.items()})
        self._set(audits=tuple(audit.bind(self) for audit in self.audits))
        self._set(metrics=tuple(metric.bind(self) for metric in self.metrics))
        self._set(value=bound(self.value, self.name))

    def _check(self) -> None:
        """Refuse what cannot be kept."""
        parts = self.name.split(".")
        if len(parts) != 2 or not all(NAME.fullmatch(part) for part in parts):  # noqa: PLR2004 - namespace and table
            self._refuse("the name must be namespace.table, in lower-case letters, digits and underscores")
        if not self.columns:
            self._refuse("a table needs columns")
        if not self.owner:
            self._refuse("nobody owns it", "give owner='team:name', here or in its pipeline")
        named = {"column": self.column_names}
        named |= {"audit": tuple(a.name for a in self.audits), "metric": tuple(m.name for m in self.metrics)}
        for what, names in named.items():
            if twice := sorted({name for name in names if names.count(name) > 1}):
                self._refuse(f"{what} {', '.join(twice)} is declared twice", "name each once; audits take name=")
        for column in self.key:
            if column not in self.column_names:
                self._refuse(f"key column {column!r} is no column. {did_you_mean(column, self.column_names)}")
        if not any(audit.severity == "blocking" and not audit.needs_history for audit in self.audits):
            self._refuse(
                "no audit that can judge every day is blocking, so bad days could be published",
                "add one, such as audit.not_null(…), audit.unique() or audit.row_count(at_least=…)",
            )
        self._check_names()
        self._check_write()
        check_timezone(self.name, self.timezone)
        self._check_files()
        self._check_days()
        self._check_sla()

    def _check_files(self) -> None:
        """Refuse files that cannot be written so."""
        for text, (column, _) in zip(self.sort, self.sort_columns, strict=True):
            if column not in self.column_names or text not in {column, f"{column} asc", f"{column} desc"}:
                self._refuse(
                    f"sort {text!r} is no column. {did_you_mean(column, self.column_names)}",
                    "write a column, or a column and desc",
                )
        try:
            FileLayout.of(self.properties)
        except ContractError as error:
            self._refuse(error.what.rstrip("."), error.next_step)

    def _check_names(self) -> None:
        """Refuse renamed columns whose old name is not free: which data is whose must never be in doubt."""
        olds = [column.renamed_from for column in self.columns if column.renamed_from is not None]
        for column in self.columns:
            if column.renamed_from is not None and not NAME.fullmatch(column.renamed_from):
                self._refuse(f"column {column.name}: renamed_from={column.renamed_from!r} is no column name")
            if column.name in olds:
                remedy = "give the new column a name that no column ever had"
                self._refuse(f"column {column.name} is declared, and another column is renamed from it", remedy)
            if column.renamed_from is not None and olds.count(column.renamed_from) > 1:
                self._refuse(f"two columns are renamed from {column.renamed_from}", "a column is renamed to one")

    def _check_write(self) -> None:
        """Refuse a way of writing that is not known, or that this table cannot have."""
        if self.on_reject == "split":
            self._check_split()
        for what, value, known in (
            ("write", self.write, WRITES),
            ("absent", self.absent, ABSENT),
            ("on_reject", self.on_reject, ON_REJECT),
        ):
            if value not in known:
                self._refuse(f"{what}={value!r} is not known. {did_you_mean(value, known)}")
        if self.write == "replace":
            if self.absent != "keep":
                remedy = "drop absent, or use write='merge'"
                self._refuse("absent is for write='merge'; what is replaced keeps no row", remedy)
            return
        if self.partition is not None:
            self._refuse("a day is replaced whole, never merged", "use write='replace', or leave out the partition")
        if not self.key:
            self._refuse("a merge needs the key that tells which row is updated", "declare key=[…]")

    def _check_split(self) -> None:
        """Refuse rejects that could not have a table of their own."""
        if self.write == "merge":
            self._refuse("a merge is audited as a whole, so no row of it can be split off", "use on_reject='hold'")
        if REJECTED_BY in self.column_names:
            self._refuse(f"column {REJECTED_BY} is what the table of its rejects is told by", "rename the column")

    def _check_days(self) -> None:
        """Refuse days without a partition column and a partition column without days."""
        if self.partition is None:
            if self.start or self.end or self.gaps or self.sla:
                self._refuse("start, end, gaps and sla are for tables with a partition column", "name it by partition=")
            return
        if self.partition not in self.column_names:
            self._refuse(
                f"partition column {self.partition!r} is no column. {did_you_mean(self.partition, self.column_names)}"
            )
        if self.column(self.partition).type != "date":
            self._refuse(
                f"partition column {self.partition} is {self.column(self.partition).type}, not date",
                "add a date column that says which day a row belongs to",
            )
        if self.start is None:
            self._refuse("a daily table needs the day it starts", "give start='YYYY-MM-DD'")
        if self.until_day is not None and self.until_day <= self.first_day:
            self._refuse(f"it ends ({self.end}) before it starts ({self.start})")
        for day, reason in self.gaps.items():
            if not self.has_day(as_day(day)):
                self._refuse(f"gap {day} is not one of its days")
            if not str(reason or "").strip():
                self._refuse(f"gap {day} has no reason", "say why that day will never come")

    def _check_sla(self) -> None:
        """Refuse a promise that nobody could keep."""
        if self.partition is None or self.sla is None:
            return
        if self.sla.deadline(self.first_day) < Window.of(self.first_day, None, self.timezone).end:
            why = f"a day is due at {self.sla.due} {self.sla.timezone}, before it ends in {self.timezone}"
            self._refuse(f"{why}, so no day could be in time", "give a later due time, or the table's own zone")

    def _refuse(self, why: str, remedy: str | None = None) -> None:
        msg = f"{self.name}: {why}."
        raise ContractError(msg, next_step=remedy)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def with_audits(self, audits: Sequence[Audit]) -> Table:
        """Return the same table, under the same name, with other audits."""
        return self._but(audits=audits)

    def _but(self, **changes: Any) -> Table:
        """Return the same table, under the same name, with some fields changed and all of them checked again."""
        copy = object.__new__(Table)
        copy._set(**{f.name: changes.get(f.name, getattr(self, f.name)) for f in fields(self)})
        copy._normalise()
        copy._check()
        return copy

    # What others ask of a contract.

    @property
    def namespace(self) -> str:
        """The part of the name before the dot."""
        return self.name.split(".")[0]

    @property
    def values(self) -> tuple[Value, ...]:
        """What the table is worth, to each of its consumers; nothing when nobody says."""
        return bound(self.value, self.name)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """Return the column of that name."""
        return next(column for column in self.columns if column.name == name)

    @property
    def sort_columns(self) -> tuple[tuple[str, bool], ...]:
        """The columns that rows are sorted by, each with whether it goes from the highest down."""
        words = (text.split(" ") for text in self.sort)
        return tuple((name, order[:1] == ["desc"]) for name, *order in words)

    @property
    def first_day(self) -> date:
        """The first day of a daily table."""
        return as_day(self.start) if self.start is not None else date.min

    @property
    def until_day(self) -> date | None:
        """The day after the last one, or None when the table goes on."""
        return None if self.end is None else as_day(self.end)

    def has_day(self, day: date) -> bool:
        """Whether `day` lies between the table's start and end."""
        return day >= self.first_day and (self.until_day is None or day < self.until_day)

    @property
    def depends_on_past(self) -> bool:
        """Whether a day runs only when the day before it is published."""
        return self.partition is not None and self.pipeline is not None and self.pipeline.depends_on_past

    def gap(self, day: date) -> str | None:
        """Return why `day` will never come, or None when it will."""
        return self.gaps.get(day)

    def window(self, first: str | date, last: str | date | None = None) -> Window:
        """Return days of this table as a window.

        Raises:
            UnknownDayError: A day before the table's start or after its end.
        """
        window = Window.of(first, last, self.timezone)
        for day in (window.first, window.last):
            if not self.has_day(day):
                edge = f"starts on {self.first_day}" if day < self.first_day else f"ended before {self.until_day}"
                msg = f"{self.name} has no {day}: it {edge}."
                upper = f"{self.until_day - ONE_DAY}" if self.until_day else "yesterday"
                raise UnknownDayError(msg, next_step=f"choose days from {self.first_day} to {upper}")
        return window

    def record(self) -> dict[str, Any]:
        """Return what decides about rows, for the evidence."""
        return {
            "columns": [{"name": c.name, "type": c.type, "digits": c.digits} for c in self.columns],
            "partition": self.partition,
            "timezone": self.timezone,
            "key": list(self.key),
            "allow_empty": self.allow_empty,
            "write": self.write,
            "absent": self.absent,
            "on_reject": self.on_reject,
        }

    # How other tables read it.

    def last(self, *, days: int) -> Input:
        """Read a trailing window: each day sees itself and the `days - 1` days before it, clipped at the start."""
        if days < 1:
            self._refuse(f"last(days={days}) reads nothing")
        self._needs_days("last(days=…)")
        return Input(self, "last", days)

    def previous(self) -> Input:
        """Read itself as it was the day before: a cumulative table, made day by day from its start."""
        self._needs_days("previous()")
        return Input(self, "previous")

    def latest(self) -> Input:
        """Read all that is published now."""
        return Input(self, "latest")

    def _needs_days(self, what: str) -> None:
        if self.partition is None:
            self._refuse(f"{what} needs a daily table, and it has no partition column", "use latest()")


def in_order(table: Table, inputs: Iterable[object]) -> bool:
    """Whether each day of a table waits for the one before: it builds on it, or depends on the past."""
    return table.depends_on_past or any(isinstance(how, Input) and how.kind == "previous" for how in inputs)


def as_input(value: Table | Input) -> Input:
    """Return how a table is read when nothing else is said: the same days, or all of an unpartitioned one."""
    if isinstance(value, Input):
        return value
    return Input(value, "latest" if value.partition is None else "day")
