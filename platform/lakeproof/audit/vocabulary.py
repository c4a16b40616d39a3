"""What a day can be asked. Every function takes `severity` (`blocking`, or `warn` to only report) and `name`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

from lakeproof.audit.kinds import Measure, Python, References, RowCondition, Unique, Volume, quote
from lakeproof.contract import Table
from lakeproof.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeproof.parts import Audit, Severity

NAMED_COLUMNS = 3


def not_null(*columns: str, severity: Severity = "blocking", name: str | None = None) -> Audit:
    """No value of any of the columns is null.

    Args:
        columns: One or more columns.
        severity: `blocking` or `warn`.
        name: Defaults to `not_null_` and the columns.
    """
    if not columns:
        msg = "audit.not_null() needs at least one column."
        raise ContractError(msg)
    condition = " and ".join(f"{quote(column)} is not null" for column in columns)
    return RowCondition(
        name or _name("not_null", columns), severity, columns, condition, f"{', '.join(columns)} not null"
    )


def unique(*columns: str, severity: Severity = "blocking", name: str | None = None) -> Audit:
    """No two rows of the day have the same values in the columns.

    Args:
        columns: The columns; none means the table's key.
        severity: `blocking` or `warn`.
        name: Defaults to `unique`, and the columns when there are any.
    """
    return Unique(name or (_name("unique", columns) if columns else "unique"), severity, columns)


def row_count(
    *,
    at_least: int | None = None,
    at_most: int | None = None,
    severity: Severity = "blocking",
    name: str = "row_count",
) -> Audit:
    """The day has a number of rows within bounds, both included.

    Args:
        at_least: The fewest rows.
        at_most: The most rows.
        severity: `blocking` or `warn`.
        name: The audit's name.
    """
    return Measure(name, severity, (), "count(*)", *_bounds(name, at_least, at_most), "rows")


def volume(
    *,
    within: float | None = None,
    factor: float | None = None,
    days: int = 28,
    min_history: int = 7,
    severity: Severity = "blocking",
    name: str = "volume",
) -> Audit:
    """The day's rows are near the median of the logical days before it, published or passing in this run.

    An unpartitioned table is compared with what is published of it. Where the table collects from a source that can
    count, the count is judged before a row is read, against what the source counted on the days before.

    Args:
        within: The share of the median by which the count may differ; 0.5 allows half to one and a half.
        factor: Or how many times the median it may be, either way; 10 allows a tenth to ten times.
        days: How many days before it count.
        min_history: With fewer of them there, it passes and says so.
        severity: `blocking` or `warn`.
        name: The audit's name.
    """
    if (within is None) == (factor is None):
        msg = "audit.volume needs one of within= and factor=."
        raise ContractError(
            msg, next_step="write within=0.5 for half to one and a half, factor=10 for a tenth to ten times"
        )
    near = (within is None or within > 0) and (factor is None or factor > 1)
    if not near or days < 1 or not 1 <= min_history <= days:
        asked = f"within={within}" if factor is None else f"factor={factor}"
        bounds = f"within must be above 0, factor above 1, and min_history from 1 to days={days}"
        msg = f"audit.volume({asked}, min_history={min_history}): {bounds}."
        raise ContractError(msg)
    return Volume(name, severity, (), days, min_history, within, factor)


def between(
    column: str,
    low: float | str | None,
    high: float | str | None,
    *,
    severity: Severity = "blocking",
    name: str | None = None,
) -> Audit:
    """Every value that is not null lies between two bounds, both included.

    Args:
        column: The column.
        low: The lowest good value; None for no bound. Text for dates and timestamps.
        high: The highest good value; None for no bound.
        severity: `blocking` or `warn`.
        name: Defaults to `between_` and the column.
    """
    _bounds(name or f"between_{column}", low, high)
    tests = [f"{quote(column)} >= {literal(low)}"] if low is not None else []
    tests += [f"{quote(column)} <= {literal(high)}"] if high is not None else []
    text = f"{column} from {'anything' if low is None else low} to {'anything' if high is None else high}"
    return RowCondition(name or f"between_{column}", severity, (column,), " and ".join(tests), text)


def accepted_values(
    column: str, values: list[Any] | tuple[Any, ...], *, severity: Severity = "blocking", name: str | None = None
) -> Audit:
    """Every value that is not null is one of a list.

    Args:
        column: The column.
        values: The good values.
        severity: `blocking` or `warn`.
        name: Defaults to `accepted_values_` and the column.
    """
    if not values:
        msg = f"audit.accepted_values({column!r}) accepts nothing."
        raise ContractError(msg)
    listed = ", ".join(literal(value) for value in values)
    text = f"{column} is one of {', '.join(map(str, values))}"
    return RowCondition(
        name or f"accepted_values_{column}", severity, (column,), f"{quote(column)} in ({listed})", text
    )


def matches(column: str, pattern: str, *, severity: Severity = "blocking", name: str | None = None) -> Audit:
    """Every value that is not null matches a regular expression as a whole.

    Args:
        column: A text column.
        pattern: The expression, in RE2's syntax.
        severity: `blocking` or `warn`.
        name: Defaults to `matches_` and the column.
    """
    try:
        duckdb.execute("SELECT regexp_matches('', $1)", [pattern])
    except duckdb.Error as error:
        msg = f"audit.matches({column!r}, {pattern!r}): {str(error).splitlines()[0]}"
        raise ContractError(msg, next_step="write a regular expression in RE2's syntax") from None
    condition = f"regexp_matches({quote(column)}, {literal(f'^(?:{pattern})$')})"
    return RowCondition(name or f"matches_{column}", severity, (column,), condition, f"{column} matches {pattern}")


def references(
    column: str, table: Table | str, to: str, *, severity: Severity = "blocking", name: str | None = None
) -> Audit:
    """Every value that is not null is one of another table's, as published now; the same days of a daily table.

    Args:
        column: The column that refers.
        table: The other table, or its name.
        to: The other table's column.
        severity: `blocking` or `warn`.
        name: Defaults to `references_` and the column.
    """
    contract = table if isinstance(table, Table) else None
    table_name = table.name if isinstance(table, Table) else table
    return References(name or f"references_{column}", severity, (column,), table_name, to, contract)


def sql(name: str, condition: str, *, text: str = "", severity: Severity = "blocking") -> Audit:
    """Every row meets a condition in SQL; a row for which it is null passes, as with SQL's CHECK.

    Args:
        name: The audit's name.
        condition: SQL over the table's columns, in DuckDB's dialect, that is true of a good row.
        text: The condition in words; by default the SQL.
        severity: `blocking` or `warn`.
    """
    return RowCondition(name, severity, (), condition, text)


def sql_result(
    name: str,
    expression: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    text: str = "",
    severity: Severity = "blocking",
) -> Audit:
    """An aggregate of the day lies within bounds, both included.

    No value is not within them, so a day without rows, where `allow_empty=True` lets it pass, fails here.

    Args:
        name: The audit's name.
        expression: An aggregate over the table's columns, such as `avg(dep_delay)`.
        at_least: The lowest good value.
        at_most: The highest good value.
        text: What is measured, in words; by default the SQL.
        severity: `blocking` or `warn`.
    """
    return Measure(name, severity, (), expression, *_bounds(name, at_least, at_most), text)


def python(name: str, function: Callable[..., Any], *, severity: Severity = "blocking") -> Audit:
    """A function judges the day.

    It takes one parameter, the staged day, in the form its annotation asks for (a DuckDB relation when it has none),
    and returns True, False, or the rows at fault as anything that speaks Arrow. A function that raises has not judged,
    and holds the day.

    Args:
        name: The audit's name.
        function: The function.
        severity: `blocking` or `warn`.
    """
    return Python(name, severity, (), function)


def literal(value: object) -> str:
    """Return a value as a SQL literal."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


def _name(kind: str, columns: tuple[str, ...]) -> str:
    if len(columns) <= NAMED_COLUMNS:
        return f"{kind}_{'_'.join(columns)}"
    return f"{kind}_{columns[0]}_and_{len(columns) - 1}_more"


def _bounds(name: str, low: Any, high: Any) -> tuple[Any, Any]:
    if low is None and high is None:
        msg = f"Audit {name} has no bound, so it could never fail."
        raise ContractError(msg, next_step="give a lower or an upper bound")
    try:
        crossed = low is not None and high is not None and low > high
    except TypeError:
        msg = f"Audit {name}: the bounds {low!r} and {high!r} are of different kinds."
        raise ContractError(msg, next_step="give two numbers, or two texts") from None
    if crossed:
        msg = f"Audit {name}: the lower bound {low} is above the upper bound {high}."
        raise ContractError(msg)
    return low, high
