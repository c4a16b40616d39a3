"""No drift that loses data goes unnoticed: rows come exactly, or are refused, whatever a server does to its items."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakeproof import Column, HttpSource
from lakeproof.errors import SourceError
from lakeproof.source import Offset, Retry

if TYPE_CHECKING:
    from conftest import Api, Asked, Said

FIELDS = [
    Column("flag", "boolean"),
    Column("small", "int"),
    Column("large", "long"),
    Column("share", "double"),
    Column("price", "decimal(10, 2)"),
    Column("day", "date"),
    Column("at", "timestamptz"),
    Column("word", "string"),
]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "flag": st.booleans(),
    "small": st.integers(-(2**31), 2**31 - 1),
    "large": st.integers(-(2**63), 2**63 - 1),
    "share": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53),
    "price": st.decimals(-(10**7), 10**7, places=2),
    "day": st.dates(),
    "at": st.datetimes(timezones=st.just(UTC)),
    "word": st.text(),
}
ITEM = st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()})
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
LIMIT = 3


def written(value: Any) -> Any:
    """Return a value as a server writes it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, date | Decimal) else value


def read_back(name: str, value: Any) -> Any:
    """Return what a reader of the contract must see for what a server wrote; the test's own idea of it."""
    if value is None:
        return None
    if name == "price":
        return Decimal(str(value))
    if name == "day":
        return date.fromisoformat(value)
    if name == "at":
        return datetime.fromisoformat(value)
    return value


def serve(api: Api, items: list[dict[str, Any]], total: int) -> HttpSource:
    """Serve items in pages of three, and return the source that collects them."""

    def answer(asked: Asked) -> Said:
        at = int(asked.params["offset"])
        said = {"data": items[at : at + LIMIT], "total": total}
        return 200, {}, json.dumps(said).encode()

    api.answer = answer
    return HttpSource(
        "/things",
        FIELDS,
        base=api.url,
        items="data",
        total="total",
        pagination=Offset(LIMIT),
        retry=Retry(attempts=1),
    )


def collect(source: HttpSource) -> tuple[list[dict[str, Any]], str]:
    """Return the rows of a source, or why it refused."""
    try:
        return source.read(None).rows.read_all().to_pylist(), ""
    except SourceError as error:
        return [], str(error)


def same(found: Any, wanted: Any) -> bool:
    """Whether two values are the same, and neither true for 1 nor text for a number."""
    if isinstance(wanted, bool) or isinstance(found, bool):
        return found is wanted
    return found == wanted and isinstance(found, str) == isinstance(wanted, str)


QUICK = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@QUICK
@given(items=st.lists(ITEM, max_size=8, unique_by=lambda item: json.dumps(item, default=str)))
def test_sound_items_come_exactly(api: Api, items: list[dict[str, Any]]) -> None:
    """Every value that a contract can hold comes as it was, of every item, in order."""
    sent = [{name: written(value) for name, value in item.items()} for item in items]
    source = serve(api, sent, len(sent))

    assert source.read(None).rows.read_all().to_pylist() == items
    assert source.precheck(None).faults == ()


@QUICK
@given(
    items=st.lists(ITEM, min_size=1, max_size=8, unique_by=lambda item: json.dumps(item, default=str)),
    drift=st.sampled_from(["drop", "rename", "replace", "extra", "text", "lose"]),
    name=st.sampled_from(list(VALUES)),
    other=ANY_JSON,
    data=st.data(),
)
def test_drifted_items_come_exactly_or_are_refused(
    api: Api, items: list[dict[str, Any]], drift: str, name: str, other: Any, data: st.DataObject
) -> None:
    """A field dropped, renamed, replaced by anything, or written as text, and an item lost, are never unnoticed."""
    sent = [{key: written(value) for key, value in item.items()} for item in items]
    place = data.draw(st.integers(0, len(sent) - 1))
    item = sent[place]
    if drift == "drop":
        del item[name]
    elif drift == "rename":
        item[f"{name}_"] = item.pop(name)
    elif drift == "replace":
        item[name] = other
    elif drift == "extra":
        item["more"] = other
    elif drift == "text":
        item[name] = str(item[name])
    elif drift == "lose":
        del sent[place]

    rows, refused = collect(serve(api, sent, len(items)))

    if refused:
        assert drift != "extra" or "which JSON has not" in refused
        assert drift in {"lose", "extra"} or (f"[{place % LIMIT}]" in refused and name in refused)
        return
    assert drift not in {"drop", "rename", "lose"}
    assert len(rows) == len(sent)
    for row, given_item in zip(rows, sent, strict=True):
        for field in FIELDS:
            assert same(row[field.name], read_back(field.name, given_item[field.name])), (field.name, given_item)


@QUICK
@given(body=st.binary(max_size=60) | ANY_JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_refused(api: Api, body: bytes) -> None:
    """Whatever a server sends, nothing but a refusal comes of it, or rows that it holds."""
    api.says(body)
    source = HttpSource("/x", [Column("id", "int")], base=api.url, retry=Retry(attempts=1))

    rows, refused = collect(source)

    if not refused:
        assert rows == [{"id": item["id"]} for item in json.loads(body)]
    try:
        faults = source.precheck(None).faults
    except SourceError:
        faults = ("cannot be read",)
    assert bool(faults) == bool(refused)
