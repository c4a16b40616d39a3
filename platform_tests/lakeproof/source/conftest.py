"""A real server whose answers a test decides, and the flights feed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from flights.collection.raw_departures import FIELDS
from flights.feed import Feed
from flights.feed.server import DEMO_KEY
from lakeproof import HttpSource
from lakeproof.source import DayIndex, NextLink, Retry, api_key

Said = tuple[int, Mapping[str, str], bytes]


@dataclass
class Asked:
    """What a server was asked."""

    path: str
    params: dict[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass
class Api:
    """A server on a free port, which answers what `answer` returns."""

    url: str = ""
    answer: Callable[[Asked], Said] = lambda asked: (200, {}, b"[]")  # noqa: ARG005 - answers the same to all
    asked: list[Asked] = field(default_factory=list)

    def says(self, *answers: object) -> None:
        """Answer these bodies one after another, and the last for ever: bytes as they are, all else as JSON."""
        left = [answer if isinstance(answer, bytes) else json.dumps(answer).encode() for answer in answers]
        self.answer = lambda _: (200, {}, left.pop(0) if len(left) > 1 else left[0])


@pytest.fixture
def api() -> Iterator[Api]:
    """Return a server that a test tells what to say."""
    made = Api()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = Asked(url.path, dict(parse_qsl(url.query)), self.headers, sent)
            made.asked.append(asked)
            status, headers, body = made.answer(asked)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name that the library looks for

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def running_feed() -> Iterator[Feed]:
    """Return one feed for all tests of a process."""
    with Feed(rate=0) as feed:
        yield feed


@pytest.fixture
def feed(running_feed: Feed, monkeypatch: pytest.MonkeyPatch) -> Feed:
    """Return the feed, with nothing wrong, and its key where the source looks for it."""
    monkeypatch.setenv("FLIGHTS_FEED_KEY", DEMO_KEY)
    running_feed.faults.clear()
    running_feed.asked.clear()
    return running_feed


@pytest.fixture
def departures(feed: Feed) -> Callable[..., HttpSource]:
    """Return a maker of the source that collects from the feed; it gives up fast."""

    def make(**changes: Any) -> HttpSource:
        given: dict[str, Any] = {
            "fields": FIELDS,
            "base": feed.url,
            "params": {"date": "{ds}"},
            "items": "data",
            "total": "total",
            "pagination": NextLink("next", limit=300),
            "days": DayIndex("/v1/departures/days", rows="rows", complete="complete", version="etag"),
            "auth": api_key(env="FLIGHTS_FEED_KEY", header="X-Api-Key"),
            "retry": Retry(attempts=3, first=0.01),
            "timeout": 5,
        }
        return HttpSource("/v1/departures", **(given | changes))

    return make
