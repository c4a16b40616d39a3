"""An API of any build as a source: pages, names, types, redirects, waits."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from lakeproof import Column, HttpSource, Window
from lakeproof.errors import ContractError, SourceError
from lakeproof.source import Cursor, DayIndex, LinkHeader, NextLink, Offset, OnePage, PageNumber, Rate, Retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Api, Asked, Said

ID = [Column("id", "int")]
ITEMS = [{"id": number} for number in range(7)]


def source_of(api: Api, **changes: Any) -> HttpSource:
    """Return a source without days that reads the ids of a server."""
    given: dict[str, Any] = {"path": "/things", "fields": ID, "base": api.url, "retry": Retry(3, first=0.01)}
    return HttpSource(**(given | changes))


def read(source: HttpSource, window: Window | None = None) -> list[dict[str, Any]]:
    """Return all rows of a source."""
    rows: list[dict[str, Any]] = source.read(window).rows.read_all().to_pylist()
    return rows


def paged(asked: Asked) -> Said:
    """Answer with three of the items: by offset, page number, or cursor; a link, a header and a cursor lead on."""
    at = int(asked.params.get("offset", 3 * int(asked.params.get("page", 0))))
    at = int(asked.params.get("after", at))
    more = at + 3 < len(ITEMS)
    link = f"/things?offset={at + 3}"
    headers = {"Link": f'<{link}>; rel="next", </>; rel="first"'} if more else {}
    meta = {"next": link if more else None, "cursor": str(at + 3) if more else None, "count": len(ITEMS)}
    return 200, headers, json.dumps({"list": ITEMS[at : at + 3], "meta": meta}).encode()


@pytest.mark.parametrize("total", [None, "meta.count"])
@pytest.mark.parametrize(
    "pagination",
    [
        LinkHeader(),
        NextLink("meta.next"),
        Cursor("after", "meta.cursor"),
        Offset(3),
        PageNumber("page", start=0),
        # The server gives less than it is asked for: a short page is not the last.
        Offset(5),
    ],
    ids=repr,
)
def test_every_page_comes(api: Api, pagination: Any, total: str | None) -> None:
    """Link header, link in the answer, cursor, offset and page number lead through all pages to the last row."""
    api.answer = paged

    assert read(source_of(api, items="list", pagination=pagination, total=total)) == ITEMS


def test_a_loop_of_pages_ends(api: Api) -> None:
    """Pages that never end are refused after a limit."""
    api.answer = lambda _: (200, {}, json.dumps([{"id": len(api.asked)}]).encode())

    with pytest.raises(SourceError, match="more than 5 pages"):
        read(source_of(api, pagination=PageNumber(), most_pages=5))


def test_a_total_that_changes_is_refused(api: Api) -> None:
    """A day that changes while it is read is not a day."""
    api.says({"list": [{"id": 1}], "n": 3}, {"list": [{"id": 2}], "n": 4})

    with pytest.raises(SourceError, match="had 3 rows, and now has 4"):
        read(source_of(api, items="list", total="n", pagination=Offset(1)))


TYPED = [
    ("boolean", True, True),
    ("int", -5, -5),
    ("long", 2**63 - 1, 2**63 - 1),
    ("float", 0.1, 0.10000000149011612),
    ("double", 3, 3.0),
    ("double", 0.1, 0.1),
    ("decimal(5, 2)", "1.25", Decimal("1.25")),
    ("decimal(5, 2)", 1.25, Decimal("1.25")),
    ("date", "2013-02-28", date(2013, 2, 28)),
    ("timestamp", "2013-02-28T10:00:00.000001", datetime(2013, 2, 28, 10, 0, 0, 1)),  # noqa: DTZ001 - has no zone
    ("timestamptz", "2013-02-28T10:00:00+02:00", datetime(2013, 2, 28, 8, tzinfo=UTC)),
    ("string", "a\u0000ß", "a\u0000ß"),
    ("uuid", "00000000-0000-0000-0000-000000000001", UUID(int=1)),
    ("binary", "AAE=", b"\x00\x01"),
]


@pytest.mark.parametrize(("kind", "sent", "value"), TYPED)
def test_a_value_comes_as_its_type(api: Api, kind: str, sent: Any, value: Any) -> None:
    """Each type of a contract has one way of writing it in JSON, and null is null."""
    api.says([{"v": sent}, {"v": None}])

    assert read(source_of(api, fields=[Column("v", kind)])) == [{"v": value}, {"v": None}]


def test_a_time_comes_as_its_type(api: Api) -> None:
    """A time of day too, with up to six decimals."""
    api.says([{"v": "10:30:00.000001"}])

    assert str(read(source_of(api, fields=[Column("v", "time")]))[0]["v"]) == "10:30:00.000001"


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("boolean", "1"),
        ("boolean", '"true"'),
        ("int", "2147483648"),
        ("int", "12.5"),
        ("int", "12.0"),
        ("int", "true"),
        ("long", "9223372036854775808"),
        ("long", '"1"'),
        ("float", "0.123456789"),
        ("float", "16777217"),
        ("float", "1e39"),
        ("double", "9007199254740993"),
        ("double", "1e400"),
        ("double", '"1.5"'),
        ("double", "NaN"),
        ("double", "-Infinity"),
        ("decimal(5, 2)", "1.255"),
        ("decimal(5, 2)", "12345.25"),
        ("decimal(5, 2)", '"NaN"'),
        ("decimal(5, 2)", "1e999999"),
        ("date", '"2013-02-30"'),
        ("date", '"2013-02-28T00:00:00"'),
        ("date", "20130228"),
        ("time", '"25:00:00"'),
        ("time", '"10:00:00.1234567"'),
        ("timestamp", '"2013-02-28T10:00:00Z"'),
        ("timestamp", '"2013-02-28"'),
        ("timestamptz", '"2013-02-28T10:00:00"'),
        ("timestamptz", '"2013-02-28T10:00:00.1234567Z"'),
        ("timestamptz", "1361959200"),
        ("string", "12"),
        ("string", r'"\ud800"'),
        ("string", '{"a": 1}'),
        ("uuid", '"1"'),
        ("binary", '"A*"'),
    ],
)
def test_a_value_that_does_not_fit_is_refused(api: Api, kind: str, sent: str) -> None:
    """What would be lost, rounded or guessed is named with its item, and asked for once; a pre-check names it too."""
    api.says(f'[{{"v": null}}, {{"v": {sent}}}]'.encode())
    source = source_of(api, fields=[Column("v", kind)])

    with pytest.raises(SourceError, match=r"/things, page 1.*\[1\].*v.* is ") as caught:
        read(source)

    assert len(api.asked) == 1
    shown = sent.strip('"').replace("Infinity", "inf").replace("NaN", "nan")[:10].lower()
    assert shown in str(caught.value).lower()
    assert len(source.precheck(None).faults) == 1


def test_a_field_may_stand_elsewhere(api: Api) -> None:
    """Names lead to other names and into objects; an object that is null is null throughout."""
    fields = [Column("flight_id", "int"), Column("lat", "double"), Column("lon", "double")]
    names = {"flight_id": "flightId", "lat": "at.location.lat", "lon": "at.location.lon"}
    api.says([{"flightId": 1, "at": {"location": {"lat": 1.5, "lon": 2}}}, {"flightId": 2, "at": {"location": None}}])
    source = source_of(api, fields=fields, names=names)

    assert read(source) == [{"flight_id": 1, "lat": 1.5, "lon": 2.0}, {"flight_id": 2, "lat": None, "lon": None}]
    assert source.precheck(None).faults == ()
    assert source.precheck(None).items[0] == {"flight_id": 1, "lat": 1.5, "lon": 2}
    api.says([{"flightId": 1, "at": {"location": {"latitude": 1.5, "lon": 2}}}])
    with pytest.raises(SourceError, match=r"field at.location.lat is gone"):
        read(source)
    assert "field at.location.lat is gone. Did you mean at.location.latitude?" in source.precheck(None).faults[0]


def test_null_may_be_left_out_where_it_is_declared(api: Api) -> None:
    """A member that is absent is null only where the source says that it leaves out nulls, and a rename is seen."""
    fields = [Column("id", "int"), Column("note", "string")]
    api.says([{"id": 1}, {"id": 2, "note": "x"}])

    assert read(source_of(api, fields=fields, omits_null=True))[0] == {"id": 1, "note": None}
    assert source_of(api, fields=fields, omits_null=True).precheck(None).faults == ()
    with pytest.raises(SourceError, match=r"\[0\]: field note is gone"):
        read(source_of(api, fields=fields))
    assert "field note is gone from 1 of 2 items" in source_of(api, fields=fields).precheck(None).faults[0]
    api.says([{"id": 1, "notes": "x"}])
    assert "Did you mean notes?" in source_of(api, fields=fields, omits_null=True).precheck(None).faults[0]


@pytest.mark.parametrize(
    "body", [b"{}", b'{"list": {}}', b'{"list": [1]}', b'"x"', b'{"list": null}', b'{"list": [{"id": 1}, null]}']
)
def test_an_answer_of_another_build_is_refused(api: Api, body: bytes) -> None:
    """Items that are not where they were declared are refused, and named by the pre-check."""
    api.says(body)

    with pytest.raises(SourceError, match=r"not (built )?as declared"):
        read(source_of(api, items="list"))
    assert source_of(api, items="list").precheck(None).faults


def test_a_redirect_stays_on_its_server(api: Api) -> None:
    """A redirect is followed within the server, and refused to any other, a request never sent there."""
    api.answer = lambda asked: (302, {"Location": "/b"}, b"") if asked.path == "/things" else (200, {}, b'[{"id": 1}]')
    assert read(source_of(api)) == [{"id": 1}]

    api.answer = lambda _: (302, {"Location": api.url.replace("127.0.0.1", "localhost")}, b"")
    with pytest.raises(SourceError, match="another server"):
        read(source_of(api))
    api.answer = lambda _: (302, {"Location": "/things"}, b"")
    with pytest.raises(SourceError, match="redirected 5 times"):
        read(source_of(api))


def test_a_wait_that_is_asked_for_is_kept(api: Api) -> None:
    """`Retry-After` may be a date; one that is too far off is not waited for."""
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
    api.answer = lambda _: (503, {"Retry-After": soon}, b"") if len(api.asked) < 2 else (200, {}, b'[{"id": 1}]')
    assert read(source_of(api)) == [{"id": 1}]

    api.answer = lambda _: (429, {"Retry-After": "3600"}, b"")
    with pytest.raises(SourceError, match=r"asks to wait 3,600 s, more than 60"):
        read(source_of(api))
    assert len(api.asked) == 3


def test_an_answer_that_will_not_change_is_not_asked_for_again(api: Api) -> None:
    """A path that is not there is refused at once, with what the server said."""
    api.answer = lambda _: (404, {}, b"no such\n thing" + b"!" * 500)

    with pytest.raises(SourceError, match=r"it answers 404 Not Found: no such thing!+…") as caught:
        read(source_of(api))

    assert len(api.asked) == 1
    assert len(str(caught.value)) < 500


def test_a_page_that_is_too_large_is_refused(api: Api) -> None:
    """A limit on a page holds unpacked too, so that a small body cannot fill the memory."""
    body = json.dumps([{"id": 1, "pad": "x" * 5_000_000}]).encode()
    for headers, sent in (({}, body), ({"Content-Encoding": "gzip"}, gzip.compress(body))):
        api.answer = lambda _, headers=headers, sent=sent: (200, headers, sent)  # type: ignore[misc]
        with pytest.raises(SourceError, match="larger than 1,000,000 bytes"):
            read(source_of(api, most_bytes=1_000_000))


def test_a_body_that_drips_runs_out_of_time(api: Api) -> None:
    """An attempt's time holds for the whole body, however often a byte of it comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            peer, _ = server.accept()
            peer.recv(65_536)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            with contextlib.suppress(OSError), peer:
                for _ in range(60):
                    peer.sendall(b" ")
                    time.sleep(0.05)

        thread = threading.Thread(target=drip)
        thread.start()
        base, began = f"http://127.0.0.1:{server.getsockname()[1]}", time.monotonic()
        with pytest.raises(SourceError, match=r"no answer within 0.3 s"):
            read(source_of(api, base=base, timeout=0.3, retry=Retry(1)))
        took = time.monotonic() - began
        thread.join()

    assert took < 1.5


def test_a_link_that_is_none_is_refused(api: Api) -> None:
    """A link to something else than a server, or with a name and password, is refused with its page."""
    for link in ("ftp://127.0.0.1/x", api.url.replace("//", "//user:word@"), "http://[x"):
        api.says({"list": [{"id": 1}], "next": link})
        with pytest.raises(SourceError, match=r"/things, page 2: ") as caught:
            read(source_of(api, items="list", pagination=NextLink()))
        assert "word@" not in str(caught.value)


def test_days_are_read_one_by_one(api: Api) -> None:
    """A placeholder in the path asks for each day; its edges are instants of the table's zone."""
    api.says([{"id": 1}])
    window = Window.of("2013-01-05", "2013-01-06", "America/New_York")
    source = source_of(api, path="/things/{ds_nodash}", params={"since": "{start}"})

    assert len(read(source, window)) == 2
    assert [asked.path for asked in api.asked] == ["/things/20130105", "/things/20130106"]
    assert api.asked[0].params == {"since": "2013-01-05T05:00:00+00:00"}
    with pytest.raises(SourceError, match="asked for no day"):
        read(source)


def test_a_source_without_days_is_complete_when_it_has_rows(api: Api) -> None:
    """Without a list of days and without a total, a row is what there is to go by; it cannot count."""
    api.says([{"id": 1}])
    assert source_of(api).complete(None)[None].complete
    assert source_of(api).count(None) is None
    assert source_of(api).version(None) == {}
    api.says([])
    assert not source_of(api).complete(None)[None].complete
    assert source_of(api).precheck(None).faults == ()


def test_a_list_of_days_may_say_less(api: Api) -> None:
    """A list without counts and marks says which days there are; one of another build is refused."""
    api.says({"data": [{"date": "2013-01-05"}]})
    window = Window.of("2013-01-05", "2013-01-06")
    source = source_of(api, path="/things/{ds}", days=DayIndex("/days", params={"since": "{first}"}))

    assert [day.complete for day in source.complete(window).values()] == [True, False]
    assert api.asked[0].params == {"since": "2013-01-05"}
    api.says({"data": [{"day": "2013-01-05"}]})
    assert "list of days is not as declared" in source.complete(window)[date(2013, 1, 5)].reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base": None}, "base_env"),
        ({"base_env": "X"}, "one of base"),
        ({"base": "ftp://x"}, "plain http"),
        ({"base": "https://user:secret@x"}, "holds a credential"),
        ({"path": "/a?key=1"}, "has a query"),
        ({"path": "/a/{dss}"}, "Did you mean ds"),
        ({"params": {"d": "{dss}"}}, "Did you mean ds"),
        ({"names": {"idd": "x"}}, "Did you mean id"),
        ({"fields": [*ID, Column("b", "int")], "names": {"b": "id.b"}}, "is read as a value"),
        ({"total": "n"}, "nothing can stand beside it"),
        ({"items": "a", "total": "a.n"}, "is read as a value"),
    ],
)
def test_a_wrong_declaration_is_refused_at_once(api: Api, changes: dict[str, Any], words: str) -> None:
    """A slip is found when the source is declared, and says what it is."""
    with pytest.raises(ContractError, match=words) as caught:
        source_of(api, **changes)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [lambda: Rate(0), lambda: Rate(1, seconds=0), lambda: Retry(0), lambda: Offset(0), lambda: OnePage(limit=0)],
)
def test_a_wrong_limit_is_refused(wrong: Any) -> None:
    """A rate, a retry and a page that let nothing through are slips."""
    with pytest.raises(ContractError):
        wrong()


def test_a_small_call_is_less_patient_than_a_page(api: Api) -> None:
    """Pre-check, completeness and count give a source up after three attempts; pages are asked for as often as said."""
    api.answer = lambda _: (503, {}, b"")
    source = source_of(api, items="data", total="total", retry=Retry(5, first=0.01))

    def asked(call: Callable[[], object]) -> int:
        api.asked.clear()
        with contextlib.suppress(SourceError):
            call()
        return len(api.asked)

    small = [lambda: source.precheck(None), lambda: source.complete(None), lambda: source.count(None)]
    assert [asked(call) for call in small] == [3, 3, 3]
    assert asked(source.read(None).rows.read_all) == 5
    assert not source.complete(None)[None].complete
