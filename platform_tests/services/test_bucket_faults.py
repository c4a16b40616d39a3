"""A bucket that refuses, is busy, or breaks off: one refusal, readers have the old day, and the same command works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import servers
from faulty import Faulty, Hasty, faulty
from pair import Pair, configured

if TYPE_CHECKING:
    from collections.abc import Iterator

MOMENTS = {
    "input": r"GET /lake/{name}/raw/data/.*parquet$",
    "claim": r"PUT /records/{name}/made/staging/.*running",
    "stage": r"PUT /lake/{name}/made/data/",
    "audit": r"GET /lake/{name}/made/data/.*parquet$",
    "evidence": r"PUT /records/{name}/made/evidence/",
    "commit": r"PUT /lake/{name}/made/metadata/",
}
"""What a run asks of the bucket at each step; the metadata file itself is written by the catalog's server."""

SAID = {
    "403": ("ACCESS_DENIED", "see that the lake's key is right"),
    "503": ("SERVICE_UNAVAILABLE", "run the same command again later"),
    "slow-down": ("SLOW_DOWN", "run the same command again later"),
    "cut": ("NETWORK_CONNECTION", "see whether the bucket's endpoint is up"),
}
CASES = {
    "input": ("403", "cut"),
    "claim": ("403",),
    "stage": ("403", "503", "slow-down", "cut"),
    "audit": ("403", "503", "cut"),
    "evidence": ("403", "503"),
    "commit": ("403", "slow-down", "cut"),
}


PROJECT = """
import dagster as dg
import polars as pl
from lakeproof import Lakehouse, daily_table
from publisher import readings

@daily_table(readings("{name}.made"), raw=readings("{name}.raw"))
def copied(raw: pl.DataFrame) -> pl.DataFrame:
    return raw

defs = dg.Definitions(assets=[copied], resources={{"lakehouse": Lakehouse(catalog_name="{catalog}")}})
"""


@pytest.fixture(scope="module")
def proxy() -> Iterator[tuple[Faulty, dict[str, str]]]:
    """Return a proxy before a real S3 server, and the properties of a catalog whose tables lie behind it."""
    with servers.seaweed() as properties, faulty(properties["s3.endpoint"]) as before:
        yield before, properties


@pytest.fixture(scope="module")
def pair(proxy: Any) -> Iterator[Pair]:
    """Return two tables with an old day, whose runs ask a bucket only twice."""
    before, properties = proxy
    hasty = {"s3.endpoint": before.url, "s3.retry-strategy-impl": f"{Hasty.__module__}.{Hasty.__name__}"}
    with configured(properties | hasty) as lakehouse:
        yield Pair(properties, lakehouse)


@pytest.mark.parametrize("moment", CASES)
def test_a_bucket_that_refuses_for_good_publishes_nothing(proxy: Any, pair: Pair, moment: str) -> None:
    """The refusal says what, of which table and day, what readers see and what to do, and tells nothing secret."""
    before, properties = proxy
    old, snapshots = pair.seen()
    pair.give(pair.value + 1)
    hidden = (properties["s3.secret-access-key"], "Signature", "uploadId", "X-Amz", "Credential=")

    for kind in CASES[moment]:
        with before.fault(kind, MOMENTS[moment].format(name=pair.name)) as fault:  # type: ignore[arg-type]  # a kind
            done = pair.run()

        code, remedy = SAID[kind]
        assert code in done.refusal
        assert f"{pair.name}.made 2024-01-01" in done.refusal
        assert "\nReaders: see what they saw before this run\n" in done.refusal
        assert f"\nNext: {remedy}" in done.refusal
        assert pair.seen() == (old, snapshots)
        assert len(fault.seen) == (1 if kind == "403" else 2)
        assert [word for word in hidden if word in done.told] == []

    assert pair.run().refusal == ""
    assert pair.seen() == ({pair.value}, snapshots + 1)


def test_polars_that_reads_by_itself_tells_no_more(proxy: Any, pair: Pair) -> None:
    """It hands on the whole answer of S3, in which AWS repeats the key's id and what was signed."""
    before, _ = proxy
    old = pair.seen()
    pair.give(pair.value + 1)

    with before.fault("403", MOMENTS["input"].format(name=pair.name)):
        done = pair.run(pl.LazyFrame)

    assert "Storage refused reading what" in done.refusal
    assert f"AccessDenied in GET of s3://lake/{pair.name}/raw/data/day=2024-01-01/" in done.refusal
    assert "<Error>" not in done.told
    assert "127.0.0.1" not in done.refusal
    assert pair.seen() == old
    assert pair.run(pl.LazyFrame).refusal == ""


@pytest.mark.parametrize(
    ("words", "moment"),
    [(["run", "{}.made", "--day", "2024-01-01"], "stage"), (["show", "{}.made@2024-01-01"], "audit")],
)
def test_a_command_that_meets_a_refusal_exits_1(
    proxy: Any, pair: Pair, tmp_path: Path, words: list[str], moment: str
) -> None:
    """It prints the refusal and no trace, and what it met is told by its code."""
    before, properties = proxy
    pair.give(pair.value + 1)
    project = tmp_path / "project.py"
    project.write_text(PROJECT.format(name=pair.name, catalog=pair.lakehouse.catalog_name))
    (tmp_path / "workspace.yaml").write_text("load_from: [{python_file: project.py}]")
    command = [Path(sys.executable).with_name("lakeproof"), *(word.format(pair.name) for word in words)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "LAKEPROOF_HOME": str(tmp_path / "home")}

    with before.fault("403", MOMENTS[moment].format(name=pair.name)) as fault:
        command += ["-w", str(tmp_path / "workspace.yaml")]
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)

    assert fault.seen
    assert done.returncode == 1
    told = done.stdout + done.stderr
    assert "Storage refused" in " ".join(told.split())
    assert "ACCESS_DENIED in" in " ".join(told.split())
    assert "Next: see that the lake's key is right" in " ".join(told.split())
    assert "Traceback" not in told
    assert properties["s3.secret-access-key"] not in told


def test_a_bucket_that_is_busy_for_a_while_is_waited_for(proxy: Any) -> None:
    """As Lakeproof sets it, a request is made seven times; Arrow alone gives up after the third."""
    before, properties = proxy
    with configured(properties | {"s3.endpoint": before.url}) as lakehouse:
        pair = Pair(properties, lakehouse)
        pair.give(2)

        with before.fault("slow-down", MOMENTS["stage"].format(name=pair.name), times=3) as fault:
            done = pair.run()

    assert done.refusal == ""
    assert len(fault.seen) == 3
    assert pair.seen() == ({2}, 2)
