"""2013, moved onto other years: what is served, when it is served, and that the tables move along."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import requests
import time_machine

from flights.feed import Feed
from flights.feed.replay import FIRST, LAST, Replay, weeks_onto
from flights.feed.server import DEMO_KEY
from flights.outside.__main__ import _first_day, main
from flights.outside.weather import land
from flights.outside.world import outside

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
NEW_YORK = ZoneInfo("America/New_York")
ONTO_2025 = 626
SHIFT = timedelta(weeks=ONTO_2025)
KEY = {"X-Api-Key": DEMO_KEY}


@pytest.fixture(scope="module")
def feed() -> Iterator[Feed]:
    """Return a feed of 2025, which is over."""
    with Feed(rate=0, replay=Replay(ONTO_2025)) as running:
        yield running


def items(feed: Feed, day: date) -> list[dict[str, Any]]:
    """Return a day's departures, as the feed serves them."""
    path = f"{feed.url}/v1/departures?date={day}&limit=1000"
    found: list[dict[str, Any]] = requests.get(path, headers=KEY, timeout=10).json()["data"]
    return found


def listed(url: str, key: str = DEMO_KEY) -> dict[str, dict[str, Any]]:
    """Return what the feed says of its days."""
    answer = requests.get(f"{url}/v1/departures/days", headers={"X-Api-Key": key}, timeout=10).json()
    return {one["date"]: one for one in answer["data"]}


def hours(day: date) -> timedelta:
    """Return how long a day is in New York."""
    begin, end = (datetime(d.year, d.month, d.day, tzinfo=NEW_YORK) for d in (day, day + timedelta(days=1)))
    return end.astimezone(UTC) - begin.astimezone(UTC)


@pytest.mark.parametrize("year", range(2014, 2037))
def test_a_moved_day_is_as_long_as_it_was(year: int) -> None:
    """On whatever year 2013 is moved, clocks change on the days that they changed on; after it comes the next year."""
    shift = timedelta(weeks=weeks_onto(date(year, 7, 1)))
    days = [FIRST + timedelta(days=number) for number in range(365)]

    assert [hours(day + shift) for day in days] == [hours(day) for day in days]
    assert abs((FIRST + shift - date(year, 1, 1)).days) <= 6
    assert [timedelta(weeks=weeks_onto(day + shift)) == shift for day in days] == [*[True] * 364, False]


def test_another_shift_is_refused() -> None:
    """A shift that clocks do not follow is refused, and the one that they follow is named; 2013 needs none."""
    assert Replay().weeks == weeks_onto(FIRST) == 0
    with pytest.raises(ValueError, match="625 weeks bring 2013 onto days whose clocks change on others; 626 do not"):
        Replay(625)


@pytest.mark.parametrize("day", [date(2013, 1, 5), date(2013, 3, 10), date(2013, 11, 3), LAST])
def test_every_date_of_a_departure_is_moved(feed: Feed, day: date) -> None:
    """Days and instants move by the same weeks, and the clock in New York shows what it showed; all else stays."""
    with Feed(rate=0) as unmoved:
        before = items(unmoved, day)
    after = items(feed, day + SHIFT)

    assert before
    moved = day + SHIFT
    for old, new in zip(before, after, strict=True):
        instant = datetime.fromisoformat(new["time_hour"])
        assert instant - datetime.fromisoformat(old["time_hour"]) == SHIFT
        local = instant.astimezone(NEW_YORK)
        assert (local.date(), local.hour) == (moved, new["hour"])
        when = {"year": moved.year, "month": moved.month, "day": moved.day, "time_hour": new["time_hour"]}
        assert new == old | when
    assert items(feed, day) == []


def test_every_date_of_the_weather_is_moved(tmp_path: Path) -> None:
    """As for departures, on the day that has 25 hours, too."""
    day = date(2013, 11, 3)
    assert land(tmp_path / "old", day, day) == land(tmp_path / "new", day + SHIFT, day + SHIFT, ONTO_2025) == 1
    files = (tmp_path / "old" / "weather" / str(day), tmp_path / "new" / "weather" / str(day + SHIFT))
    old, new = (list(csv.DictReader((file / "weather.csv").read_text().splitlines())) for file in files)

    assert len(old) == 72
    for before, after in zip(old, new, strict=True):
        local = datetime.fromisoformat(after["time_hour"]).astimezone(NEW_YORK)
        assert [after[name] for name in ("year", "month", "day", "hour")] == [
            str(part) for part in (2025, 11, 2, local.hour)
        ]
        assert datetime.fromisoformat(after["time_hour"]) - datetime.fromisoformat(before["time_hour"]) == SHIFT
        rest = set(before) - {"year", "month", "day", "time_hour"}
        assert {name: after[name] for name in rest} == {name: before[name] for name in rest}


@pytest.mark.parametrize("late", [0, 150])
def test_a_day_is_served_once_it_is_over(late: int) -> None:
    """Until midnight in New York, and so many minutes later, a day is listed without rows, and nobody gets any."""
    day = date(2025, 7, 1)
    over = datetime(2025, 7, 2, 4, tzinfo=UTC) + timedelta(minutes=late)
    with Feed(rate=0, replay=Replay(ONTO_2025, late=timedelta(minutes=late))) as running:
        with time_machine.travel(over - timedelta(seconds=30)):
            before, rows = listed(running.url), items(running, day)
        with time_machine.travel(over):
            after, all_rows = listed(running.url), items(running, day)

    assert (before[str(day)]["complete"], before[str(day)]["rows"], rows) == (False, 0, [])
    assert after[str(day)]["complete"]
    assert after[str(day)]["rows"] == len(all_rows) > 900
    assert after[str(day)]["etag"] != before[str(day)]["etag"]
    assert max(before) <= str(day + timedelta(days=1))  # what has not begun is not listed


def test_a_fast_clock_catches_up_and_stays(tmp_path: Path) -> None:
    """It begins behind, runs faster, and never passes the clock on the wall; where tables begin is kept."""
    began = datetime(2025, 7, 11, 12, tzinfo=UTC)
    replay = Replay(ONTO_2025, behind=timedelta(days=10), speed=1_440, began=began)

    for minutes, shown in ((0, 1), (3, 4), (10, 11), (60, 11)):
        with time_machine.travel(began + timedelta(minutes=minutes), tick=False):
            assert replay.today() == date(2025, 7, shown)
            assert replay.now() <= datetime.now(UTC)
            assert _first_day(tmp_path, replay, past=5) == date(2025, 6, 26)


def test_days_arrive_at_feed_and_folder_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The feed's own process and the landing folder go by one clock: it is July, and a day passes in two seconds."""
    for name in ("FLIGHTS_FEED_URL", "FLIGHTS_LANDING"):
        monkeypatch.delenv(name)
    now = datetime.now(UTC)
    july = now.replace(month=7, day=2, hour=3, minute=59, second=0) - timedelta(days=366)
    replay = Replay(weeks_onto(july.date()), behind=now - july, speed=43_200)
    with outside(tmp_path, rate=0, replay=replay) as where:
        landed = Path(where["FLIGHTS_LANDING"]) / "weather"
        seen = []
        until = time.monotonic() + 20
        while len(seen) < 3 and time.monotonic() < until:
            told = max(
                d for d, one in listed(where["FLIGHTS_FEED_URL"], where["FLIGHTS_FEED_KEY"]).items() if one["complete"]
            )
            if told not in seen:
                seen.append(told)
            time.sleep(0.1)
        assert where["FLIGHTS_SHIFT_WEEKS"] == str(replay.weeks)
        assert replay.today() - date.fromisoformat(seen[-1]) == timedelta(days=1)
        time.sleep(0.3)
        assert (landed / seen[-1] / "_SUCCESS").exists()
        assert not (landed / str(replay.today())).exists()

    first = date.fromisoformat(seen[0])
    assert seen == [str(first + timedelta(days=number)) for number in range(3)]


def test_the_tables_move_along(tmp_path: Path) -> None:
    """Told of the shift, the tables have and publish the days that are served, from the first, and SLAs count them."""
    day = date(2025, 3, 9)
    land(tmp_path / "landing", day, day, ONTO_2025)
    told = {"FLIGHTS_SHIFT_WEEKS": str(ONTO_2025), "FLIGHTS_FIRST_DAY": str(day)}
    environment = os.environ | told | {"FLIGHTS_LANDING": str(tmp_path / "landing"), "LAKEPROOF_HOME": str(tmp_path)}
    command = [Path(sys.executable).with_name("lakeproof"), "run", "flights.raw_weather", "--day", str(day), "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert '"published"' in done.stdout
    says = "promised = {made.table.sla.since for made in table_assets(keys) if made.table.sla}; print(*promised)"
    looks = "from flights.definitions import defs; keys = defs.resolve_all_asset_keys()"
    asks = "from flights import days; from lakeproof.asset import table_assets; print(days.START, days.END)"
    asked = [sys.executable, "-c", f"{asks}; {looks}; {says}"]
    assert subprocess.check_output(asked, env=environment, text=True) == f"{day} 2025-12-31\n{day}\n"


def outside_command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run `python -m flights.outside` in this process, and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["outside", *words])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return main()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def test_a_command_is_told_of_the_shift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets both variables; a shift that clocks do not follow, or two shifts, are usage errors and start nothing."""
    shift = ("--folder", str(tmp_path), "--shift-weeks")
    tells = ("sh", "-c", f"echo $FLIGHTS_SHIFT_WEEKS $FLIGHTS_FIRST_DAY > {tmp_path}/told")
    assert outside_command(monkeypatch, *shift, str(ONTO_2025), "--past", "10000", *tells) == 0
    assert (tmp_path / "told").read_text() == f"{ONTO_2025} 2024-12-31\n"

    for wrong in ((*shift, "1"), (*shift, str(ONTO_2025), "--live")):
        with pytest.raises(SystemExit, match="2"):
            outside_command(monkeypatch, *wrong, "false")


def test_live_is_the_present(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for in November 2026, it is 2013's November that is served."""
    tells = ("sh", "-c", f"echo $FLIGHTS_SHIFT_WEEKS > {tmp_path}/told")
    with time_machine.travel(datetime(2026, 11, 24, 17, tzinfo=UTC)):
        assert outside_command(monkeypatch, "--folder", str(tmp_path), "--live", *tells) == 0

    assert (tmp_path / "told").read_text() == "678\n"
    assert date(2026, 11, 24) - timedelta(weeks=678) == date(2013, 11, 26)
