"""Any number of processes publish days of one table at the same time, through a real catalog."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from publisher import ROWS, readings
from servers import CATALOGS

# On one of pytest's workers, so that the publishing processes are started once.
pytestmark = pytest.mark.xdist_group("publishers")

PROCESSES = 4
DAYS_EACH = 3


def lineage(catalog: Any, name: str) -> list[int]:
    """Return the ids from the head to the first snapshot, and see that no snapshot lies beside them."""
    table = catalog.stored(name)
    by_id = {snapshot.snapshot_id: snapshot for snapshot in table.metadata.snapshots}
    found, head = [], table.current_snapshot()
    while head is not None:
        found.append(head.snapshot_id)
        head = by_id.get(head.parent_snapshot_id) if head.parent_snapshot_id else None
    assert set(found) == set(by_id)
    return found


def test_different_days_all_publish(catalog: Any, record_property: Any) -> None:
    """Processes that publish different days all succeed, each by one snapshot."""
    name = catalog.new_table()
    runs = [
        [{"days": [process * DAYS_EACH + n], "value": process} for n in range(1, DAYS_EACH + 1)]
        for process in range(PROCESSES)
    ]

    said = catalog.together(name, *runs)

    assert said == [[{"states": ["published"], "exit": 0}] * DAYS_EACH] * PROCESSES
    expected = {process * DAYS_EACH + n: process for process in range(PROCESSES) for n in range(1, DAYS_EACH + 1)}
    assert catalog.seen(name) == {day: (ROWS, {value}) for day, value in expected.items()}
    assert len(lineage(catalog, name)) == PROCESSES * DAYS_EACH
    record_property("concurrent publishes", PROCESSES * DAYS_EACH)


def test_one_day_is_won_by_one(catalog: Any, record_property: Any) -> None:
    """Processes that publish one day from the same base, each with other rows: one wins, the others say it moved."""
    name = catalog.new_name()
    catalog.run(name, {"days": [1], "value": 99})

    said = catalog.together(name, *[[{"days": [1], "value": value}] for value in range(PROCESSES)])

    states = Counter(one["states"][0] for [one] in said)
    assert states == {"published": 1, "moved": PROCESSES - 1}
    assert sorted(one["exit"] for [one] in said) == [0, *[5] * (PROCESSES - 1)]
    winner = next(value for value, [one] in enumerate(said) if one["states"] == ["published"])
    assert catalog.seen(name) == {1: (ROWS, {winner})}
    assert len(lineage(catalog, name)) == 2
    record_property("publishes of one day at once", PROCESSES)


def test_one_day_with_equal_content_is_published_once(catalog: Any) -> None:
    """Processes that publish one day with the same rows: one snapshot, and the others find nothing to do."""
    name = catalog.new_table()

    said = catalog.together(name, *[[{"days": [1], "value": 7}]] * PROCESSES)

    assert Counter(one["states"][0] for [one] in said) == {"published": 1, "unchanged": PROCESSES - 1}
    assert [one["exit"] for [one] in said] == [0] * PROCESSES
    assert catalog.seen(name) == {1: (ROWS, {7})}
    assert len(lineage(catalog, name)) == 1


def test_a_moved_day_drops_out_alone(catalog: Any) -> None:
    """Ranges that overlap in one day: one run gets it, the other publishes all its other days and ends with 5."""
    name = catalog.new_name()
    catalog.run(name, {"days": [1, 2, 3, 4, 5], "value": 99})

    said = catalog.together(name, [{"days": [1, 2, 3], "value": 1}], [{"days": [3, 4, 5], "value": 2}])

    first, second = (one for [one] in said)
    seen = {number: values for number, (_, values) in catalog.seen(name).items()}
    if first["exit"] == 0:
        assert (first["states"], second["states"]) == (["published"] * 3, ["moved", "published", "published"])
        assert seen == {1: {1}, 2: {1}, 3: {1}, 4: {2}, 5: {2}}
    else:
        assert (first["states"], second["states"]) == (["published", "published", "moved"], ["published"] * 3)
        assert seen == {1: {1}, 2: {1}, 3: {2}, 4: {2}, 5: {2}}
    assert second["exit"] == (5 if first["exit"] == 0 else 0)


def test_a_held_day_leaves_readers_what_they_had(catalog: Any) -> None:
    """One bad day of a range is held while processes publish around it, and a good rerun publishes it."""
    name = catalog.new_name()
    catalog.run(name, {"days": [1, 2, 3], "value": 1})

    [held], [other] = catalog.together(
        name, [{"days": [1, 2, 3], "values": {1: 2, 2: -2, 3: 2}}], [{"days": [4], "value": 4}]
    )

    assert (held["states"], held["exit"]) == (["published", "held", "published"], 3)
    assert other["states"] == ["published"]
    assert catalog.seen(name) == {1: (ROWS, {2}), 2: (ROWS, {1}), 3: (ROWS, {2}), 4: (ROWS, {4})}
    [again] = catalog.run(name, {"days": [1, 2, 3], "value": 2})
    assert (again["states"], again["exit"]) == (["unchanged", "published", "unchanged"], 0)


# SeaweedFS 4.48 makes a table as often as it is asked at once, and the last one stays.
@pytest.mark.parametrize("catalog", [name for name in CATALOGS if name != "rest"], indirect=True)
@pytest.mark.parametrize("turn", range(3))
def test_a_new_table_is_made_once(catalog: Any, turn: int) -> None:
    """Those that stage the first days of a new table in a new namespace at once all get the one table."""
    del turn
    name = catalog.new_name()
    lakes = [catalog.lake() for _ in range(8)]

    with ThreadPoolExecutor(len(lakes)) as pool:
        made = list(pool.map(lambda lake: lake.ensure(readings(name)), lakes))

    assert len({table.metadata.table_uuid for table in made}) == 1
