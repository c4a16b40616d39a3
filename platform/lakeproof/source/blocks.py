"""A file as blocks of whole records, each with the line it begins at: memory is bounded by blocks, never by a file."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from mmap import mmap
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lakeproof.source.fault import DeliveryFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from typing import Protocol

    class Readable(Protocol):
        """Something that gives bytes."""

        def readinto(self, buffer: mmap, /) -> int:
            """Read as many bytes as there are, and fit; 0 at the end."""


BLOCK_BYTES = 16 * 2**20
"""About as many rows as an encoder takes at once; smaller ones make it wait."""

AHEAD = 3
"""How many blocks are at work or done and not taken yet: more would only cost memory."""

LONGEST_RECORD = 64 * 2**20
"""A record that is longer is a quote that was never closed, or no text at all."""

QUOTE, NEWLINE = b'"\n'

BOM = b"\xef\xbb\xbf"

T = TypeVar("T")


@dataclass(frozen=True)
class Block:
    """Whole records of a file.

    Args:
        data: Their bytes; the last ends with a newline.
        line: The line at which they begin, from 1.
    """

    data: bytes
    line: int


def blocks(stream: Readable, *, quotes: bool, unterminated: bool, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """Yield a file's records in blocks.

    Args:
        stream: The file, decompressed. A byte-order mark at its beginning is left out.
        quotes: Whether a newline between double quotes belongs to a value.
        unterminated: Whether the last line may lack its newline.
        size: How many bytes are read at once.

    Raises:
        DeliveryFault: The file ends within a record, or a record has no end.
    """
    rest, line, begun = b"", 1, False
    # One buffer for all reads: memory that is new each time costs more than the copy out of it. Mapped, so that a small
    # file touches little of it.
    buffer = mmap(-1, size)
    while filled := stream.readinto(buffer):
        begin = len(BOM) if not begun and buffer[: len(BOM)] == BOM else 0
        begun = True
        end = _end_of_records(rest, buffer, begin, filled, quotes=quotes)
        if end > begin:
            block = Block(b"".join((rest, memoryview(buffer)[begin:end])), line)
            rest, begin = b"", end
            line += count(block.data, NEWLINE)
            yield block
        rest += memoryview(buffer)[begin:filled]
        if len(rest) > LONGEST_RECORD:
            raise DeliveryFault(_endless(rest), line=line)
    if not rest:
        return
    if quotes and rest.count(b'"') % 2:
        raise DeliveryFault(_endless(rest), line=line)
    if not unterminated:
        why = "the file ends within this line, without a newline: it is cut short or still being written"
        raise DeliveryFault(why, line=line + rest.count(b"\n"))
    yield Block(rest + b"\n", line)


def count(data: bytes | memoryview, octet: int) -> int:
    """Count a byte; several times as fast as `bytes.count` where it is frequent, and beside other threads."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == octet))


def outside(data: bytes, place: int, since: int = 0) -> bool:
    """Whether a place is not between quotes, if another was not."""
    return data.count(b'"', since, place) % 2 == 0


def in_turn(work: Callable[[Block], T], source: Iterator[Block]) -> Iterator[T]:
    """Yield what is made of each block, in order, with as many at work as there are processors."""
    workers = os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers, thread_name_prefix="lakeproof-landing")
    waiting: deque[Future[T]] = deque()
    try:
        for block in source:
            waiting.append(pool.submit(work, block))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _end_of_records(rest: bytes, buffer: mmap, begin: int, filled: int, *, quotes: bool) -> int:
    """Return the place after the last newline in a buffer that ends a record; not beyond `begin` when there is none.

    What is left of earlier reads has none.
    """
    end = buffer.rfind(b"\n", begin, filled)
    if not quotes or end < 0:
        return end + 1
    odd = (count(rest, QUOTE) + count(memoryview(buffer)[begin:end], QUOTE)) % 2
    while odd and end >= 0:
        before = buffer.rfind(b"\n", begin, end)
        odd ^= count(memoryview(buffer)[max(before, begin) : end], QUOTE) % 2
        end = before
    return end + 1


def _endless(rest: bytes) -> str:
    if b'"' in rest:
        return "a quote is opened here that is not closed"
    return f"no line ends within {LONGEST_RECORD // 2**20} MiB: it is no text"
