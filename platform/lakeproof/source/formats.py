"""A landed file as rows of a contract: CSV, JSON lines or Parquet by its suffix, with gzip or zstd around it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from lakeproof.engine.cast import arrow_schema, cast_values, may_become
from lakeproof.errors import RowsError
from lakeproof.forms import BATCH_ROWS
from lakeproof.source.blocks import BLOCK_BYTES, Block, blocks, in_turn
from lakeproof.source.delimited import Delimited
from lakeproof.source.drift import compare_names
from lakeproof.source.fault import DeliveryFault
from lakeproof.source.items import decode, needs_exact, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from mmap import mmap

    from lakeproof.parts import Column
    from lakeproof.source.folder import Folder, Landed

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
KINDS = {".csv": "csv", ".jsonl": "json", ".ndjson": "json", ".json": "json", ".parquet": "parquet"}
HEAD_BYTES = 64 * 2**10
HEAD_ROWS = 5


@dataclass(frozen=True)
class Format:
    """How files are written.

    Args:
        columns: The columns to take, by the name that files have for them.
        csv: How CSV is written.
        unterminated: Whether the last line of a file may lack its newline.
    """

    columns: Mapping[str, Column]
    csv: Delimited = field(default_factory=Delimited)
    unterminated: bool = False


@dataclass
class FileReading:
    """One file as it is read; what was read of it is known when its rows are.

    Args:
        folder: Where it lies.
        file: The file.
        how: How it is written.
    """

    folder: Folder
    file: Landed
    how: Format
    rows: int = 0
    sha256: str | None = None
    names: Sequence[str] = ()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows.

        Raises:
            DeliveryFault: Something in it is not as its contract says.
        """
        kind = kind_of(self.file.name)[0]
        made = {"csv": self._csv, "json": self._json, "parquet": self._parquet}[kind]()
        for batch in made:
            self.rows += batch.num_rows
            if batch.num_rows:
                yield batch

    def head(self) -> list[dict[str, Any]]:
        """Read the names of the fields and the first rows, strictly; return those rows.

        Raises:
            DeliveryFault: They are not as the contract says.
        """
        kind = kind_of(self.file.name)[0]
        if kind == "parquet":
            batch = next(self._parquet(HEAD_ROWS), None)
            return [] if batch is None else batch.to_pylist()
        data = self._first(HEAD_BYTES)
        # All of a small file is read as it is; of others the lines that are whole.
        if len(data) >= HEAD_BYTES:
            data = data[: data.rfind(b"\n") + 1] if b"\n" in data else data
        cut = pa.BufferReader(data)
        made = self._csv(cut) if kind == "csv" else self._json(cut)
        rows: list[dict[str, Any]] = []
        for batch in made:
            rows += batch.slice(0, HEAD_ROWS).to_pylist()
        return rows[:HEAD_ROWS]

    def digest(self) -> str:
        """Read all bytes of the file, and return their SHA-256: the rows of Parquet are read here and there."""
        digested = _Digested(self.folder.open(self.file))
        try:
            digested.finish()
        except OSError as error:
            msg = f"it cannot be read to its end: {error}"
            raise DeliveryFault(msg) from None
        finally:
            digested.close()
        self.sha256 = digested.digest.hexdigest()
        return self.sha256

    def _first(self, size: int) -> bytes:
        """Read the beginning of the file; a compressed or distant one comes in pieces."""
        data = b""
        with self._stream() as stream:
            try:
                while len(data) < size and (more := stream.read(size)):
                    data += more
            except (OSError, pa.ArrowInvalid) as error:
                msg = f"it cannot be read to its end: {error}"
                raise DeliveryFault(msg) from None
        return data

    def _csv(self, stream: Any = None) -> Iterator[pa.RecordBatch]:
        found = self._blocks(stream, quotes=True)
        first = next(found, None)
        if first is None:
            raise DeliveryFault(EMPTY)
        header, rest = self.how.csv.header(first)
        self._see(header)

        def rows() -> Iterator[Block]:
            yield rest
            yield from found

        yield from in_turn(lambda block: self.how.csv.parse(block, header, self.how.columns), rows())

    def _json(self, stream: Any = None) -> Iterator[pa.RecordBatch]:
        exact = needs_exact(self.how.columns)
        for block in self._blocks(stream, quotes=False):
            items = []
            for number, text in enumerate(block.data.split(b"\n")[:-1]):
                try:
                    items.append(decode(text, exact=exact))
                except DeliveryFault as fault:
                    raise DeliveryFault(fault.why, line=block.line + number) from None
            batch = rows_of(items, self.how.columns, block.line)
            self.names = list(dict.fromkeys([*self.names, *(name for item in items for name in item)]))
            yield batch

    def _parquet(self, rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        try:
            with (
                self.folder.open_file(self.file) as opened,
                pq.ParquetFile(opened, page_checksum_verification=True) as file,
            ):
                schema = file.schema_arrow
                self._see(schema.names)
                for name, column in self.how.columns.items():
                    wanted = arrow_schema([column]).field(0).type
                    if not may_become(schema.field(name).type, wanted):
                        msg = f"it is {schema.field(name).type}, not {column.type}"
                        raise DeliveryFault(msg, field=name)
                for batch in file.iter_batches(rows, columns=list(self.how.columns)):
                    yield self._cast(batch)
        except (pa.ArrowInvalid, OSError) as error:
            msg = f"it is no Parquet, or not all of it: {error}"
            raise DeliveryFault(msg) from None

    def _cast(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        schema = arrow_schema(self.how.columns.values())
        arrays = []
        for (name, column), wanted in zip(self.how.columns.items(), schema, strict=True):
            try:
                arrays.append(cast_values(batch.column(name), column, wanted.type, ""))
            except RowsError as error:
                where = f"in rows {self.rows + 1:,} to {self.rows + batch.num_rows:,}"
                msg = f"{error.what.removeprefix(': ')} {where}"
                raise DeliveryFault(msg, field=name) from None
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _see(self, names: Sequence[str]) -> None:
        self.names = names
        gone, _ = compare_names(list(self.how.columns), names)
        if gone:
            raise DeliveryFault(" ".join(gone))

    def _blocks(self, stream: Any, *, quotes: bool) -> Iterator[Block]:
        if stream is not None:
            yield from blocks(stream, quotes=quotes, unterminated=self.how.unterminated)
            return
        with self._stream() as opened:
            try:
                yield from blocks(opened, quotes=quotes, unterminated=self.how.unterminated, size=BLOCK_BYTES)
            except (OSError, pa.ArrowInvalid) as error:
                msg = f"it cannot be read to its end: {error}"
                raise DeliveryFault(msg) from None
            self._opened.finish()
            self.sha256 = self._opened.digest.hexdigest()

    def _stream(self) -> Any:
        self._opened = _Digested(self.folder.open(self.file))
        compression = kind_of(self.file.name)[1]
        if compression is None:
            return self._opened
        return pa.CompressedInputStream(pa.PythonFile(self._opened, mode="r"), compression)


EMPTY = "the file is empty: not even a header is in it"


class _Digested:
    """A stream whose bytes are digested as they are read."""

    closed = False

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        self.digest.update(data)
        return data

    def readinto(self, buffer: mmap) -> int:
        filled: int = self._stream.readinto(buffer)
        self.digest.update(memoryview(buffer)[:filled])
        return filled

    def finish(self) -> None:
        while self.read(BLOCK_BYTES):
            pass

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def kind_of(name: str) -> tuple[str, str | None]:
    """Return the format that a name tells, and the compression around it.

    Raises:
        DeliveryFault: It tells none.
    """
    compression = next((codec for suffix, codec in COMPRESSIONS.items() if name.endswith(suffix)), None)
    plain = name.rsplit(".", 1)[0] if compression else name
    kind = next((kind for suffix, kind in KINDS.items() if plain.endswith(suffix)), None)
    if kind is None or (kind == "parquet" and compression):
        msg = f"its name ends as none of {', '.join(KINDS)}, the formats of text also with {' or '.join(COMPRESSIONS)}"
        raise DeliveryFault(msg)
    return kind, compression


def parquet_rows(folder: Folder, file: Landed) -> int:
    """Return how many rows a Parquet file says that it has."""
    try:
        with folder.open_file(file) as opened, pq.ParquetFile(opened) as parquet:
            return int(parquet.metadata.num_rows)
    except (pa.ArrowInvalid, OSError) as error:
        msg = f"it is no Parquet, or not all of it: {error}"
        raise DeliveryFault(msg) from None
