"""A landing prefix of a bucket is read as a folder is."""

from __future__ import annotations

import gzip
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import servers
from pyiceberg.io.pyarrow import PyArrowFileIO

from lakeproof import Column, LandingSource, Window
from lakeproof.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = "s3://records/landing"
FIELDS = [Column("origin", "string"), Column("temp", "double")]
DAY = Window.of("2013-01-05")


@pytest.fixture(scope="module")
def bucket() -> Iterator[PyArrowFileIO]:
    """Return a bucket to land files in, which the environment knows."""
    with servers.seaweed() as properties, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", properties["s3.endpoint"])
        environment.setenv("AWS_ACCESS_KEY_ID", properties["s3.access-key-id"])
        environment.setenv("AWS_SECRET_ACCESS_KEY", properties["s3.secret-access-key"])
        environment.setenv("AWS_REGION", properties["s3.region"])
        yield PyArrowFileIO(properties)


def put(bucket: PyArrowFileIO, name: str, content: bytes) -> None:
    """Land a file."""
    scheme, netloc, path = PyArrowFileIO.parse_location(f"{ROOT}/{name}")
    # As it is: by itself Arrow would compress what is called .gz.
    with bucket.fs_by_scheme(scheme, netloc).open_output_stream(path, compression=None) as out:
        out.write(content)


def test_a_day_is_collected_from_a_bucket(bucket: Any) -> None:
    """Files below a prefix are listed, judged and read; what is cut short is refused by name, and no key is told."""
    source = LandingSource("{ds}/*", FIELDS, root=ROOT, settle=timedelta(0), marker="_SUCCESS")
    put(bucket, "2013-01-05/a.csv", b"origin,temp\nEWR,1.5\n")
    put(bucket, "2013-01-05/b.jsonl.gz", gzip.compress(b'{"origin":"JFK","temp":null}\n'))
    put(bucket, "2013-01-06/a.csv", b"origin,temp\nLGA,3\n")
    assert [one.complete for one in source.complete(DAY).values()] == [False]
    put(bucket, "2013-01-05/_SUCCESS", b"")
    assert [one.complete for one in source.complete(DAY).values()] == [True]

    delivery = source.read(DAY)

    assert source.precheck(DAY).faults == ()
    assert delivery.rows.read_all().to_pylist() == [{"origin": "EWR", "temp": 1.5}, {"origin": "JFK", "temp": None}]
    assert [file["name"] for file in delivery.told["files"]] == ["2013-01-05/a.csv", "2013-01-05/b.jsonl.gz"]
    before = source.version(DAY)
    put(bucket, "2013-01-05/b.jsonl.gz", gzip.compress(b'{"origin":"JFK","temp":null}\n')[:-5])
    assert source.version(DAY) != before
    with pytest.raises(SourceError, match=r"2013-01-05/b\.jsonl\.gz: it cannot be read to its end"):
        source.read(DAY).rows.read_all()


def test_a_refused_bucket_is_not_complete(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that the bucket does not take leaves the day not complete, with a reason that does not tell the key."""
    del bucket
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "m4rker")
    source = LandingSource("{ds}/*.csv", FIELDS, root=ROOT)

    [found] = source.complete(DAY).values()

    assert not found.complete
    assert "cannot be listed" in found.reason
    assert "m4rker" not in found.reason
