"""Whether two definitions mean the same, or nearly so, and what sets them apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from sqlglot.errors import SqlglotError

from lakeproof.meaning.beside import Change, beside
from lakeproof.meaning.definition import parsed
from lakeproof.meaning.edits import edits
from lakeproof.meaning.finish import frozen
from lakeproof.meaning.statement import Reader
from lakeproof.meaning.tree import STEPS, TooManyCases
from lakeproof.meaning.value import NotUnderstood

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeproof.meaning.definition import Definition, Promised
    from lakeproof.meaning.term import Term


@dataclass(frozen=True)
class Verdict:
    """What two definitions are to each other.

    Args:
        label: `same`: equal rows, whatever the tables hold, as far as they keep what they promise. `near`: one change
            makes one of them the other. `different`: neither was proved.
        change: Of which sort the change is; None but for near ones.
        difference: What sets near ones apart, in words about `the left one` and `the right one`.
        unknown: Why nothing was proved, where a definition has what no rule tells the meaning of.
    """

    label: Literal["same", "near", "different"]
    change: Change | None = None
    difference: str = ""
    unknown: str = ""


@dataclass
class Meanings:
    """What definitions mean, over tables with some promises; each definition is read once.

    Args:
        tables: What each table promises.
    """

    tables: Mapping[str, Promised]
    _forms: dict[str, Term | str] = field(default_factory=dict)

    def form(self, definition: Definition) -> Term:
        """Return the normal form: definitions with equal ones have the same rows, whatever the tables hold.

        Raises:
            NotUnderstood: No rule tells what it means, or it has more cases than are looked at.
            SqlglotError: It does not parse.
        """
        at = repr(definition)
        if at not in self._forms:
            try:
                self._forms[at] = self._read(definition)
            except NotUnderstood as reason:
                self._forms[at] = str(reason)
        found = self._forms[at]
        if isinstance(found, str):
            raise NotUnderstood(found)
        return found

    def _read(self, definition: Definition) -> Term:
        STEPS.set(0)
        reader = Reader(self.tables, definition.inputs)
        try:
            tree = parsed(definition.sql)
            block = reader.query(tree) if definition.grain is None else reader.metric(tree, definition.grain)
            return frozen(block)[0]
        except TooManyCases:
            msg = "more cases than are looked at"
        except RecursionError:
            msg = "an expression that is nested too deeply"
        raise NotUnderstood(msg)

    def compare(self, left: Definition, right: Definition) -> Verdict:
        """Return whether two definitions mean the same.

        Raises:
            SqlglotError: One does not parse.
        """
        try:
            forms = self.form(left), self.form(right)
        except NotUnderstood as reason:
            return Verdict("different", unknown=str(reason))
        if forms[0] == forms[1]:
            return Verdict("same")
        if not _tables(forms[0]) & _tables(forms[1]):
            return Verdict("different")
        names = ("The left one", "the right one"), ("The right one", "the left one")
        found = self._edited(left, right, forms[1], names[0]) or self._edited(right, left, forms[0], names[1])
        if found is None and (shown := beside(*forms)) is not None:
            found = Verdict("near", *shown)
        return found or Verdict("different")

    def _edited(self, one: Definition, other: Definition, wanted: Term, names: tuple[str, str]) -> Verdict | None:
        """Return the verdict if one change makes one definition the other."""
        for edit in edits(one, other):
            try:
                same = self.form(edit.made) == wanted
            except (NotUnderstood, SqlglotError):
                continue
            if same:
                this, that = names
                return Verdict("near", edit.change, f"{edit.words.format(this=this, other=that)}.")
        return None


def _tables(form: Term) -> set[str]:
    """Return the tables that a definition reads in the end."""
    return {term.args[0] for term in form.within if term.op == "table"}
