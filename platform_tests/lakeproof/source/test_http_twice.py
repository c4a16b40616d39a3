"""A member that comes twice in an object of JSON, and objects within objects without end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lakeproof import Column, HttpSource
from lakeproof.errors import SourceError
from lakeproof.source import Retry
from lakeproof.source.twice import surely_once

if TYPE_CHECKING:
    from conftest import Api

FIELDS = [Column("id", "int"), Column("lat", "double")]
SPACES = st.sampled_from(["", " ", "\n", "\t\r"])
MEMBERS = st.tuples(
    st.sampled_from([r'"id"', r'"i\u0064"', r'"a\":"', r'"a:"', '""']),
    SPACES,
    st.sampled_from(["1", '"x"', r'"\":"', '": "', "{}", '{"id":1}', '[{"id":1,"id":2}]', "null"]),
)
FIRST = '{"id": 1, "lat": 1.5}'


def read(api: Api, body: str, *, nested: bool = False, omits: bool = False) -> list[int]:
    """Return the ids that are read of an answer."""
    names = {"lat": "at.lat"} if nested else {}
    source = HttpSource(
        "/things",
        FIELDS,
        base=api.url,
        items="data",
        total="meta.total",
        names=names,
        omits_null=omits,
        retry=Retry(1),
    )
    api.says(body.encode())
    found: list[int] = source.read(None).rows.read_all()["id"].to_pylist()
    return found


def answer(second: str) -> str:
    """Return an answer with two items."""
    return f'{{"data": [{FIRST}, {second}], "meta": {{"total": 2}}}}'


@pytest.mark.parametrize("omits", [False, True])
@pytest.mark.parametrize(
    "item",
    [
        '{"id": 2, "lat": 1.5, "id": 3}',
        r'{"id": 2, "lat": 1.5, "i\u0064": 3}',
        '{"id" : 2, "lat": 1.5, "id": 3}',
        '{"id": 2, "lat": 1.5, "other": {"x": 1}, "id": 3}',
        r'{"id": 2, "lat": 1.5, "note": "\":", "id": 3}',
    ],
)
def test_a_field_that_comes_twice_is_named(api: Api, item: str, *, omits: bool) -> None:
    """However it is written, and whatever else is in the item: one of its values would be lost."""
    with pytest.raises(SourceError, match=r"page 1, data\[1\]: field id comes twice\. The item: {"):
        read(api, answer(item), omits=omits)


def test_a_field_within_an_object_that_comes_twice_is_named(api: Api) -> None:
    """Likewise where it is nested, or what it is nested in comes twice."""
    for at in ('"at": {"lat": 1, "lat": 2}', '"at": {"lat": 1}, "at": {"lat": 2}'):
        body = f'{{"data": [{{"id": 1, "at": null}}, {{"id": 2, {at}}}], "meta": {{"total": 2}}}}'
        with pytest.raises(SourceError, match=r"data\[1\]: field (lat|at) comes twice"):
            read(api, body, nested=True)


@pytest.mark.parametrize(
    "body",
    [
        f'{{"data": [{FIRST}], "data": [{FIRST}], "meta": {{"total": 1}}}}',
        f'{{"data": [{FIRST}], "meta": {{"total": 2, "total": 1}}}}',
        f'{{"data": [{FIRST}], "meta": {{"total": 2}}, "meta": {{"total": 1}}}}',
    ],
)
def test_an_answer_with_two_lists_or_totals_is_refused(api: Api, body: str) -> None:
    """The items of the first would be lost, or the count that tells of a loss."""
    with pytest.raises(SourceError, match=r"page 1: the answer has (data|total|meta) twice"):
        read(api, body)


@pytest.mark.parametrize(
    "item",
    [
        '{"id": 2, "lat": 1.5, "other": 1, "other": 2}',
        '{"id": 2, "lat": 1.5, "other": "id\\": id\\":"}',
        '{"id" : 2, "lat":1.5}',
    ],
)
def test_nothing_else_is_taken_for_a_field_that_comes_twice(api: Api, item: str) -> None:
    """What the contract does not read may come as often as it likes."""
    assert read(api, answer(item)) == [1, 2]


@pytest.mark.parametrize("deep", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000])
def test_json_without_bottom_is_refused(api: Api, deep: str) -> None:
    """Nesting that no reader follows is the source's fault, wherever in an answer it is."""
    for body in (deep, answer(f'{{"id": 2, "lat": 1, "other": {deep}}}')):
        with pytest.raises(SourceError, match="/things, page 1: "):
            read(api, body)


@pytest.mark.parametrize(
    "body",
    [
        f'{{"meta": {{"total": 1, "of": [1]}}, "data": [{FIRST}]}}',
        f'{{"data": [{FIRST}], "meta": {{"total": 1}}, "more": [], "and": "]"}}',
        f'{{"x": "[", "data": [{FIRST}], "meta": {{"total": 1, "note": "]"}}}}',
        f'{{"x": "\\"[", "data" : [ {FIRST} ] , "meta": {{"total": 1}}}}',
        '{"data": [{"id": 1, "lat": 1.5, "other": "[]]"}], "meta": {"total": 1}}',
        f'{{"é": [], "data": [{FIRST}], "meta": {{"total": 1}}}}',
    ],
)
def test_the_items_are_found_wherever_brackets_are(api: Api, body: str) -> None:
    """A bracket within text, or of another list, is not taken for the begin or end of the items."""
    assert read(api, body) == [1]


@pytest.mark.parametrize("key", ["x", "data"])
def test_a_list_elsewhere_is_not_taken_for_the_items(api: Api, key: str) -> None:
    """An answer whose items are no list is refused, even where it has another that would do."""
    body = f'{{"data": null, "{key}": {{"data": [{FIRST}]}}, "meta": {{"total": 1}}}}'
    with pytest.raises(SourceError, match="page 1"):
        read(api, body)


def test_an_answer_without_the_object_that_has_its_items_is_refused(api: Api) -> None:
    """Also of a source that leaves out what is null: an answer without items is no answer without rows."""
    source = HttpSource("/things", FIELDS, base=api.url, items="result.items", omits_null=True, retry=Retry(1))
    api.says(b'{"note": []}')
    with pytest.raises(SourceError, match="missing required field `result`"):
        source.read(None).rows.read_all()


@given(
    items=st.lists(st.lists(MEMBERS, max_size=4), max_size=4),
    members=st.none() | st.integers(0, 3),
    told=st.booleans(),
)
@example(items=[[('"id"', "", "1"), ('"id"', " ", "2")]], members=None, told=True)
@example(items=[[('"id"', "", '"x"'), ('"id"', "", "2")]], members=1, told=True)
def test_whoever_counts_is_never_sure_of_a_member_that_comes_twice(
    items: list[list[tuple[str, str, str]]], members: int | None, *, told: bool
) -> None:
    """However names are written and whatever text looks like a name: at any level, counting finds all that is there."""
    body = "[" + ",".join("{" + ",".join(f"{a}{b}:{c}" for a, b, c in item) + "}" for item in items) + "]"
    twice = False

    def look(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal twice
        twice |= len(dict(pairs)) < len(pairs)
        return dict(pairs)

    read_back = json.loads(body, object_pairs_hook=look)
    # What is known of the items is true: each has so many different members at least.
    known = min([members or 0, *map(len, read_back)]) * len(read_back)
    texts = sum(type(value) is str for item in read_back for value in item.values()) if told else 0
    sure = surely_once(body.encode(), None if members is None else known, texts)

    assert not (sure and twice)


def test_counting_is_enough_for_items_as_most_write_them() -> None:
    """Else each member would be looked at, which takes longer than all else: also where some are not taken."""
    assert surely_once(b'[{"id":1,"at":"10:00:00Z"},{"id":2,"at":"see: this"}]', 4)
    assert surely_once(b'[{"id": 1, "at": null}, {"id": 2, "at": "x", "more": 1}]', 4)
    assert surely_once(b"[]")
    assert surely_once(b'[{"id":1,"at":": x"},{"id":2,"at":null}]', 4, 1)
