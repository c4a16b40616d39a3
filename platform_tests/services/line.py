"""A line to a server on loopback that a test cuts and mends: nobody answers, and what was said half-way is lost."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Line:
    """A line.

    Args:
        server: Where it leads.
        port: Where it begins; the same after it was mended.
    """

    server: tuple[str, int]
    port: int = 0
    _listener: socket.socket | None = None
    _open: list[socket.socket] = field(default_factory=list)

    def mend(self) -> None:
        """Let connections through from now on."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Refuse new connections, and break those that are there."""
        listener, self._listener = self._listener, None
        for one in [listener, *self._open]:
            if one is not None:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
        self._open.clear()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            upstream = socket.create_connection(self.server)
            self._open += [client, upstream]
            for pair in ((client, upstream), (upstream, client)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def line_to(properties: dict[str, str]) -> Iterator[tuple[Line, dict[str, str]]]:
    """Yield a line to a catalog's server, and the properties by which the catalog is reached over it."""
    uri = urlsplit(properties["uri"])
    line = Line((str(uri.hostname), uri.port or 0))
    line.mend()
    near = {
        name: value.replace(f":{uri.port}", f":{line.port}") if name in {"uri", "oauth2-server-uri"} else value
        for name, value in properties.items()
    }
    try:
        yield line, near
    finally:
        line.cut()
