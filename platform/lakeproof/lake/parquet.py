"""One Parquet file, written while its rows arrive: bounded memory, its bytes digested on their way to storage."""

from __future__ import annotations

import hashlib
import io
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from polars.io.plugins import register_io_source

from lakeproof.cost.meter import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyiceberg.io import FileIO, OutputStream

    from lakeproof.layout import FileLayout

ROW_GROUP_BYTES = 32 * 2**20
"""The most Arrow memory of a row group: the encoder holds a row group, its pages, and the next one as it fills."""

QUEUED = 2
"""Batches that wait for an encoder; more would only cost memory."""

THREAD = "lakeproof-encoder"

PATIENCE_SECONDS = 0.5
"""How often a full queue is looked at again, to see whether its encoder still lives."""


@dataclass(frozen=True)
class Target:
    """Where the files of a stage go, and how they are written.

    Args:
        io: The storage.
        schema: The columns, with their Iceberg field ids.
        layout: Codec and sizes.
    """

    io: FileIO
    schema: pa.Schema
    layout: FileLayout

    def frame(self, batches: list[pa.RecordBatch]) -> pl.DataFrame:
        """Return batches as a frame, without a copy."""
        return pl.DataFrame(pa.Table.from_batches(batches, None if batches else self.schema.remove_metadata()))

    def options(self, row_group_rows: int) -> dict[str, Any]:
        """Return what Polars is told about a file."""
        return {
            "compression": self.layout.codec,
            "compression_level": self.layout.level,
            "row_group_size": row_group_rows,
            "data_page_size": self.layout.page_bytes,
            "arrow_schema": self.schema,
        }


@dataclass(frozen=True)
class Written:
    """A file that was written.

    Args:
        location: Where it is.
        bytes: Its size.
        sha256: The digest of its bytes, taken as they were written.
        metadata: What its footer says.
    """

    location: str
    bytes: int
    sha256: str
    metadata: pq.FileMetaData


class _Sink(io.RawIOBase):
    """Counts and digests what goes to storage, and keeps the reason when storage refuses."""

    def __init__(self, out: OutputStream) -> None:
        self._out = out
        self._digest = hashlib.sha256()
        self.count = 0
        self.refused: Exception | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        try:
            self._out.write(data)
        except Exception as error:
            self.refused = error
            raise
        self._digest.update(data)
        self.count += len(data)
        return len(data)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class _Abandoned(Exception):  # noqa: N818 - not an error: it ends an encoder whose file nobody wants
    pass


class ParquetFile:
    """A file that takes batches until it is closed; small ones are encoded at once, large ones as they come.

    Args:
        target: Where files go, their schema with field ids, and their layout.
        location: Where this one goes.
    """

    def __init__(self, target: Target, location: str) -> None:
        self.location = location
        self._target = target
        self._held: list[pa.RecordBatch] = []
        self._encoder: _Encoder | None = None
        self.held_bytes = 0

    @property
    def is_streaming(self) -> bool:
        """Whether rows go to storage already."""
        return self._encoder is not None

    @property
    def written_bytes(self) -> int:
        """How many bytes are in storage already."""
        return self._encoder.sink.count if self._encoder else 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows of the target's columns."""
        if self._encoder is not None:
            self._encoder.put(batch)
            return
        self._held.append(batch)
        self.held_bytes += batch.nbytes

    def stream(self) -> None:
        """Begin to write what is held, and go on with what comes."""
        self._encoder = _Encoder(self._target, self.location, self._row_group_rows())
        for batch in self._held:
            self._encoder.put(batch)
        self._forget()

    def close(self) -> Written:
        """Write the rest, and return what was written."""
        written = self._closed()
        count(written=written.bytes)
        return written

    def _closed(self) -> Written:
        if self._encoder is not None:
            sink = self._encoder.close()
            with self._target.io.new_input(self.location).open() as stream:
                return Written(self.location, sink.count, sink.sha256, pq.read_metadata(stream))
        buffer = io.BytesIO()
        self._target.frame(self._held).write_parquet(buffer, **self._target.options(self._row_group_rows()))
        self._forget()
        data = buffer.getbuffer()
        with self._target.io.new_output(self.location).create() as out:
            out.write(data)  # type: ignore[arg-type]  # takes any buffer; typed narrower
        return Written(self.location, len(data), hashlib.sha256(data).hexdigest(), pq.read_metadata(io.BytesIO(data)))

    def abandon(self) -> None:
        """Stop; what is in storage already is the caller's to remove."""
        self._forget()
        if self._encoder is not None:
            self._encoder.abandon()

    def _forget(self) -> None:
        self._held, self.held_bytes = [], 0

    def _row_group_rows(self) -> int:
        rows = sum(batch.num_rows for batch in self._held)
        width = max(1, self.held_bytes // rows) if rows else 1
        return max(1, min(self._target.layout.row_group_rows, ROW_GROUP_BYTES // width))


class _Encoder:
    """Polars' streaming writer in a thread of its own, fed by a short queue.

    Polars encodes twice as fast as Arrow's writer, on all cores, but only pulls; a stage pushes.
    """

    def __init__(self, target: Target, location: str, row_group_rows: int) -> None:
        self._out = target.io.new_output(location).create()
        self.sink = _Sink(self._out)
        self._queue: queue.Queue[pa.RecordBatch | None] = queue.Queue(QUEUED)
        self._abandoned = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._encode, args=(target, row_group_rows), name=THREAD, daemon=True)
        self._thread.start()

    def put(self, batch: pa.RecordBatch | None) -> None:
        while True:
            try:
                self._queue.put(batch, timeout=PATIENCE_SECONDS)
            except queue.Full:
                if self._thread.is_alive():
                    continue
            if not self._thread.is_alive():
                self._raise()
            return

    def close(self) -> _Sink:
        self.put(None)
        self._thread.join()
        self._raise()
        self._out.close()
        return self.sink

    def abandon(self) -> None:
        self._abandoned = True
        while self._thread.is_alive():
            try:
                self._queue.put(None, timeout=PATIENCE_SECONDS)
            except queue.Full:
                continue
            self._thread.join()
        self._out.close()

    def _raise(self) -> None:
        if failure := self.sink.refused or self._failure:
            raise failure

    def _encode(self, target: Target, row_group_rows: int) -> None:
        schema = target.frame([]).schema
        try:
            rows = register_io_source(self._pull, schema=schema)
            options = target.options(row_group_rows)
            rows.sink_parquet(self.sink, engine="streaming", **options)  # type: ignore[call-overload]  # a binary file
        except BaseException as error:  # noqa: BLE001 - raised again where the rows come from
            self._failure = error

    def _pull(self, *_: object) -> Iterator[pl.DataFrame]:
        while (batch := self._queue.get()) is not None:
            yield pl.DataFrame(batch)
        if self._abandoned:
            raise _Abandoned
