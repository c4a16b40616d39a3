"""Runs one job in a process of its own, with any Python: `child.py MODULE:FUNCTION JSON-ARGUMENTS ANSWER-FILE`."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path


def main(job: str, arguments: str, answer: str) -> None:
    """Call the function, and leave what it returns as JSON."""
    module, function = job.split(":")
    result = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    Path(answer).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
