"""Who read which table by Trino: told by the events that a real Trino sends."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from servers import wait
from trino_server import ask, trino

from lakeproof.lake.used import Use
from lakeproof.stewardship.querylogs import uses_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_SECONDS = 30
TABLES = ["shop.orders", "shop.totals", "shop.copy", "shop.nothing"]
READ = "SELECT * FROM shop.recent"
COPIED = "CREATE TABLE shop.copy AS SELECT id FROM shop.totals"
FAILED = "SELECT 1 / (id - 1) FROM shop.nothing"


@contextmanager
def stored(file: Path) -> Iterator[str]:
    """Store each event that is sent as a line of a file, and yield the address to send them to."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with file.open("ab") as lines:
                lines.write(json.dumps(json.loads(body)).encode() + b"\n")
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_the_events_of_a_running_trino(tmp_path: Path) -> None:
    """Reads count, by a view too, and in what writes elsewhere; what is only written, or failed, does not."""
    log = tmp_path / "events.json"
    log.touch()
    with stored(log) as address, trino({"shop": "connector.name=memory\n"}, {}, events=address) as port:
        for statement in (
            "CREATE SCHEMA shop",
            "CREATE TABLE shop.orders AS SELECT 1 AS id",
            "CREATE TABLE shop.totals AS SELECT 1 AS id",
            "CREATE TABLE shop.nothing AS SELECT 1 AS id",
            "CREATE VIEW shop.recent AS SELECT id FROM shop.orders",
        ):
            ask(port, statement, catalog="shop")
        ask(port, READ, catalog="shop")
        ask(port, COPIED, catalog="shop")
        with pytest.raises(ValueError, match="Division by zero"):
            ask(port, FAILED, catalog="shop")
        wait(lambda: _demand(log, READ, COPIED, FAILED), (EOFError,), PATIENCE_SECONDS)

        today = datetime.now(UTC).date()
        assert {(use.table, use.who) for use in uses_in([log], TABLES)} == {
            ("shop.orders", "reader@trino"),
            ("shop.totals", "reader@trino"),
        }
        assert Use("shop.orders", today, "reader@trino") in uses_in([log], TABLES)


def _demand(log: Path, *statements: str) -> None:
    """Raise until the event of each statement is there: they are sent while the answers are read."""
    told = {json.loads(line)["metadata"]["query"] for line in log.read_text().splitlines()}
    if not told.issuperset(statements):
        raise EOFError
