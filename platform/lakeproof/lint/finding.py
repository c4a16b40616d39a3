"""What the lint found, and the marks by which a person says that a line is fine."""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlglot import Tokenizer
from sqlglot.errors import SqlglotError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

MARK = re.compile(r"(?:#|--)\s*lakeproof:\s*ok\b[ \t]*(?:\((?P<reason>.*)\))?")


@dataclass(frozen=True, order=True)
class Found:
    """What is found in some text.

    Args:
        line: The line of the text, from 1.
        what: What is wrong, as a sentence about the code without its subject.
        remedy: What to do about it.
    """

    line: int
    what: str
    remedy: str


@dataclass(frozen=True, order=True)
class Finding:
    """What is found in a file.

    Args:
        file: The file.
        line: The line, from 1.
        what: What is wrong, as a sentence about the code without its subject.
        remedy: What to do about it.
    """

    file: Path
    line: int
    what: str
    remedy: str

    def __str__(self) -> str:
        """Return it as compilers do: file, line, what, remedy."""
        here = Path.cwd()
        file = self.file.relative_to(here) if self.file.is_relative_to(here) else self.file
        return f"{file}:{self.line}: {self.what}: {self.remedy}"


@dataclass(frozen=True)
class Mark:
    """A comment that says why a line is fine: `lakeproof: ok (reason)`.

    Args:
        line: Where it is, from 1.
        covers: The line that it is about: its own, or the next line of code when it has a line to itself.
        reason: Why; empty when it does not say.
    """

    line: int
    covers: int
    reason: str


def python_marks(text: str) -> list[Mark]:
    """Return the marks in a Python module."""
    comments = (
        (token.start[0], token.string)
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    )
    return list(_marks(text, "#", comments))


def sql_marks(text: str, first_line: int = 1) -> list[Mark]:
    """Return the marks in a SQL statement.

    Args:
        text: The statement.
        first_line: The line at which the statement begins.
    """
    if "lakeproof:" not in text:
        return []
    try:
        tokens = Tokenizer(dialect="duckdb").tokenize(text)
    except SqlglotError:
        return []
    strings = [range(token.start, token.end) for token in tokens]
    comments, begin = [], 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        at = line.find("--")
        while at >= 0 and any(begin + at in string for string in strings):
            at = line.find("--", at + 2)
        if at >= 0:
            comments.append((number, line[at:].rstrip()))
        begin += len(line)
    shift = first_line - 1
    return [Mark(m.line + shift, m.covers + shift, m.reason) for m in _marks(text, "--", comments)]


def _marks(text: str, sign: str, comments: Iterable[tuple[int, str]]) -> Iterator[Mark]:
    lines = text.splitlines()
    for number, comment in comments:
        if (found := MARK.search(comment)) is None:
            continue
        covers = number
        if lines[number - 1].lstrip().startswith(sign):
            later = range(number + 1, len(lines) + 1)
            code = (n for n in later if (line := lines[n - 1].strip()) and not line.startswith(sign))
            covers = next(code, number)
        yield Mark(number, covers, (found["reason"] or "").strip())


def settle(found: Collection[Found], marks: Collection[Mark], sign: str) -> list[Found]:
    """Return what no mark speaks for, and the marks that are wrong: those without a reason, and those about nothing.

    Args:
        found: What was found.
        marks: The marks that could be about it.
        sign: How a comment begins.
    """
    covered = {mark.covers for mark in marks}
    lines = {one.line for one in found}
    left = {one for one in found if one.line not in covered}
    for mark in marks:
        if mark.covers not in lines:
            left.add(Found(mark.line, "marks as fine what is not found", "drop the mark"))
        elif not mark.reason:
            remedy = f"say why it is fine: {sign} lakeproof: ok (reason)"
            left.add(Found(mark.line, "marks a line as fine without a reason", remedy))
    return sorted(left)
