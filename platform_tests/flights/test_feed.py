"""The feed as a program: its answers, its key, its rate, and what can be set wrong while it runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from flights.feed import Feed
from flights.feed.faults import Fault
from flights.feed.server import DEMO_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = {"X-Api-Key": DEMO_KEY}


@pytest.fixture(scope="module")
def feed() -> Iterator[Feed]:
    """Return a feed without a limit."""
    with Feed(rate=0) as running:
        yield running


def ask(feed: Feed, path: str, **more: Any) -> requests.Response:
    """Ask with the key."""
    return requests.get(f"{feed.url}{path}", headers={**KEY, **more.pop("headers", {})}, timeout=10, **more)


def test_pages_lead_to_each_other(feed: Feed) -> None:
    """A day comes in pages; each has the total and a link, which is null on the last."""
    first = ask(feed, "/v1/departures?date=2013-01-05&limit=500").json()
    second = ask(feed, first["next"]).json()

    assert (len(first["data"]), len(second["data"])) == (500, 220)
    assert (first["total"], second["total"], second["next"]) == (720, 720, None)
    assert len(first["data"][0]) == 19
    assert first["data"][0]["time_hour"] == "2013-01-06T04:00:00Z"


def test_a_page_has_a_limit(feed: Feed) -> None:
    """No page is larger than a thousand, and a day without rows is a page without items."""
    assert len(ask(feed, "/v1/departures?date=2013-11-27&limit=5000").json()["data"]) == 1_000
    assert ask(feed, "/v1/departures?date=2014-01-01").json() == {"data": [], "total": 0, "next": None}


def test_days_are_listed(feed: Feed) -> None:
    """One answer tells of every day, how many rows it has."""
    days = ask(feed, "/v1/departures/days").json()["data"]

    assert len(days) == 365
    assert sum(day["rows"] for day in days) == 336_776
    assert all(day["complete"] for day in days)
    assert len(ask(feed, "/v1/departures/days?from=2013-02-01&to=2013-02-28").json()["data"]) == 28


def test_an_unchanged_day_is_not_sent_again(feed: Feed) -> None:
    """The ETag of a day answers 304 until its content changes."""
    path = "/v1/departures?date=2013-01-05"
    tag = ask(feed, path).headers["ETag"]

    assert ask(feed, path, headers={"If-None-Match": tag}).status_code == 304
    feed.faults.append(Fault("null"))
    assert ask(feed, path, headers={"If-None-Match": tag}).status_code == 200
    feed.faults.clear()


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/v1/departures?date=2013-01-05", "wrong", 401),
        ("/v1/departures?date=2013-01-05", "", 401),
        ("/v1/departures?date=2013-02-30", DEMO_KEY, 400),
        ("/v1/departures", DEMO_KEY, 400),
        ("/v1/departures?date=2013-01-05&limit=-1", DEMO_KEY, 400),
        ("/v1/arrivals", DEMO_KEY, 404),
    ],
)
def test_a_wrong_request_is_refused(feed: Feed, path: str, key: str, status: int) -> None:
    """Without the key, with a date that is none, or a path that is not there, the status says so."""
    found = requests.get(feed.url + path, headers={"X-Api-Key": key}, timeout=10)

    assert found.status_code == status
    assert found.json()["error"]


def test_a_rate_is_kept(feed: Feed) -> None:
    """More than the rate is answered 429 with the seconds to wait."""
    with type(feed)(rate=3) as slow:
        found = [ask(slow, "/v1/departures?date=2013-01-05&limit=1") for _ in range(5)]

    assert [one.status_code for one in found] == [200, 200, 200, 429, 429]
    assert found[-1].headers["Retry-After"] == "1"


def test_the_program_serves_and_is_set_wrong_while_it_runs(tmp_path: Path) -> None:
    """It writes its port, prints no key, and takes faults on its command line and while it runs, for the key alone."""
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "flights.feed", "--port-file", str(port_file), "--rate", "0"]
    command += ["--fault", "rename:field=dep_delay,to=departure_delay"]
    environment = {**os.environ, "FLIGHTS_FEED_KEY": "a-key-of-the-test"}
    log = tmp_path / "log"
    with log.open("w") as output:
        program = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        for _ in range(600):
            if port_file.exists() or program.poll() is not None:
                break
            time.sleep(0.05)
        url, key = f"http://127.0.0.1:{int(port_file.read_text())}", {"X-Api-Key": "a-key-of-the-test"}
        path = f"{url}/v1/departures?date=2013-01-05&limit=1"
        assert "departure_delay" in requests.get(path, headers=key, timeout=30).json()["data"][0]

        assert requests.put(f"{url}/control", headers=KEY, json={"faults": []}, timeout=10).status_code == 401
        wrong = requests.put(f"{url}/control", headers=key, json={"faults": [{"kind": "x"}]}, timeout=10)
        assert (wrong.status_code, "there are drop" in wrong.text) == (400, True)
        assert requests.put(f"{url}/control", headers=key, json={"faults": []}, timeout=10).status_code == 200
        assert "dep_delay" in requests.get(path, headers=key, timeout=10).json()["data"][0]
    finally:
        program.terminate()
        program.wait()
    assert "a-key-of-the-test" not in log.read_text()
