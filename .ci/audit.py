"""Asks OSV, the advisory database, which locked dependencies have known vulnerabilities.

Exits 0 when every one was asked about and none is known, 1 when one is, and 3 when not all could be asked about: that
is no audit, and is told as none.

`pip-audit` alone would not do: asked of an index that has no advisories, it skips what it does not find, and says "no
known vulnerabilities".
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PIP_AUDIT = ROOT / ".venv/deploy/bin/pip-audit"
LOCKS = ["requirements-dev.lock", "deploy/requirements.lock"]
CLEAN, VULNERABLE, NOT_ASKED = 0, 1, 3


def audited(lock: str, more: list[str]) -> tuple[list[dict[str, Any]], str]:
    """Return what is known of the packages of a lock, and why none or not all could be asked about."""
    command = [
        str(PIP_AUDIT),
        "--disable-pip",
        "--require-hashes",
        "--requirement",
        lock,
        "--vulnerability-service",
        "osv",
    ]
    command += ["--progress-spinner", "off", "--format", "json", *more]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)  # noqa: S603 - our own lock
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return [], (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    skipped = [f"{one['name']}: {one['skip_reason']}" for one in found if "skip_reason" in one]
    return [one for one in found if "skip_reason" not in one], "; ".join(skipped)


def main(more: list[str]) -> int:
    """Audit each lock, and return the exit code."""
    code = CLEAN
    for lock in LOCKS:
        asked, lacks = audited(lock, more)
        for one in asked:
            for known in one["vulns"]:
                code = VULNERABLE
                fixed = ", ".join(known["fix_versions"]) or "no version"
                print(f"{lock}: {one['name']} {one['version']} has {known['id']}, mended in {fixed}")  # noqa: T201
        if lacks:
            code = code or NOT_ASKED
            print(f"{lock}: NOT AUDITED, {len(asked)} packages could be asked about: {lacks}")  # noqa: T201
        else:
            print(f"{lock}: {len(asked)} packages were asked about")  # noqa: T201
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
