"""What proves a run: an immutable file beside the table, which a live day always leads to."""

from __future__ import annotations

import getpass
import hashlib
import json
import socket
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lakeproof import Column, Input, Window, audit
from lakeproof.engine.function import FunctionMaker
from lakeproof.errors import LakeError
from lakeproof.lake import evidence as evidence_module
from lakeproof.lake.catalog import columns_of, local_path
from lakeproof.lake.evidence import evidence_bytes, live_content, read_evidence, snapshot_summary_of, write_evidence
from lakeproof.reading import TableReader, digest_files


def evidence(outcome: Any) -> dict[str, Any]:
    """Return the evidence that a run's outcome leads to."""
    return json.loads(Path(local_path(outcome.evidence)).read_bytes())


def test_the_snapshot_names_the_evidence_and_its_digest(lab: Any) -> None:
    """The publishing snapshot's summary holds the path and the SHA-256 of the file, and no more of it."""
    outcome = lab.run(lab.table(), lab.days(2, 1), 1, 2)
    summary = lab.stored().current_snapshot().summary.additional_properties

    data = Path(local_path(summary["lakeproof.evidence"])).read_bytes()
    assert summary["lakeproof.evidence"] == outcome.evidence
    assert summary["lakeproof.evidence-sha256"] == hashlib.sha256(data).hexdigest()
    assert {key for key in summary if key.startswith("lakeproof")} == {
        "lakeproof.evidence",
        "lakeproof.evidence-sha256",
    }
    assert snapshot_summary_of(lab.stored(), outcome.run) == {
        k: v for k, v in summary.items() if k.startswith("lakeproof")
    }


def test_a_live_day_leads_to_its_evidence(lab: Any) -> None:
    """The run's id is in the day's file names: evidence outlives the snapshot that published the day."""
    table = lab.table()
    first = lab.run(table, lab.days(2, 1), 1, 2)
    second = lab.run(table, lab.rows(5), 1)
    stored = lab.stored()
    stored.maintenance.expire_snapshots().by_id(first.snapshot).commit()

    live = lab.live()
    assert (live[lab.day(1)].run, live[lab.day(2)].run) == (second.run, first.run)
    assert read_evidence(lab.stored(), live[lab.day(2)].run)["days"]["2024-01-02"]["passed"] is True
    assert snapshot_summary_of(lab.stored(), first.run) is None


def test_evidence_says_what_was_published(lab: Any) -> None:
    """Files by digest, rows, content, verdict and audits of each day, held ones too, with rows at fault."""
    outcome = lab.run(lab.table(), lab.rows(1, 2).vstack(lab.rows(-3, day=2)), 1, 2)
    record = evidence(outcome)

    good, bad = record["days"]["2024-01-01"], record["days"]["2024-01-02"]
    assert (record["table"], record["run"], record["output"]) == ("lab.readings", outcome.run, "main")
    assert (good["passed"], bad["passed"]) == (True, False)
    for day in (good, bad):
        for file in day["files"]:
            data = Path(local_path(file["location"])).read_bytes()
            assert (file["sha256"], file["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
    assert [file["rows"] for file in good["files"]] == [2]
    assert {found["audit"]: found["passed"] for found in bad["audits"]} == {"not_empty": True, "between_value": False}
    assert bad["audits"][1]["sample"] == [{"reading_date": "2024-01-02", "sensor": "a", "value": -3}]
    assert record["code"]
    assert record["versions"]["lakeproof"]
    assert record["contract"]["partition"] == "reading_date"
    assert record["started"] <= record["audited"]
    assert record["publisher"] == f"{getpass.getuser()}@{socket.gethostname()}"


def test_evidence_says_what_was_read(lab: Any) -> None:
    """An input is its table, days and content; the digest is of the rows, so it can be found again from them."""
    source = lab.table("lab.source")
    lab.run(source, lab.days(3, 1, 2), 1, 2, 3)
    reader = TableReader.open(lab.lakehouse.lake, Input(source, "last", 2), [Window.of(lab.day(3))])

    maker = FunctionMaker(lambda raw: raw.filter(pl.col("reading_date") == lab.day(3)), {"raw": pl.DataFrame})
    outcome = lab.run(lab.table(), lab.rows(), 3, readers={"raw": reader}, maker=maker)
    record = evidence(outcome)["inputs"]["raw"]

    live = lab.live("lab.source")
    assert (record["table"], record["snapshot"]) == (
        "lab.source",
        lab.stored("lab.source").current_snapshot().snapshot_id,
    )
    assert set(record["days"]) == {"2024-01-02", "2024-01-03"}
    for number in (2, 3):
        digest = digest_files(columns_of(lab.stored(source.name)), live[lab.day(number)], lab.stored(source.name).io)
        run = live[lab.day(number)].run
        assert record["days"][lab.day(number).isoformat()] == vars(digest) | {"run": run}
    assert outcome.days[0].state == "published"


def test_evidence_says_what_audits_referred_to(lab: Any) -> None:
    """The table that a reference audit looked into is evidence, with the content that it had."""
    lab.run(lab.table("lab.sensors", partition=None), lab.rows(1))
    table = lab.table(audits=[audit.references("sensor", "lab.sensors", "sensor")])

    record = evidence(lab.run(table, lab.rows(1)))

    referred = record["referred"]["references_sensor"]
    assert (referred["table"], referred["column"]) == ("lab.sensors", "sensor")
    assert (
        referred["days"]["all"]["digest"]
        == live_content(lab.stored("lab.sensors"), lab.live("lab.sensors")[None]).digest
    )


def test_evidence_is_never_overwritten(lab: Any) -> None:
    """A run leaves its evidence once."""
    outcome = lab.run(lab.table(), lab.rows(1))
    before = evidence_bytes(lab.stored(), outcome.run)

    with pytest.raises((LakeError, FileExistsError)):
        write_evidence(lab.stored(), outcome.run, {"days": {}})
    assert evidence_bytes(lab.stored(), outcome.run) == before


def test_a_rerun_leaves_evidence_of_its_own(lab: Any) -> None:
    """A run that changed nothing has its evidence too, and leaves the other's as it was."""
    table = lab.table()
    first, second = lab.run(table, lab.rows(1)), lab.run(table, lab.rows(1))

    assert second.days[0].state == "unchanged"
    assert evidence(first)["run"] != evidence(second)["run"]
    one, two = (evidence(run)["days"]["2024-01-01"]["content"] for run in (first, second))
    assert one == two


def test_the_recorded_content_is_of_the_rows(lab: Any) -> None:
    """The digest in the evidence is what anyone computes from the published files."""
    lab.run(lab.table(allow_empty=True), lab.rows(3, 1, 2), 1, 2)

    for live in lab.live().values():
        assert live_content(lab.stored(), live) == digest_files(columns_of(lab.stored()), live, lab.stored().io)


def test_a_chain_names_as_inputs_only_what_it_read_of_main(lab: Any) -> None:
    """Days that a chain read from its own stage are not recorded with the digests that were published before."""
    table, added = lab.table(), {1: 1, 2: 2, 3: 3}
    lab.chain(table, added, 1, 2, 3)
    first = lab.live()[lab.day(1)]
    before = live_content(lab.stored(), first)

    part = evidence(lab.chain(table, added | {2: 20}, 2, 3))["inputs"]["before"]
    whole = evidence(lab.chain(table, added | {1: 5}, 1, 2, 3))["inputs"]["before"]

    assert before is not None
    assert part["days"] == {"2024-01-01": vars(before) | {"run": first.run}}
    assert whole["days"] == {}


@pytest.mark.parametrize("damage", ["truncated", "emptied", "no object", "no days", "another's", "of another day"])
def test_damaged_evidence_is_not_believed(lab: Any, damage: str) -> None:
    """Evidence that cannot be read, or is not the one that its snapshot names, neither blocks a rerun nor decides it.

    Another's is what a forger would write: it says that readers have the rows of the rerun already.
    """
    table = lab.table()
    published = lab.run(table, lab.rows(1))
    evidence_of_rerun = evidence(lab.run(lab.table("lab.other"), lab.rows(2)))
    path = Path(local_path(published.evidence))
    data = {
        "truncated": path.read_bytes()[:100],
        "emptied": b"",
        "no object": b"[]",
        "no days": json.dumps({"days": {}}).encode(),
        "another's": json.dumps(evidence(published) | {"days": evidence_of_rerun["days"]}).encode(),
        "of another day": json.dumps({"days": {"2024-01-02": {}}}).encode(),
    }[damage]
    path.write_bytes(data)
    evidence_module._contents.cache_clear()  # as in another process

    assert live_content(lab.stored(), lab.live()[lab.day(1)]) is None
    reader = TableReader.open(lab.lakehouse.lake, Input(table), [Window.of(lab.day(1))])
    digest = digest_files(columns_of(lab.stored()), lab.live()[lab.day(1)], lab.stored().io)
    assert reader.record()["days"] == {"2024-01-01": vars(digest) | {"run": published.run}}
    assert lab.states(table, lab.rows(1)) == ["unchanged"]
    assert lab.states(table, lab.rows(2)) == ["published"]
    assert lab.values() == [2]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")], ids=str)
def test_evidence_is_strictly_valid_json(lab: Any, value: float) -> None:
    """A number that JSON has no word for, in a row at fault or a measure, is told as text: any parser reads it."""
    columns = [Column("reading_date", "date"), Column("value", "double")]
    audits = [audit.between("value", 0, 1), audit.sql_result("mean", "avg(value)", at_most=1, at_least=0)]
    outcome = lab.run(
        lab.table(columns=columns, key=[], audits=audits),
        pl.DataFrame({"reading_date": [lab.day(1)], "value": [value]}),
    )

    def refuse(word: str) -> None:
        raise AssertionError(word)

    record = json.loads(Path(local_path(outcome.evidence)).read_bytes(), parse_constant=refuse)
    found = {result["audit"]: result for result in record["days"]["2024-01-01"]["audits"]}
    assert outcome.days[0].state == "held"
    assert found["between_value"]["sample"] == [{"reading_date": "2024-01-01", "value": str(value)}]
