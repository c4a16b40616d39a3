"""A member that comes twice in an object of JSON, and objects within objects without end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lakeproof import Column, HttpSource
from lakeproof.errors import SourceError
from lakeproof.source import Retry

if TYPE_CHECKING:
    from conftest import Api

FIELDS = [Column("id", "int"), Column("lat", "double")]
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
