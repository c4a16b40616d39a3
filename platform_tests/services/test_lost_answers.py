"""A commit whose answer is lost on the way back from the server is found by its run, and never made twice."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from publisher import ROWS, work_of
from pyiceberg.catalog import load_catalog
from servers import CATALOGS

from lakeproof.lake.catalog import Lake
from lakeproof.wap import write_audit_publish

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMITS = {"sql": (b"UPDATE iceberg_tables", b"COMMIT"), "rest": (b"set-snapshot-ref",)}
"""What goes over the wire when a publish is committed, by type of catalog."""


@dataclass
class Proxy:
    """A proxy that breaks the connection over which the next commit goes.

    Args:
        server: Where it passes everything on.
        marks: What a commit is known by, in this order.
        answered: Whether the commit is passed on, and its answer awaited, before the connection breaks.
    """

    server: tuple[str, int]
    marks: tuple[bytes, ...]
    answered: bool
    broken: threading.Event = field(default_factory=threading.Event)

    def serve(self, listener: socket.socket) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client, socket.create_connection(self.server) as upstream:
            back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
            back.start()
            left = list(self.marks)
            while data := _received(client):
                while left and left[0] in data:
                    left.pop(0)
                if left or self.broken.is_set():
                    upstream.sendall(data)
                    continue
                self.broken.set()
                client.shutdown(socket.SHUT_WR)  # from now on the client hears nothing more
                if self.answered:
                    upstream.sendall(data)
                    upstream.shutdown(socket.SHUT_WR)
                    back.join(timeout=10)
                break
            with suppress(OSError):  # closed already; without it, the other thread would keep the connection up
                upstream.shutdown(socket.SHUT_RDWR)
            back.join(timeout=10)


def _received(source: socket.socket) -> bytes:
    try:
        return source.recv(1 << 20)
    except OSError:
        return b""


def _pump(source: socket.socket, target: socket.socket) -> None:
    while data := _received(source):
        try:
            target.sendall(data)
        except OSError:
            continue  # the client is cut off; the server's answer is still awaited


@contextmanager
def between(properties: dict[str, str], *, answered: bool) -> Iterator[tuple[Lake, Proxy]]:
    """Open a lake whose catalog is reached through the proxy."""
    uri = urlsplit(properties["uri"])
    proxy = Proxy((str(uri.hostname), uri.port or 0), COMMITS[properties["type"]], answered)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=proxy.serve, args=(listener,), daemon=True).start()
        near = properties["uri"].replace(f":{uri.port}", f":{listener.getsockname()[1]}")
        yield Lake(load_catalog("lake", **(properties | {"uri": near})), "catalog lake"), proxy
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("catalog", [name for name in CATALOGS if name != "sqlite"], indirect=True)
@pytest.mark.parametrize("lost", ["request", "answer"])
def test_a_commit_without_an_answer_is_made_once(catalog: Any, lost: str, record_property: Any) -> None:
    """Whether or not the commit landed before the connection broke, it is there once, and told as published."""
    name = catalog.new_table()
    catalog.run(name, {"days": [1, 2], "value": 1})

    with between(dict(catalog.properties), answered=lost == "answer") as (lake, proxy):
        outcome = write_audit_publish(lake, work_of(lake, name, [1, 2], {1: 2, 2: 2}))

    assert proxy.broken.is_set()
    assert [day.state for day in outcome.days] == ["published", "published"]
    stored = catalog.stored(name)
    assert outcome.snapshot == stored.current_snapshot().snapshot_id
    assert len(stored.metadata.snapshots) == 2
    assert catalog.seen(name) == {1: (ROWS, {2}), 2: (ROWS, {2})}
    record_property("lost answers found", 1)
