"""A job that waits, before Spark starts, until it is stopped."""

from __future__ import annotations

import sys
import time

sys.stdout.write("waiting\n")
sys.stdout.flush()
time.sleep(60)
