"""A table's SQL file or function, read with everything that it uses, and settled with the marks on its lines."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Protocol

from lakeproof.contract import Input
from lakeproof.engine.function import FunctionMaker, SqlMaker, render
from lakeproof.lint.finding import Finding, Found, settle, sql_marks
from lakeproof.lint.flow import Flow
from lakeproof.lint.python import names_found, place_of, reached
from lakeproof.lint.sql import Statement
from lakeproof.lint.strings import Strings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from lakeproof.contract import Table
    from lakeproof.engine.function import Maker
    from lakeproof.lint.finding import Mark
    from lakeproof.lint.names import Place


class Declared(Protocol):
    """A table, with what makes it."""

    @property
    def table(self) -> Table:
        """The contract."""

    @property
    def maker(self) -> Maker:
        """What makes its rows."""

    @property
    def inputs(self) -> Mapping[str, Any]:
        """What it reads, by name."""


@dataclass
class _File:
    """What was found in a file, by all tables that use it, and the marks that may speak for it."""

    found: set[Found] = field(default_factory=set)
    marks: set[Mark] = field(default_factory=set)


def lint(tables: Iterable[Declared]) -> list[Finding]:
    """Return what in the code of tables can make a rerun differ, or reads more than their inputs; nothing is run.

    Args:
        tables: The tables. Give all that share a module at once: a mark in it may be there for any of them.
    """
    files: dict[Path, _File] = defaultdict(_File)
    for made in tables:
        if isinstance(made.maker, SqlMaker):
            _sql(made.table, made.maker, made.inputs, files[made.maker.path])
        elif isinstance(made.maker, FunctionMaker) and (place := place_of(made.maker.function)) is not None:
            _python(place, files)
    return sorted(
        Finding(path, one.line, one.what, one.remedy)
        for path, file in files.items()
        for one in settle(file.found, file.marks, "--" if path.suffix == ".sql" else "#")
    )


def _sql(table: Table, maker: SqlMaker, inputs: Mapping[str, Any], file: _File) -> None:
    text = render(maker.template, table.window(table.first_day) if table.partition else None)
    keys = {name: how.table.key for name, how in inputs.items() if isinstance(how, Input)}
    statement = Statement(text, keys=keys, key=table.key)  # that it reads only inputs was seen when it was declared
    lines = _lines(text, maker.template)
    for one in (*statement.found(), *statement.unrounded(table)):
        file.found.add(replace(one, line=lines.get(one.line, one.line)))
    file.marks.update(sql_marks(maker.template))


def _lines(rendered: str, template: str) -> dict[int, int]:
    """Return, for lines of a statement, those of the template that they come from."""
    matcher = SequenceMatcher(None, rendered.splitlines(), template.splitlines(), autojunk=False)
    return {
        made + offset + 1: written + offset + 1
        for _, made, end, written, written_end in matcher.get_opcodes()
        for offset in range(min(end - made, written_end - written))
    }


def _python(root: Place, files: Mapping[Path, _File]) -> None:
    places = reached(root)
    flow = Flow(Strings(places))
    flow.enter(root)
    flow.enter_rest(places)
    for place in places:
        file, node = files[place.module.file], place.node
        file.found.update(names_found(place))
        file.marks.update(mark for mark in place.module.marks if node.lineno <= mark.covers <= (node.end_lineno or 0))
    for module, found in flow.found.items():
        files[module.file].found.update(found)
    for module, marks in flow.strings.marks.items():
        files[module.file].marks.update(marks)
