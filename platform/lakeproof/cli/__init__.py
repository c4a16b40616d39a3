"""The `lakeproof` command: what `dagster dev` shows, from a shell.

Exit codes: 0 done; 1 error; 2 usage; 3 held by an audit or a pre-check; 4 upstream not ready; 5 the base moved.
"""

from __future__ import annotations

from lakeproof.cli.app import main

__all__ = ["main"]
