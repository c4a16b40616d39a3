"""The feed's server: departures by day, page by page, to whoever has the key, at a rate."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import os
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from flights.feed.departures import Day, all_days
from flights.feed.faults import IN_ITEMS, IN_PAGES, Fault, as_bytes, spoil
from flights.feed.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

KEY_VARIABLE = "FLIGHTS_FEED_KEY"
DEMO_KEY = "demo-key-of-the-flights-feed"
KEY_HEADER = "X-Api-Key"
DEPARTURES = "/v1/departures"
DAYS = "/v1/departures/days"
CONTROL = "/control"
MOST_ITEMS = 1_000


@dataclass
class Tap:
    """Lets so many requests a second through, and a second's worth at once.

    Args:
        rate: Requests a second; 0 for any number.
    """

    rate: float
    _left: float = 0
    _at: float = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def refuses(self) -> int:
        """Return the seconds to wait; 0 when the request may pass."""
        if not self.rate:
            return 0
        with self._lock:
            now = time.monotonic()
            self._left = min(max(self.rate, 1), self._left + (now - self._at) * self.rate)
            self._at = now
            if self._left < 1:
                return max(1, math.ceil((1 - self._left) / self.rate))
            self._left -= 1
            return 0


class Feed:
    """The feed, in a thread of this process.

    Args:
        port: Where it listens; 0 for a free port.
        host: On which address; the loopback's by default.
        rate: Requests a second that it takes before it answers 429; 0 for any number.
        faults: What is wrong with it.
        replay: Which days it has by now; all of 2013 by default.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        rate: float = 50,
        faults: Sequence[Fault] = (),
        replay: Replay | None = None,
    ) -> None:
        self.faults = list(faults)
        self.replay = replay or Replay()
        self.tap = Tap(rate)
        self.asked: deque[str] = deque(maxlen=10_000)
        self.lock = threading.Lock()
        self._server = _Server((host, port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://{self._server.server_address[0]!s}:{self.port}"

    def __enter__(self) -> Self:
        """Begin to serve."""
        all_days(self.replay.weeks)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and close every connection."""
        self._server.shutdown()
        self._server.server_close()

    def serve(self) -> None:
        """Serve until the process ends."""
        all_days(self.replay.weeks)
        self._server.serve_forever()

    def day(self, day: date) -> Day | None:
        """Return a day's departures; None before they are delivered, and for a day that never had any."""
        return all_days(self.replay.weeks).get(day) if self.replay.delivers(day) else None

    def days(self, first: date, last: date) -> list[tuple[date, Day | None]]:
        """Return the days of a range that have begun, each with its departures once they are delivered."""
        known, today = all_days(self.replay.weeks), self.replay.today()
        return [(day, self.day(day)) for day in known if first <= day <= min(last, today)]

    def shows(self, kind: str) -> Fault | None:
        """Return a fault that shows in the answer that is being made."""
        with self.lock:
            return next((fault for fault in self.faults if fault.kind == kind and fault.shows()), None)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], feed: Feed) -> None:
        super().__init__(address, _Handler)
        self.feed = feed

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away."""


@dataclass(frozen=True)
class _AnswerError(Exception):
    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes

    def do_GET(self) -> None:
        """Answer with departures, or with the days there are."""
        self._answer(self._get)

    do_HEAD = do_GET  # noqa: N815 - the base class calls it so

    def do_PUT(self) -> None:
        """Set what is wrong: `{"faults": [{"kind": …}], "rate": 50}`."""
        self._answer(self._control)

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _answer(self, make: Callable[[bytes], None]) -> None:
        feed = self.server.feed
        feed.asked.append(self.path)
        try:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._look_at_key()
            make(body)
        except _AnswerError as error:
            self._send(as_bytes({"error": error.text}), error.status, error.headers)

    def _look_at_key(self) -> None:
        if self.headers.get(KEY_HEADER) != os.environ.get(KEY_VARIABLE, DEMO_KEY):
            raise _AnswerError(401, "the key is not valid")

    def _control(self, body: bytes) -> None:
        feed = self.server.feed
        try:
            wanted = json.loads(body)
            faults = [Fault(**fault) for fault in wanted.get("faults", [])]
        except (ValueError, TypeError) as error:
            raise _AnswerError(400, str(error)) from None
        with feed.lock:
            feed.faults = faults
        if "rate" in wanted:
            feed.tap = Tap(wanted["rate"])
        self._send(b"{}")

    def _get(self, _: bytes) -> None:
        feed = self.server.feed
        url = urlsplit(self.path)
        asked = dict(parse_qsl(url.query))
        if wait := feed.tap.refuses():
            raise _AnswerError(429, "too many requests", {"Retry-After": str(wait)})
        if feed.shows("expired"):
            raise _AnswerError(401, "the key has expired")
        if feed.shows("error"):
            raise _AnswerError(500, "something broke")
        if feed.shows("reset"):
            self._reset()
            return
        if slow := feed.shows("slow"):
            time.sleep(slow.seconds)
        if url.path == DAYS:
            first, last = _day(asked, "from", feed.replay.first), _day(asked, "to", feed.replay.last)
            self._send(_days(feed.days(first, last), feed.faults))
        elif url.path == DEPARTURES:
            self._departures(asked)
        else:
            raise _AnswerError(404, f"no {url.path}; there are {DEPARTURES} and {DAYS}")

    def _departures(self, asked: Mapping[str, str]) -> None:
        day, offset = _day(asked, "date", None), _number(asked, "offset", 0)
        limit = min(_number(asked, "limit", 500), MOST_ITEMS)
        feed = self.server.feed
        faults, found = feed.faults, feed.day(day)
        tag = _tag(found, faults)
        if self.headers.get("If-None-Match") == tag:
            self._send(b"", 304, {"ETag": tag})
            return
        shown = [fault for fault in faults if fault.kind in IN_ITEMS | IN_PAGES]
        page = _spoilt(found, day, offset, limit, shown) if shown else _page(found, day, offset, limit)
        self._send(page, headers={"ETag": tag})

    def _send(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        feed, promised = self.server.feed, None
        packed = {"Content-Encoding": "gzip"}
        headers = dict(headers or {})
        if status == 200 and self.command == "GET":  # noqa: PLR2004 - HTTP's number
            if feed.shows("cut_json"):
                body = body[: len(body) // 2]
            if feed.shows("cut_gzip"):
                body, headers = gzip.compress(body, 1)[:-20], headers | packed
            elif "gzip" in self.headers.get("Accept-Encoding", ""):
                body, headers = _packed(body), headers | packed
            if feed.shows("truncate"):
                promised, body = len(body), body[: len(body) // 2]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(promised or len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection = self.close_connection or promised is not None

    def _reset(self) -> None:
        """Close the connection so that the other side sees a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


def _day(asked: Mapping[str, str], name: str, default: date | None) -> date:
    try:
        return default if default and name not in asked else date.fromisoformat(asked[name])
    except (KeyError, ValueError):
        raise _AnswerError(400, f"{name} is a date: YYYY-MM-DD") from None


def _number(asked: Mapping[str, str], name: str, default: int) -> int:
    text = asked.get(name, str(default))
    if not text.isdecimal():
        raise _AnswerError(400, f"{name} is a number")
    return int(text)


def _link(day: date, offset: int, limit: int) -> str:
    return f"{DEPARTURES}?{urlencode({'date': day, 'offset': offset, 'limit': limit})}"


def _envelope(items: Sequence[Any], day: date, offset: int, limit: int, total: int) -> dict[str, Any]:
    more = offset + limit < total
    return {"data": items, "total": total, "next": _link(day, offset + limit, limit) if more else None}


@lru_cache(maxsize=4_096)
def _page(found: Day | None, day: date, offset: int, limit: int) -> bytes:
    items = [] if found is None else found.items
    return as_bytes(_envelope(items[offset : offset + limit], day, offset, limit, len(items)))


@lru_cache(maxsize=1_024)
def _packed(body: bytes) -> bytes:
    return gzip.compress(body, 1)


def _spoilt(found: Day | None, day: date, offset: int, limit: int, faults: Sequence[Fault]) -> bytes:
    items = spoil([] if found is None else found.items, faults)
    kinds = {fault.kind: fault for fault in faults}
    begin = 0 if "repeat_page" in kinds and offset == limit else offset
    answer = _envelope(items[begin : begin + limit], day, offset, limit, len(items))
    answer["total"] += "wrong_total" in kinds
    if answer["next"] and "skip_page" in kinds:
        answer["next"] = _link(day, offset + 2 * limit, limit)
    if answer["next"] and "elsewhere" in kinds:
        answer["next"] = f"{kinds['elsewhere'].to}{answer['next']}"
    return as_bytes(answer)


def _tag(found: Day | None, faults: Sequence[Fault]) -> str:
    """Return the ETag of a day, as its items are served now."""
    spoilt = repr([fault for fault in faults if fault.kind in IN_ITEMS])
    content = "" if found is None else found.etag
    return f'"{hashlib.sha256(f"{content} {spoilt}".encode()).hexdigest()[:32]}"'


def _days(days: Sequence[tuple[date, Day | None]], faults: Sequence[Fault]) -> bytes:
    listed = [
        {"date": str(day), "rows": _rows(found, faults), "complete": found is not None, "etag": _tag(found, faults)}
        for day, found in days
    ]
    return as_bytes({"data": listed})


def _rows(found: Day | None, faults: Sequence[Fault]) -> int:
    rows: int = 0 if found is None else found.rows.num_rows
    for _ in (fault for fault in faults if fault.kind == "duplicate"):
        rows += math.ceil(rows / 10)
    return rows
