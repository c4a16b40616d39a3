r"""CSV by the book (RFC 4180), parsed block by block by Arrow: a value is exactly what was written, or it is refused.

Arrow's parser is strict about numbers, dates and the length of rows. What it lets pass is looked for here: quotes that
neither begin nor end a value, empty lines, a lone carriage return, hexadecimal integers, doubles out of range.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from lakeproof.engine.cast import arrow_schema, cast_values
from lakeproof.errors import RowsError
from lakeproof.source.blocks import BOM, NEWLINE, QUOTE, Block, outside
from lakeproof.source.fault import DeliveryFault, shown
from lakeproof.source.text import as_float

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lakeproof.parts import Column

RETURN, ZERO = b"\r0"
LETTERS_X = b"xX"
PIECE = 2**17
"""Bytes that are looked at together: what comes of more does not stay in a processor's cache."""

WHOLE = 2.0**53
"""Up to here a double holds every whole number."""

AROUND = 20
"""Bytes about a stray quote that a message shows."""

_ROW = re.compile(r"Row #(\d+)")
_COUNT = re.compile(r"Expected (\d+) columns?, got (\d+)")
_DIGITS = re.compile(rb"\s*[+-]?[0-9]{1,309}\s*")
_WHOLE = r"^\s*-?[0-9]+\s*$"
_INFINITE = r"^\s*[+-]?(?i:inf|infinity)\s*$"


@dataclass(frozen=True)
class Delimited:
    """How CSV is written.

    Args:
        delimiter: The one character between values.
        null: How a missing value is written, without quotes; with quotes it is text.
    """

    delimiter: str = ","
    null: str = ""

    def header(self, block: Block) -> tuple[list[str], Block]:
        """Take the header off a file's first block.

        Raises:
            DeliveryFault: It is no header.
        """
        end = next(_ends(block.data))
        self._check_quotes(Block(block.data[:end], block.line))
        try:
            text = block.data[:end].decode()
        except UnicodeDecodeError as error:
            msg = f"the header is not UTF-8: {error.reason} at byte {error.start}"
            raise DeliveryFault(msg, line=1) from None
        names = next(csv.reader([text.rstrip("\r\n")], delimiter=self.delimiter), [])
        if twice := sorted({name for name in names if names.count(name) > 1}):
            msg = f"the header has {', '.join(map(shown, twice))} more than once"
            raise DeliveryFault(msg, line=1)
        return names, Block(block.data[end:], block.line + text.count("\n"))

    def parse(self, block: Block, header: Sequence[str], columns: Mapping[str, Column]) -> pa.RecordBatch:
        """Return the rows of a block.

        Args:
            block: Whole records, without the header.
            header: The names of all values of a record.
            columns: The columns to take, by the name that the header has for them.

        Raises:
            DeliveryFault: A record has too few or too many values, or one that is not what its column says.
        """
        wanted = arrow_schema(columns.values())
        if not block.data:
            return pa.RecordBatch.from_pylist([], schema=wanted)
        if b'"' in block.data:
            self._check_quotes(block)
        _check_lines(block)
        types = {name: _parsed(field.type) for name, field in zip(columns, wanted, strict=True)}
        try:
            rows = self._read(block, header, types)
        except pa.ArrowInvalid as error:
            self._explain(block, header, types, str(error))
        self._check_numbers(block, header, types, rows)
        arrays = []
        for (name, column), field in zip(columns.items(), wanted, strict=True):
            values = rows.column(name).combine_chunks()
            if column.type == "float" and column.digits is None:
                arrays.append(self._floats(block, header, name, values))
                continue
            try:
                arrays.append(cast_values(values, column, field.type, "it"))
            except RowsError as error:
                raise DeliveryFault(error.what.removeprefix("it: "), field=name, line=block.line) from None  # a uuid
        return pa.RecordBatch.from_arrays(arrays, schema=wanted)

    def _floats(self, block: Block, header: Sequence[str], name: str, doubles: pa.Array) -> pa.Array:
        try:
            return as_float(doubles)
        except pa.ArrowInvalid:
            for row in range(len(doubles)):
                try:
                    as_float(doubles.slice(row, 1))
                except pa.ArrowInvalid:
                    value = self.texts(block, header, [name]).column(name)[row].as_py().decode()
                    self._refuse(block, row, name, value, pa.float32())
            raise

    def texts(self, block: Block, header: Sequence[str], names: Sequence[str]) -> pa.Table:
        """Return values as they are written, as bytes."""
        return self._read(block, header, dict.fromkeys(names, pa.large_binary()))

    def _read(self, block: Block, header: Sequence[str], types: Mapping[str, pa.DataType]) -> pa.Table:
        data = block.data
        # Arrow takes a byte-order mark off what it is given; one that is data must stay.
        data = BOM + data if data.startswith(BOM) else data
        rows = arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=list(header)),
            # Values with newlines are read all the same: what Arrow would split at is the block's end.
            parse_options=arrow_csv.ParseOptions(delimiter=self.delimiter),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict(types),
                include_columns=list(types),
                null_values=[self.null],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["true", "True", "TRUE"],
                false_values=["false", "False", "FALSE"],
            ),
        )
        for name, kind in types.items():
            if pa.types.is_decimal(kind):
                rows.column(name).validate(full=True)  # more digits than it can hold are not noticed before
        return rows

    def _check_quotes(self, block: Block) -> None:
        """Refuse a quote that neither begins nor ends a value, nor is doubled within one."""
        octets = np.frombuffer(block.data, np.uint8)
        before, after = (ord(self.delimiter), NEWLINE, QUOTE), (ord(self.delimiter), NEWLINE, QUOTE, RETURN)
        # Nothing is before the first byte, and nothing needs to be; the last one is a newline.
        opened = int(octets[0] == QUOTE)
        for at in range(1, len(octets) - 1, PIECE):
            piece = octets[at - 1 : at + PIECE + 1]
            places = np.flatnonzero(piece[1:-1] == QUOTE)
            begins, ends = places[opened::2], places[1 - opened :: 2]
            opened ^= len(places) % 2
            for found, beside, edges in ((begins, piece[begins], before), (ends, piece[ends + 2], after)):
                fine = reduce(np.logical_or, (beside == edge for edge in edges))
                if not fine.all():
                    self._stray(block, at + int(found[int(fine.argmin())]))

    def _stray(self, block: Block, place: int) -> NoReturn:
        begin = max(block.data.rfind(b"\n", 0, place) + 1, place - AROUND)
        text = block.data[begin : place + AROUND].splitlines()[0].decode(errors="replace")
        why = f"a stray quote in {shown(text)}: a value with quotes is in quotes as a whole, those within doubled"
        raise DeliveryFault(why, line=block.line + block.data.count(b"\n", 0, place))

    def _check_numbers(
        self, block: Block, header: Sequence[str], types: Mapping[str, pa.DataType], rows: pa.Table
    ) -> None:
        """Refuse what Arrow reads as a number, though it is none or is out of range."""
        suspects: dict[str, str] = {}
        hexadecimal = _follow(block.data, ZERO, LETTERS_X)
        for name, kind in types.items():
            if pa.types.is_integer(kind) and hexadecimal:
                suspects[name] = _WHOLE
            elif pa.types.is_floating(kind) and pc.any(pc.is_inf(rows.column(name))).as_py():
                suspects[name] = _INFINITE
            if pa.types.is_float64(kind) and pc.any(pc.greater_equal(pc.abs(rows.column(name)), WHOLE)).as_py():
                self._check_whole(block, header, name, rows.column(name))
        if not suspects:
            return
        texts = self.texts(block, header, list(suspects))
        for name, pattern in suspects.items():
            doubtful = pc.is_valid(rows.column(name))
            if pattern == _INFINITE:
                doubtful = pc.and_(doubtful, pc.is_inf(rows.column(name)))
            wrong = pc.and_(doubtful, pc.invert(pc.match_substring_regex(texts.column(name), pattern)))
            row = pc.index(wrong, value=True).as_py()
            if row >= 0:
                value = texts.column(name)[row].as_py().decode(errors="replace")
                self._refuse(block, row, name, value, types[name])

    def _check_whole(self, block: Block, header: Sequence[str], name: str, doubles: pa.ChunkedArray) -> None:
        """Refuse whole numbers that no double holds: their last digits would be others."""
        texts = self.texts(block, header, [name]).column(name)
        for row, (text, double) in enumerate(zip(texts.to_pylist(), doubles.to_pylist(), strict=True)):
            if double is not None and _DIGITS.fullmatch(text) and int(text) != double:
                self._refuse(block, row, name, text.decode(), pa.float64())

    def _explain(self, block: Block, header: Sequence[str], types: Mapping[str, pa.DataType], message: str) -> NoReturn:
        """Raise with the line, the field and the value of what Arrow refused."""
        if count := _COUNT.search(message):
            at = int(found[1]) if (found := _ROW.search(message)) else 1
            what = "too few" if int(count[2]) < int(count[1]) else "too many"
            why = f"{what} values: {count[2]}, where the header has {count[1]}"
            raise DeliveryFault(why, line=_line(block, at - 1)) from None
        texts = self.texts(block, header, list(types))
        for name, kind in types.items():
            values = texts.column(name).combine_chunks()
            if (row := self._first_refused(values, kind)) is not None:
                raw: bytes = values[row].as_py()
                try:
                    value = raw.decode()
                except UnicodeDecodeError as error:
                    why = f"{shown(raw)} is not UTF-8: {error.reason}"
                    raise DeliveryFault(why, line=_line(block, row), field=name) from None
                self._refuse(block, row, name, value, kind)
        raise DeliveryFault(message, line=block.line) from None

    def _first_refused(self, values: pa.Array, kind: pa.DataType) -> int | None:
        """Return the first row whose value cannot be read, found by halving."""
        if self._reads(values, kind):
            return None
        low, high = 0, len(values)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._reads(values.slice(low, middle - low), kind) else (low, middle)
        return low

    def _reads(self, values: pa.Array, kind: pa.DataType) -> bool:
        cells = (b"" if v is None else b'"' + v.replace(b'"', b'""') + b'"' for v in values.to_pylist())
        alone = Block(b"".join(cell + b"\n" for cell in cells), 1)
        try:
            Delimited()._read(alone, ["value"], {"value": kind})  # noqa: SLF001 - of this class
        except pa.ArrowInvalid:
            return False
        return True

    def _refuse(self, block: Block, row: int, name: str, value: str, kind: pa.DataType) -> NoReturn:
        hint = f"; a missing value is written {shown(self.null)}" if not value.strip() or value == self.null else ""
        msg = f"{shown(value)} is no {_word(kind)}{hint}"
        raise DeliveryFault(msg, line=_line(block, row), field=name) from None


def _parsed(kind: pa.DataType) -> pa.DataType:
    if kind.equals(pa.float32()):
        return pa.float64()  # whether a float holds it is seen afterwards
    return pa.large_string() if kind.equals(pa.uuid()) else kind


def _word(kind: pa.DataType) -> str:
    words = {
        "int32": "int (32 bits)",
        "int64": "long (64 bits)",
        "date32[day]": "date",
        "timestamp[us]": "timestamp without a zone",
        "timestamp[us, tz=UTC]": "timestamp with its zone",
        "time64[us]": "time",
        "bool": "boolean",
        "float": "float (32 bits)",
        "decimal128": "decimal",
    }
    return words.get(str(kind), str(kind))


def _follow(data: bytes, first: int, then: Sequence[int]) -> bool:
    """Whether a byte is anywhere followed by one of others; beside other threads, unlike a search."""
    octets = np.frombuffer(data, np.uint8)
    for begin in range(0, len(octets), PIECE):
        piece = octets[begin : begin + PIECE + 1]
        is_first, after = piece[:-1] == first, piece[1:]
        if any((is_first & (after == one)).any() for one in then):
            return True
    return False


def _check_lines(block: Block) -> None:
    """Refuse empty lines, and carriage returns that end no line, outside of quotes."""
    data = block.data
    returns = b"\r" in data
    if not returns and not data.startswith(b"\n") and not _follow(data, NEWLINE, [NEWLINE]):
        return
    for pattern, why in ((rb"(?<![^\n])\r?\n", "an empty line"), (rb"\r(?!\n)", "a carriage return within the line")):
        even, since = True, 0
        for found in re.finditer(pattern, data):
            even = outside(data, found.start(), since) == even
            since = found.start()
            if even:
                raise DeliveryFault(why, line=block.line + data.count(b"\n", 0, found.start()))


def _ends(data: bytes) -> Iterator[int]:
    """Yield the place after each record."""
    even, since = True, 0
    for found in re.finditer(rb"\n", data):
        even = outside(data, found.start(), since) == even
        since = found.start()
        if even:
            yield found.end()


def _line(block: Block, row: int) -> int:
    """Return the line at which a record begins."""
    if b'"' not in block.data:
        return block.line + row
    begin = 0
    for number, end in enumerate(_ends(block.data)):
        if number == row:
            break
        begin = end
    return block.line + block.data.count(b"\n", 0, begin)
