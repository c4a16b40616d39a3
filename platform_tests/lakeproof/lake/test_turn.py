"""Commits to a local table come one after another, and nothing rests on it."""

from __future__ import annotations

import fcntl
import os
import threading
from typing import TYPE_CHECKING, Any

from lakeproof.lake import turn as turns
from lakeproof.lake.turn import turn

if TYPE_CHECKING:
    import pytest


def test_a_turn_is_one_at_a_time(lab: Any) -> None:
    """Whoever comes while another has the turn, waits for it."""
    table, order = lab.lakehouse.lake.ensure(lab.table()), []

    def second() -> None:
        with turn(table):
            order.append("second")

    with turn(table):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(timeout=0.2)
        order.append("first")
    thread.join()

    assert order == ["first", "second"]


def test_a_holder_that_hangs_is_not_waited_for(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that is never given back delays a publish, and stops none."""
    monkeypatch.setattr(turns, "LONGEST_WAIT_SECONDS", 0.05)
    table = lab.lakehouse.lake.ensure(lab.table())

    held = os.open(table.location().removeprefix("file://"), os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        assert lab.states(lab.table(), lab.rows(1)) == ["published"]
    finally:
        os.close(held)
    assert lab.values() == [1]
