"""A table's function, or its SQL, as something that turns opened inputs into rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import jinja2
import jinja2.meta
import jinja2.sandbox
import polars as pl
import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lakeproof.engine.code import code_digest
from lakeproof.engine.duck import connect, files_relation
from lakeproof.engine.remote import polars_options
from lakeproof.engine.scan import scan_files
from lakeproof.engine.stream import watched
from lakeproof.errors import ContractError, MakeError, RowsError, did_you_mean
from lakeproof.forms import BATCH_ROWS, FORM_NAMES, FORMS, hand_over, is_whole, parameters_of, take_back

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pyiceberg.io import FileIO

    from lakeproof.contract import Table
    from lakeproof.parts import Column
    from lakeproof.window import Window

RESERVED = ("window", "context")
"""Parameters that are no inputs: the window, and Dagster's execution context."""


GENERATORS = frozenset({"unnest", "explode", "generate_series", "generateseries", "range"})
"""Table functions that read nothing."""


class Rows(Protocol):
    """An opened input: rows of its window, read when they are asked for."""

    def relation(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        """Return the rows as a DuckDB relation."""

    def frame(self) -> pl.LazyFrame | None:
        """Return the rows as a lazy frame where Polars can read them itself."""


@dataclass(frozen=True)
class FileRows:
    """Published or staged files of a table.

    Args:
        columns: The table's columns by field id.
        paths: Its Parquet files; none is a table without rows.
        io: The table's file IO; None when it has no files.
    """

    columns: Mapping[int, Column]
    paths: tuple[str, ...]
    io: FileIO | None

    def relation(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        """Return the rows as a DuckDB relation."""
        return files_relation(connection, self.columns, self.paths, self.io)

    def head(self, connection: duckdb.DuckDBPyConnection, rows: int) -> duckdb.DuckDBPyRelation:
        """Return the first rows of each file, at the cost of those alone."""
        return files_relation(connection, self.columns, self.paths, self.io, first=rows)

    def frame(self) -> pl.LazyFrame | None:
        """Return the rows as a lazy frame that reads only what is used of them."""
        options = polars_options(self.io, self.paths)
        return None if options is None else scan_files(self.columns, self.paths, options)


@dataclass(frozen=True)
class StreamRows:
    """Rows of a source, read once.

    Args:
        open: Starts reading.
        broken: What broke while they were read. Engines make a text of it, and a function may hide it altogether.
    """

    open: Callable[[], pa.RecordBatchReader]
    broken: list[BaseException] = field(default_factory=list, compare=False)

    def stream(self) -> pa.RecordBatchReader:
        """Start reading, and remember what breaks."""
        reader = self.open()
        return pa.RecordBatchReader.from_batches(reader.schema, watched(reader, self.broken))

    def relation(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        """Return the rows as a DuckDB relation."""
        return connection.from_arrow(self.stream())

    def frame(self) -> pl.LazyFrame | None:
        """Return nothing: Polars reads no Arrow stream lazily."""
        return None


@dataclass(frozen=True)
class Made:
    """Rows as a maker gives them.

    Args:
        rows: The rows.
        whole: Whether all of them are in memory already.
    """

    rows: pa.RecordBatchReader
    whole: bool = False


Connected = Callable[[], duckdb.DuckDBPyConnection]
"""Gives the one connection that all inputs of a call share; opening it costs more than many a day's rows."""


class Maker(Protocol):
    """What makes a table's rows."""

    @property
    def kind(self) -> str:
        """What the UI shows it as."""

    @property
    def one_day_at_a_time(self) -> bool:
        """Whether it can only be asked for one day."""

    @property
    def code(self) -> str:
        """The digest of the code, contract included."""

    def make(self, window: Window | None, inputs: Mapping[str, Rows], connected: Connected, context: object) -> Made:
        """Return the rows of the window."""


@dataclass(frozen=True)
class FunctionMaker:
    """A Python function; build it with `function_maker`."""

    function: Callable[..., Any]
    parameters: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """What the UI shows it as."""
        return "python"

    @property
    def one_day_at_a_time(self) -> bool:
        """Whether the function can only be asked for one day: no, its inputs decide."""
        return False

    @cached_property
    def code(self) -> str:
        """The digest of the function's file and of what it imports from its package, as first asked: at declaration."""
        return code_digest(Path(inspect.getfile(self.function)))

    def make(self, window: Window | None, inputs: Mapping[str, Rows], connected: Connected, context: object) -> Made:
        """Call the function.

        Raises:
            MakeError: It raised, or returned something that is not rows.
            SourceError: An input broke while it was read.
        """
        given: dict[str, Any] = {"window": window, "context": context}
        name = f"{self.function.__module__}.{self.function.__qualname__}"
        with told_as_itself(inputs):
            for key, rows in inputs.items():
                given[key] = _opened(rows, self.parameters[key], connected)
            try:
                result = self.function(**{key: given[key] for key in self.parameters})
                reader = take_back(result)
            except Exception as error:
                msg = f"{name} raised {type(error).__name__}: {error}"
                raise MakeError(msg, next_step="mend the function, then run the same days again") from error
        if reader is None:
            msg = f"{name} returned {type(result).__name__}, which is not rows."
            raise MakeError(msg, next_step=f"return {FORM_NAMES}, or anything else that speaks Arrow")
        return Made(guarded(reader, name, inputs), is_whole(result))


@dataclass(frozen=True)
class SqlMaker:
    """A SQL statement with a template; build it with `sql_maker`."""

    template: str
    path: Path
    declared_in: Path

    @property
    def kind(self) -> str:
        """What the UI shows it as."""
        return "sql"

    @property
    def one_day_at_a_time(self) -> bool:
        """Whether the statement can only be asked for one day: when it uses `{{ ds }}`."""
        return "ds" in _variables(self.template)

    @cached_property
    def code(self) -> str:
        """The digest of the statement, of the file that declares it, and of what that imports from its package."""
        return code_digest(self.path, self.declared_in)

    def make(self, window: Window | None, inputs: Mapping[str, Rows], connected: Connected, context: object) -> Made:
        """Run the statement over the inputs, which are views under their names.

        Raises:
            MakeError: DuckDB refused the statement.
            SourceError: An input broke while it was read.
        """
        del context
        connection = connected()
        with told_as_itself(inputs):
            for name, rows in inputs.items():
                rows.relation(connection).create_view(name, replace=True)
            try:
                made = connection.sql(render(self.template, window)).to_arrow_reader(BATCH_ROWS)
            except duckdb.Error as error:
                msg = f"{self.path.name}: {error}"
                raise MakeError(msg, next_step=f"mend {self.path.name}, then run the same days again") from error
        return Made(guarded(made, self.path.name, inputs))


def function_maker(table: Table, function: Callable[..., Any], inputs: Mapping[str, object]) -> FunctionMaker:
    """Check that a function takes exactly its inputs, each in a form there is.

    Raises:
        ContractError: A parameter has no input, an input no parameter, or an annotation is no form.
    """
    where = f"{table.name}: {function.__qualname__}"
    parameters = parameters_of(function)
    for name in inputs:
        if name not in parameters:
            msg = f"{where} does not take its input {name!r}. {did_you_mean(name, parameters)}"
            raise ContractError(msg, next_step=f"add a parameter {name}, or drop the input")
    for name, form in parameters.items():
        if name in RESERVED:
            continue
        if name not in inputs:
            msg = f"{where} takes {name!r}, which is no input. {did_you_mean(name, [*inputs, *RESERVED])}"
            raise ContractError(msg, next_step=f"name it in the decorator: {name}=…")
        if form not in FORMS:
            shown = "has no annotation" if form is inspect.Parameter.empty else f"is annotated {form}"
            msg = f"{where}: parameter {name} {shown}, which says not in which form it wants its rows."
            raise ContractError(msg, next_step=f"annotate it with {FORM_NAMES}")
    return FunctionMaker(function, parameters)


def sql_maker(
    table: Table, file: str, search_path: Sequence[Path], declared_in: Path, inputs: Collection[str]
) -> SqlMaker:
    """Find a SQL file, and check that its template renders, its statement parses, and that it reads only its inputs.

    Raises:
        ContractError: It is not there, a template variable is not known, it does not parse, or it reads something else.
    """
    paths = [folder / file for folder in search_path]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        msg = f"{table.name}: no SQL file {file!r} in {', '.join(str(folder) for folder in search_path)}."
        raise ContractError(msg)
    template = path.read_text()
    try:
        statement = render(template, table.window(table.first_day) if table.partition else None)
        tree = sqlglot.parse_one(statement, dialect="duckdb")
    except MakeError as error:
        msg = f"{table.name}: {path.name}: {error.what}"
        raise ContractError(msg, next_step=error.next_step) from None
    except SqlglotError as error:
        msg = f"{table.name}: {path.name} does not parse: {str(error).splitlines()[0]}"
        raise ContractError(msg, next_step="write one SELECT in DuckDB's dialect") from None
    _only_inputs(table, path.name, tree, inputs)
    return SqlMaker(template, path, declared_in)


def _only_inputs(table: Table, file: str, tree: exp.Expr, inputs: Collection[str]) -> None:
    """Refuse a statement that reads anything but its inputs: a file would be outside the window and the evidence."""
    known = {*inputs, *(cte.alias_or_name for cte in tree.find_all(exp.CTE))}
    for source in tree.find_all(exp.Table):
        function, written = source.find(exp.Func), source.sql(dialect="duckdb", normalize_functions=False)
        if function is not None and not {function.name.lower(), function.sql_name().lower()} & GENERATORS:
            msg = f"{table.name}: {file} reads {written}, which is no input."
            raise ContractError(msg, next_step="read tables by naming them as inputs of sql_table")
        if function is None and (source.name not in known or source.db):
            msg = f"{table.name}: {file} reads {written}. {did_you_mean(source.name, known)}"
            raise ContractError(msg, next_step=f"name it as an input of sql_table: {source.name}=…")


def render(template: str, window: Window | None) -> str:
    """Fill in `{{ ds }}`, `{{ window.start }}`, `{{ window.end }}` and the window's other properties.

    Raises:
        MakeError: The template uses a variable that is not known, or is no template.
    """
    values: dict[str, object] = {} if window is None else {"window": window}
    if window is not None and len(window.days) == 1:
        values["ds"] = window.ds
    try:
        return _ENVIRONMENT.from_string(template).render(values)
    except jinja2.UndefinedError as error:
        known = sorted({*values, *(f"window.{name}" for name in ("start", "end", "first", "last", "until") if values)})
        msg = f"template: {error.message}. Known: {', '.join(known) or 'nothing, for an unpartitioned table'}."
        raise MakeError(msg, next_step="use one of the known variables") from None
    except jinja2.TemplateError as error:
        msg = f"template: {error.message}."
        raise MakeError(msg, next_step="mend the template") from None


def guarded(reader: pa.RecordBatchReader, name: str, inputs: Mapping[str, Rows]) -> pa.RecordBatchReader:
    """Return the same stream; what breaks while it is read is told as the maker's failure, or as its input's."""

    def batches() -> Iterator[pa.RecordBatch]:
        with told_as_itself(inputs):
            try:
                yield from reader
            except RowsError:
                raise
            except Exception as error:
                msg = f"{name} failed while its rows were read: {type(error).__name__}: {error}"
                raise MakeError(msg, next_step="mend it, then run the same days again") from error

    return pa.RecordBatchReader.from_batches(reader.schema, batches())


@contextmanager
def told_as_itself(inputs: Mapping[str, Rows]) -> Iterator[None]:
    """Raise what broke in an input, in place of whatever engines and functions made of it; also if they hid it."""
    try:
        yield
    except Exception:
        if broken := _broken(inputs):
            raise broken from None
        raise
    if broken := _broken(inputs):
        raise broken


def _broken(inputs: Mapping[str, Rows]) -> BaseException | None:
    return next((rows.broken[0] for rows in inputs.values() if isinstance(rows, StreamRows) and rows.broken), None)


def _opened(rows: Rows, form: type, connected: Connected) -> Any:
    """Return an input's rows in the form that a parameter asks for."""
    if form is pa.RecordBatchReader and isinstance(rows, StreamRows):
        return rows.stream()  # as it comes: no engine copies it
    if form is pl.LazyFrame and (frame := rows.frame()) is not None:
        return frame
    # Relations must share a connection to be joined; a stream needs one of its own to be read beside others.
    own = connect if form is pa.RecordBatchReader else connected
    return hand_over(rows.relation(own()), form)


_ENVIRONMENT = jinja2.sandbox.ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)


def _variables(template: str) -> set[str]:
    return set(jinja2.meta.find_undeclared_variables(_ENVIRONMENT.parse(template)))
