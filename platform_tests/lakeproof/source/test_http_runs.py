"""A table that collects from an API: published exactly or not at all, and its credential is in no record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
import pytest

from lakeproof import Column, HttpSource, Lakehouse, Table, Window, audit, daily_table
from lakeproof.source import Offset, Retry, bearer

if TYPE_CHECKING:
    from conftest import Api, Asked, Said

SECRET = "s3cr3t-marker"  # noqa: S105 - what the tests look for
FIELDS = [Column("at", "date"), Column("value", "int")]

things = Table(
    "lab.things",
    columns=FIELDS,
    partition="at",
    layer="collection",
    start="2024-01-01",
    end="2024-02-01",
    owner="team:lab",
    audits=[audit.not_null("value")],
)
source = HttpSource(
    "/things",
    FIELDS,
    base_env="LAB_URL",
    params={"day": "{ds}"},
    items="data",
    total="total",
    pagination=Offset(2),
    auth=bearer(env="LAB_TOKEN"),
    retry=Retry(2, first=0.01),
)


@daily_table(things, delivered=source)
def collect_things(window: Window, delivered: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Take what is delivered."""
    del window
    return delivered


@pytest.fixture
def store(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    """Serve three things a day, for the token."""
    monkeypatch.setenv("LAB_URL", api.url)
    monkeypatch.setenv("LAB_TOKEN", SECRET)

    def answer(asked: Asked) -> Said:
        if asked.headers["Authorization"] != f"Bearer {SECRET}":
            return 401, {}, b"no"
        at = int(asked.params["offset"])
        items = [{"at": asked.params["day"], "value": n} for n in range(3)]
        return 200, {"ETag": '"a"'}, json.dumps({"data": items[at : at + 2], "total": 3}).encode()

    api.answer = answer
    return api


def run(lakehouse: Lakehouse, instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]) -> tuple[bool, str]:
    """Run two days; return whether it succeeded, and everything that was said of it anywhere."""
    done = dg.materialize(
        [collect_things],
        instance=instance,
        resources={"lakehouse": lakehouse},
        raise_on_error=False,
        tags={"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": "2024-01-02"},
    )
    events = [str(record) for record in instance.all_logs(done.run_id)]
    return done.success, " ".join([*events, *capfd.readouterr()])


def evidence_of(lakehouse: Lakehouse) -> str:
    """Return every text file of the warehouse."""
    table = lakehouse.catalog.load_table("lab.things")
    folder = Path(table.location().removeprefix("file://"))
    return " ".join(path.read_text() for path in folder.rglob("*.json"))


def test_days_are_published_exactly_and_told(
    store: Api, lakehouse: Lakehouse, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every row of each day is published; the evidence has pages, digests and ETags, and no record the credential."""
    with dg.instance_for_test() as instance:
        succeeded, said = run(lakehouse, instance, capfd)

    assert succeeded, said
    rows: list[Any] = lakehouse.catalog.load_table("lab.things").scan().to_arrow().to_pylist()
    assert sorted((str(row["at"]), row["value"]) for row in rows) == [
        (day, n) for day in ("2024-01-01", "2024-01-02") for n in range(3)
    ]
    evidence = evidence_of(lakehouse)
    assert '"sha256"' in evidence
    assert '"etag"' in evidence
    assert "$LAB_URL/things" in evidence
    assert SECRET not in evidence + said
    assert {asked.headers["Authorization"] for asked in store.asked} == {f"Bearer {SECRET}"}


def test_each_request_is_counted(store: Api, lakehouse: Lakehouse, capfd: pytest.CaptureFixture[str]) -> None:
    """By its host, the small ones before collection and those that failed included, and the bytes that came."""
    answer, sent = store.answer, []

    def flaky(asked: Asked) -> Said:
        status, headers, body = (503, {}, b"") if len(store.asked) == 5 else answer(asked)
        sent.append(len(body))
        return status, headers, body

    store.answer = flaky
    with dg.instance_for_test() as instance:
        succeeded, said = run(lakehouse, instance, capfd)
        events = instance.fetch_materializations(collect_things.key, limit=10).records

    assert succeeded, said
    told = [record.asset_materialization.metadata for record in events if record.asset_materialization]
    host = store.url.removeprefix("http://")
    requests = sum(metadata[f"used: requests to {host}"].value for metadata in told)
    assert requests == len(store.asked) + 1  # and a HEAD, which this server does not know
    assert sum(metadata["used: bytes read"].value for metadata in told) == sum(sent)


@pytest.mark.parametrize("fault", ["expired", "expires", "renamed"])
def test_what_is_refused_is_collected_nowhere(
    store: Api, lakehouse: Lakehouse, capfd: pytest.CaptureFixture[str], fault: str
) -> None:
    """A credential that expired, one that does while it is used, and a renamed field: nothing is published or told."""
    answer = store.answer
    left = [10_000 if fault == "renamed" else 0 if fault == "expired" else 5]

    def spoilt(asked: Asked) -> Said:
        left[0] -= 1
        if left[0] < 0:
            return 401, {}, f"Bearer {SECRET} has expired".encode()
        status, headers, body = answer(asked)
        return status, headers, body.replace(b'"value"', b'"values"') if fault == "renamed" else body

    store.answer = spoilt
    with dg.instance_for_test() as instance:
        succeeded, said = run(lakehouse, instance, capfd)

    assert not succeeded
    assert ("Did you mean values?" if fault == "renamed" else "401 Unauthorized: *** has expired") in said
    assert SECRET not in said
    if lakehouse.catalog.table_exists("lab.things"):
        assert lakehouse.catalog.load_table("lab.things").current_snapshot() is None
