"""The `lakeproof` command: what `dagster dev` shows, from a shell.

Exit codes: 0 done; 1 error; 2 usage; 3 held by an audit or a pre-check; 4 upstream not ready; 5 the base moved;
130 interrupted.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from lakeproof.cli import app


def main() -> None:
    """Run the command, and end the process at once.

    An interpreter that winds down after an error makes DuckDB's bindings print a page about leaks (its types are still
    referred to then), which would push the refusal off the screen.
    """
    code: object = 0
    try:
        app.main()
    except SystemExit as ended:
        code = ended.code
    with suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)
