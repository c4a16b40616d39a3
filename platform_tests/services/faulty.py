"""An HTTP proxy on loopback, before a real server: it refuses, delays or breaks off what a test chooses."""

from __future__ import annotations

import http.client
import re
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pyarrow.fs import AwsStandardS3RetryStrategy

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["403", "503", "slow-down", "cut"]

SAID = {
    "403": (403, "AccessDenied", "Access Denied."),
    "503": (503, "ServiceUnavailable", "The service is unavailable."),
    "slow-down": (503, "SlowDown", "Please reduce your request rate."),
}
"""Status, code and message of what S3 refuses with, as AWS documents them."""

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class Fault:
    """What goes wrong, with which requests, and how often.

    Args:
        kind: A refusal of S3's, or `cut`: the connection breaks half-way through the body.
        asked: What a request is known by: a pattern of its method and path.
        times: With how many of them it goes wrong.
        seen: The requests with which it went wrong.
    """

    kind: Kind
    asked: str
    times: float = float("inf")
    seen: list[str] = field(default_factory=list)

    def hits(self, request: str) -> bool:
        """Whether it goes wrong with a request; if so, that is remembered."""
        if len(self.seen) >= self.times or not re.search(self.asked, request):
            return False
        self.seen.append(request)
        return True


@dataclass
class Faulty:
    """A proxy.

    Args:
        url: Where it listens.
        faults: What goes wrong; a test changes it.
        asked: Every request that came.
    """

    url: str
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @contextmanager
    def fault(self, kind: Kind, asked: str, times: float = float("inf")) -> Iterator[Fault]:
        """Let something go wrong while the block runs."""
        made = Fault(kind, asked, times)
        self.faults.append(made)
        try:
            yield made
        finally:
            self.faults.remove(made)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: Faulty
    server_address: tuple[str, int]

    def handle_any(self) -> None:
        request = f"{self.command} {self.path}"
        self.proxy.asked.append(request)
        fault = next((one for one in self.proxy.faults if one.hits(request)), None)
        if fault is not None and fault.kind == "cut" and self.command == "PUT":
            self.rfile.read(1)  # it has begun
            self.close_connection = True
            return
        body = self._body()
        if fault is None or fault.kind == "cut":
            self._pass_on(body, cut=fault is not None)
            return
        status, code, message = SAID[fault.kind]
        said = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>1</RequestId></Error>".encode()
        self._answer(status, {"Content-Type": "application/xml"}, b"" if self.command == "HEAD" else said, len(said))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 - as http.server wants them

    def _body(self) -> bytes:
        """Return the body as it came: with the marks of its chunks, where it came in chunks."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        came = b""
        while True:
            came += (mark := self.rfile.readline())
            if (size := int(mark.split(b";")[0], 16)) == 0:
                return came + self.rfile.readline()
            came += self.rfile.read(size + len(b"\r\n"))

    def _pass_on(self, body: bytes, *, cut: bool) -> None:
        upstream = http.client.HTTPConnection(*self.server_address, timeout=60)
        with suppress(ConnectionError):  # the client has gone
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body or None)
            answer = upstream.getresponse()
            data = answer.read()
            length = int(answer.headers.get("Content-Length", len(data)))
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
            self._answer(answer.status, headers, data[: len(data) // 2] if cut else data, length)
        upstream.close()
        self.close_connection = self.close_connection or cut

    def _answer(self, status: int, headers: dict[str, str], body: bytes, length: int) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in {204, 304}:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def faulty(server: str) -> Iterator[Faulty]:
    """Run a proxy before a server, and yield it.

    Args:
        server: The server's URL.
    """
    where = urlsplit(server)
    handler = type("Handler", (_Handler,), {"server_address": (str(where.hostname), where.port)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        listening.daemon_threads = True
        proxy = Faulty(f"http://127.0.0.1:{listening.server_port}")
        handler.proxy = proxy
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        try:
            yield proxy
        finally:
            listening.shutdown()


class Hasty(AwsStandardS3RetryStrategy):
    """Asks a bucket twice, so that a test of what never passes is short."""

    def __init__(self) -> None:
        super().__init__(max_attempts=2)
