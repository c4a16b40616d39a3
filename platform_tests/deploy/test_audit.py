"""The audit of dependencies never passes as one when nobody could be asked."""

from __future__ import annotations

import json
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ADVISORY = {
    "id": "PYSEC-2099-1",
    "summary": "made up",
    "published": "2099-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "click", "ecosystem": "PyPI"},
            "versions": [],
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
        }
    ],
}


@contextmanager
def advisories(known: dict[str, Any] | None) -> Iterator[str]:
    """Answer as OSV does, about one package or none; yield where."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            affected = known is not None and asked["package"]["name"] == known["affected"][0]["package"]["name"]
            body = json.dumps({"vulns": [known]} if affected else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/query"
        server.shutdown()
        thread.join()


def audit(url: str) -> subprocess.CompletedProcess[str]:
    """Run the audit, and let it ask there."""
    command = [ROOT / ".venv/deploy/bin/python", ROOT / ".ci/audit.py", "--osv-url", url]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_what_was_asked_and_is_not_known_passes() -> None:
    """Exit 0, with the number of packages."""
    with advisories(None) as url:
        done = audit(url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT AUDITED" not in done.stdout
    assert "packages were asked about" in done.stdout


def test_a_known_vulnerability_fails() -> None:
    """Exit 1, with the package, the advisory and the version that mends it."""
    with advisories(ADVISORY) as url:
        done = audit(url)
    assert done.returncode == 1
    assert "PYSEC-2099-1, mended in 99.0" in done.stdout
    assert ": click 8" in done.stdout


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1/query"])
def test_when_nobody_answers_it_is_no_audit(url: str) -> None:
    """Exit 3, and it says so."""
    done = audit(url)
    assert done.returncode == 3
    assert done.stdout.count("NOT AUDITED, 0 packages") == 2
