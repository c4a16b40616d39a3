from __future__ import annotations

import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator  # noqa: TC003 - a dataclass's fields
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import polars as pl
import pytest

from lakeproof import Column, Lakehouse, Notifications, Table, Window, audit, daily_table, notifications
from lakeproof.stewardship.incidents import Publish, Symptom, derive
from lakeproof.stewardship.notifications import VARIABLE, Message, NotificationError

SECRET = "T0K3N-marker"  # noqa: S105 - what the tests look for
AT = datetime(2024, 1, 3, 6, tzinfo=UTC)
values: dict[date, int] = {}

tides = Table(
    "coast.tides",
    columns=[Column("day", "date"), Column("value", "int")],
    partition="day",
    layer="collection",
    start="2024-01-01",
    end="2024-02-01",
    owner="ann@example.org",
    audits=[audit.between("value", 0, 100)],
)


@daily_table(tides)
def make_tides(window: Window) -> pl.DataFrame:
    """Make a row a day, of what the test says."""
    rows = [(day, values.get(day, 1)) for day in window.days]
    return pl.DataFrame(rows, schema={"day": pl.Date, "value": pl.Int32}, orient="row")


@dataclass
class Hook:
    """A webhook on a free port: what it got, and how it answers."""

    url: str = ""
    answer: Callable[[], tuple[int, dict[str, str]]] = lambda: (200, {})
    got: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    """Return a webhook, whose address the environment holds."""
    made = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.paths.append(self.path)
            made.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status, headers = made.answer()
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - the server's name for it

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    made.url = f"http://127.0.0.1:{server.server_address[1]}/{SECRET}"
    monkeypatch.setenv(VARIABLE, made.url)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def message(*, closed: bool = False) -> Message:
    """Return what is told of a held day."""
    reason = "between_value: <value> & ask ann@example.org"
    symptom = Symptom("coast.tides", "held", frozenset({"between_value"}), (date(2024, 1, 2),), AT, reason)
    after = [Publish("coast.tides", date(2024, 1, 2), AT + timedelta(hours=2))] if closed else []
    return Message("closed" if closed else "opened", derive([symptom], after)[0], "ann@example.org")


def test_it_is_off_until_the_environment_names_an_address(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nobody is told, and nothing fails."""
    assert Notifications().on
    monkeypatch.delenv(VARIABLE)

    assert not Notifications().on
    assert not Notifications().send(message())
    assert hook.got == []


def test_a_webhook_gets_the_incident_and_slack_its_text(hook: Hook) -> None:
    """Without an address of the contract or of the record, and with what Slack takes for markup escaped."""
    Notifications().send(message(closed=True))
    Notifications(form="slack").send(message())
    told, slack = hook.got

    assert (told["event"], told["table"], told["days"]) == ("closed", "coast.tides", ["2024-01-02"])
    assert told["id"] == f"{told['incident']}-closed"
    assert "2 h after it was held" in told["text"]
    assert slack.keys() == {"text"}
    assert "&lt;value&gt; &amp; ask (someone)" in slack["text"]
    assert "the table's owner" in slack["text"]
    assert "ann@" not in json.dumps(hook.got)


def test_an_owner_may_have_an_address_of_their_own(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """And while its variable is empty, the common one is used."""
    resource = Notifications(owners={"ann@example.org": "ANN_HOOK"})
    resource.send(message())
    monkeypatch.setenv("ANN_HOOK", f"{hook.url}-ann")
    resource.send(message())

    assert hook.paths == [f"/{SECRET}", f"/{SECRET}-ann"]


@pytest.mark.parametrize("fault", ["error", "redirect", "timeout", "reset", "nobody", "garbled", "none"])
def test_the_address_is_told_nowhere(
    hook: Hook, fault: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in a log at any level, nor in an error with its traceback; and a redirect is not followed."""
    caplog.set_level(logging.DEBUG)

    def slow() -> tuple[int, dict[str, str]]:
        time.sleep(0.3)
        return 200, {}

    answers: dict[str, Any] = {
        "error": lambda: (500, {}),
        "redirect": lambda: (307, {"Location": f"{hook.url}/elsewhere"}),
        "timeout": slow,
        "reset": lambda: 1 / 0,
    }
    hook.answer = answers.get(fault, hook.answer)
    if fault == "nobody":
        monkeypatch.setenv(VARIABLE, f"http://127.0.0.1:1/{SECRET}")
    if fault == "garbled":
        monkeypatch.setenv(VARIABLE, f"http://[{SECRET}/")
    told = ""
    try:
        Notifications(timeout=0.1 if fault == "timeout" else 5).send(message())
    except NotificationError as error:
        told = "".join(traceback.format_exception(error))

    assert (told == "") == (fault == "none")
    assert SECRET not in told + caplog.text
    assert hook.paths == ([] if fault in {"nobody", "garbled"} else [f"/{SECRET}"])


@pytest.fixture
def tell(lakehouse: Lakehouse) -> Iterator[Callable[..., Any]]:
    """Return what runs days of the tides, or with none, a tick of the sensor in a process of its own."""
    values.clear()
    with dg.DagsterInstance.ephemeral() as instance:

        def act(*days: int, **said: int) -> str:
            values.update({date(2024, 1, int(name.strip("_"))): value for name, value in said.items()})
            for number in days:
                dg.materialize(
                    [make_tides],
                    instance=instance,
                    resources={"lakehouse": lakehouse},
                    partition_key=date(2024, 1, number).isoformat(),
                    raise_on_error=False,
                )
            if days:
                return ""
            defs = notifications([make_tides], Notifications())
            (sensor,) = defs.sensors or ()
            resources = {**(defs.resources or {}), "lakehouse": lakehouse}
            with dg.build_sensor_context(instance=instance, resources=resources) as context:
                return str(sensor.evaluate_tick(context).skip_message)

        yield act


def ids(hook: Hook) -> list[str]:
    """Return what was told, in order."""
    return [f"{told['table']} {told['days'][0]} {told['event']}" for told in hook.got]


def test_an_owner_is_told_once_when_one_opens_and_once_when_it_closes(tell: Callable[..., Any], hook: Hook) -> None:
    """However often the sensor looks, and however often the day is held again."""
    tell(1, 2, _1=-1)
    tell()
    tell(1)
    for _ in range(3):
        tell()
    assert ids(hook) == ["coast.tides 2024-01-01 opened"]

    tell(1, _1=5)
    said = [tell(), tell()]

    assert ids(hook) == ["coast.tides 2024-01-01 opened", "coast.tides 2024-01-01 closed"]
    assert said == ["Messages sent: 1. Incidents open: 0.", "Messages sent: 0. Incidents open: 0."]


def test_a_message_that_was_not_taken_is_sent_again(tell: Callable[..., Any], hook: Hook) -> None:
    """With the same id, until it is; the closing never comes before the opening."""
    tell(1, _1=-1)
    hook.answer = lambda: (500, {})
    with pytest.raises(NotificationError):
        tell()
    tell(1, _1=1)
    with pytest.raises(NotificationError):
        tell()
    hook.answer = lambda: (200, {})
    tell()

    assert [told["event"] for told in hook.got] == ["opened", "opened", "opened", "closed"]
    assert len({told["id"] for told in hook.got}) == 2


def test_a_process_that_dies_after_a_message_sends_it_again_with_its_id(
    tell: Callable[..., Any], hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least once: what was sent before it is remembered, and only the last one comes twice."""
    tell(1, 2, _1=-1)
    tell()
    tell(1, _1=1)
    send = Notifications.send

    def die(self: Notifications, sent: Message) -> bool:
        send(self, sent)
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Notifications, "send", die)
        with pytest.raises(SystemExit):
            tell()
    tell()
    tell()

    assert ids(hook) == [
        "coast.tides 2024-01-01 opened",
        "coast.tides 2024-01-01 closed",
        "coast.tides 2024-01-01 closed",
    ]
    assert hook.got[1] == hook.got[2]


def test_what_happened_while_nobody_was_to_be_told_is_not_told_later(
    tell: Callable[..., Any], hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is open when an address is named, and what comes after."""
    monkeypatch.delenv(VARIABLE)
    tell(1, 2, _1=-1, _2=-1)
    assert "LAKEPROOF_NOTIFY_URL is not set" in tell()
    tell(1, 2, _1=1, _2=1)
    tell(3, _3=-1)
    tell()
    monkeypatch.setenv(VARIABLE, hook.url)
    tell()

    assert ids(hook) == ["coast.tides 2024-01-03 opened"]
