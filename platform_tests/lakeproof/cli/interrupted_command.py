"""The command, interrupted as by Ctrl-C while the rows of a table are cast: its first word says whose."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from lakeproof import making
from lakeproof.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Iterator

name, fitted = sys.argv.pop(1), making._fitted


def interrupted(table: Any, rows: Any, **how: Any) -> Iterator[Any]:
    """Cast the rows, whichever thread asks for them, and be interrupted meanwhile."""
    for batch in fitted(table, rows, **how):
        if table.name == name:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)
        yield batch


making._fitted = interrupted
main()
