"""The `lakeproof` command: what `dagster dev` shows, from a shell.

Exit codes: 0 done; 1 error; 2 usage; 3 held by an audit or a pre-check; 4 upstream not ready; 5 the base moved;
130 interrupted.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from contextlib import suppress

from lakeproof.cli import app, terminal

SWEEP_EVERY = 50_000
"""Objects made between two sweeps for garbage; with Python's own 700 they took a fifth of every start."""


def main() -> None:
    """Run the command, and end the process at once.

    An interpreter that winds down after an error makes DuckDB's bindings print a page about leaks (its types are still
    referred to then), which would push the refusal off the screen.
    """
    code: object = 0
    gc.set_threshold(SWEEP_EVERY, *gc.get_threshold()[1:])
    try:
        app.main()
    except SystemExit as ended:
        code = ended.code
    except Exception:  # noqa: BLE001 - nobody foresaw it, so all of it is told
        terminal.echo(traceback.format_exc(), err=True, nl=False)
        code = 1
    with suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)
