"""A landing folder: when a day is complete, what is read of it, and what is refused by name."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakeproof import Column, LandingSource, Source, Table, Window, audit
from lakeproof.errors import ContractError, LakeproofError, SourceError
from lakeproof.source.protocol import SourceReader

if TYPE_CHECKING:
    from pathlib import Path

DAY = Window.of("2013-01-05")
FIELDS = [Column("origin", "string"), Column("temp", "double"), Column("hour", "int")]
GOOD = "origin,temp,hour\nEWR,1.5,0\nJFK,,1\n"
ROWS = [{"origin": "EWR", "temp": 1.5, "hour": 0}, {"origin": "JFK", "temp": None, "hour": 1}]


class Landing:
    """A folder in which days are landed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, name: str, content: str | bytes, day: str = "2013-01-05", seconds_ago: float = 3600) -> Path:
        """Land a file."""
        path = self.root / day / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(path, (time.time() - seconds_ago,) * 2)
        return path

    def source(self, path: str = "{ds}/*", fields: Any = FIELDS, **more: Any) -> LandingSource:
        """Return the source that reads it."""
        return LandingSource(path, fields, root=str(self.root), **more)

    def rows(self, **more: Any) -> list[dict[str, Any]]:
        """Return the rows of the day."""
        return self.source(**more).read(DAY).rows.read_all().to_pylist()

    def refusal(self, **more: Any) -> str:
        """Return why the day's rows are refused."""
        with pytest.raises(SourceError) as refused:
            self.rows(**more)
        assert "2013-01-05" in refused.value.what
        assert refused.value.next_step
        return refused.value.what


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    """Return an empty folder."""
    return Landing(tmp_path)


def compressed(codec: str, data: bytes) -> bytes:
    """Return data as it is in a compressed file."""
    return gzip.compress(data) if codec == "gz" else pa.Codec("zstd").compress(data, asbytes=True)


def parquet(rows: list[dict[str, Any]], schema: pa.Schema | None = None) -> bytes:
    """Return rows as a Parquet file."""
    out = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema), out)
    return out.getvalue().to_pybytes()


def test_it_is_a_source(landing: Landing) -> None:
    """It can be asked whatever a source can be asked."""
    assert isinstance(landing.source(), Source)


def test_every_format_gives_the_same_rows(landing: Landing) -> None:
    """CSV with columns in any order, JSON lines and Parquet, plain or compressed, are read as one day."""
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    landing.put("a.csv", GOOD)
    landing.put("b.csv", "\ufeffhour,extra,origin,temp\r\n0,x,EWR,1.5\r\n1,y,JFK,\r\n")
    landing.put("c.csv.gz", compressed("gz", GOOD.encode()))
    landing.put("d.csv.zst", compressed("zst", GOOD.encode()))
    landing.put("e.jsonl", lines)
    landing.put("f.ndjson.zst", compressed("zst", lines.encode()))
    landing.put("g.parquet", parquet(ROWS))

    delivery = landing.source().read(DAY)

    assert delivery.rows.read_all().to_pylist() == ROWS * 7
    assert delivery.told["rows"] == 14
    assert delivery.told["learned"] == ["field extra is new"]
    assert delivery.told["files"][0] == {
        "name": "2013-01-05/a.csv",
        "bytes": len(GOOD),
        "rows": 2,
        "sha256": hashlib.sha256(GOOD.encode()).hexdigest(),
    }


def test_quotes_keep_what_is_between_them(landing: Landing) -> None:
    """A delimiter, a newline, a doubled quote, spaces and the null mark are text between quotes."""
    landing.put("a.csv", 'origin;temp;hour\n"a;b";NA;1\n"c\nd""e";2;2\n"NA";3;3\nNA;4;4\n"";5;5\n" x ";6;6\n')

    rows = landing.rows(null="NA", delimiter=";")

    assert [row["origin"] for row in rows] == ["a;b", 'c\nd"e', "NA", None, "", " x "]
    assert rows[0]["temp"] is None


def test_names_lead_to_delivered_ones(landing: Landing) -> None:
    """A field is found under what the file calls it, in JSON by a path too."""
    fields = [Column("origin", "string"), Column("lat", "double")]
    landing.put("a.jsonl", '{"Origin":"EWR","location":{"lat":40.5}}\n')

    assert landing.rows(fields=fields, names={"origin": "Origin", "lat": "location.lat"}) == [
        {"origin": "EWR", "lat": 40.5}
    ]
    assert landing.source(fields=fields, names={"lat": "location.lat"}).precheck(DAY).faults == (
        "2013-01-05/a.jsonl, line 1, field origin: the field is absent",
    )


BAD_CSV = {
    "EWR,1.5\n": "line 2: too few values: 2, where the header has 3",
    "EWR,1.5,0,9\n": "line 2: too many values: 4, where the header has 3",
    "EWR,1.5,0\nJFK": "line 3: the file ends within this line",
    "EWR,1.5,12.5\n": "line 2, field hour: '12.5' is no int",
    "EWR,1.5,1e3\n": "line 2, field hour: '1e3' is no int",
    "EWR,1.5,0x1F\n": "line 2, field hour: '0x1F' is no int",
    "EWR,1.5,9223372036854775808\n": "line 2, field hour: '9223372036854775808' is no int",
    "EWR,1.5,NaN\n": "line 2, field hour: 'NaN' is no int",
    'EWR,1.5,""\n': "line 2, field hour: '' is no int",
    "EWR,warm,0\n": "line 2, field temp: 'warm' is no double",
    "EWR,1e999,0\n": "line 2, field temp: '1e999' is no double",
    "EWR,1.5,0\n\nJFK,1,1\n": "line 3: an empty line",
    "EWR,1.5,0\rJFK,1,1\n": "line 2: a carriage return within the line",
    'EW"R,1.5,0\n': "line 2: a quote is opened here that is not closed",
    '"EW"R,1.5,0\n': "line 2: a stray quote",
    'E"W"R,1.5,0\n': "line 2: a stray quote",
    '"EWR,1.5,0\nJFK,1,1\n': "line 2: a quote is opened here that is not closed",
    '"E\nW\nR",1.5,0\nJFK,1,x\n': "line 5, field hour: 'x' is no int",
}


@pytest.mark.parametrize("body", BAD_CSV)
def test_a_bad_line_is_named(landing: Landing, body: str) -> None:
    """Whatever is not as it must be in CSV is refused with its file, its line, and its field and value."""
    landing.put("a.csv", GOOD)
    landing.put("b.csv", "origin,temp,hour\n" + body)

    assert f"2013-01-05/b.csv, {BAD_CSV[body]}" in landing.refusal()
    assert [f"2013-01-05/b.csv, {BAD_CSV[body]}" in fault for fault in landing.source().precheck(DAY).faults] == [True]


def test_text_that_is_not_utf8_is_named(landing: Landing) -> None:
    """Invalid UTF-8 is refused in a value, and in a header."""
    landing.put("a.csv", b"origin,temp,hour\nEWR,1,1\n\xff\xfe,1,1\n")
    assert "line 3, field origin: b'\\xff\\xfe' is not UTF-8" in landing.refusal()

    landing.put("a.csv", b"\xfforigin,temp,hour\n")
    assert "line 1: the header is not UTF-8" in landing.refusal()


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("date", "2013-02-30"),
        ("date", "20130205"),
        ("date", "2013-02-05T10:00:00"),
        ("time", "24:00:00"),
        ("timestamp", "2013-01-05T10:00:00Z"),
        ("timestamp", "2013-01-05T10:00:00.1234567"),
        ("timestamptz", "2013-01-05T10:00:00"),
        ("decimal(5, 2)", "1.234"),
        ("decimal(5, 2)", "1234.5"),
        ("boolean", "yes"),
        ("long", str(2**63)),
        ("float", "1e39"),
        ("float", "0.123456789"),
        ("float", "16777217"),
        ("double", "9007199254740993"),
        ("uuid", "6f9619ff"),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_value_that_does_not_fit_its_type_is_named(landing: Landing, type_: str, value: str, name: str) -> None:
    """Nothing is rounded, shifted or cut off: a value that a type does not hold is refused, in CSV and in JSON."""
    number = type_ in {"long", "float", "double"} or type_.startswith("decimal")
    item = f'{{"v":{value if number else json.dumps(value)}}}\n'
    landing.put(name, f"v\n\n{value}\n".replace("\n\n", "\n") if name == "a.csv" else item)

    refusal = landing.refusal(fields=[Column("v", type_)])

    assert f"line {2 if name == 'a.csv' else 1}, field v: " in refusal
    assert value.split("e", maxsplit=1)[0] in refusal or not number


BAD_JSON = {
    '{"origin":"EWR","temp":1.5}': "line 2, field hour: the field is absent",
    '{"origin":"EWR","temp":"1.5","hour":1}': "line 2, field temp: '1.5' is text, and no double",
    '{"origin":5,"temp":1.5,"hour":1}': "line 2, field origin: 5 is a number, and no string",
    '{"origin":"EWR","temp":NaN,"hour":1}': "line 2: it is no JSON that can be read: NaN is no number of JSON",
    '{"origin":"EWR","temp":1e999,"hour":1}': "line 2, field temp: inf is a number, and no double",
    '{"origin":"EWR","temp":1,"hour":12.5}': "line 2, field hour: 12.5 is a number, and no int",
    '{"origin":"EWR","temp":1,"hour":true}': "line 2, field hour: True is a boolean, and no int",
    '{"origin":"EWR","temp":1,"hour":2147483648}': "line 2, field hour: 2147483648 is a number, and no int",
    '{"origin":{"a":1},"temp":1,"hour":1}': "line 2, field origin: {'a': 1} is no single value, and no string",
    '{"origin":"\\ud800","temp":1,"hour":1}': "line 2, field origin",
    '{"origin":"EWR","temp":1,"hour":1,"hour":2}': "line 2: it is no JSON that can be read: field hour comes twice",
    '{"origin":"EWR","te': "line 2: it is no JSON",
    "null": "line 2: None is no JSON object",
    "": "line 2: it is no JSON",
}


@pytest.mark.parametrize("line", BAD_JSON)
def test_a_bad_item_is_named(landing: Landing, line: str) -> None:
    """Whatever is not as it must be in JSON lines is refused with its file, its line, and its field and value."""
    landing.put("a.jsonl", json.dumps(ROWS[0]) + "\n" + line + "\n")

    assert f"2013-01-05/a.jsonl, {BAD_JSON[line]}" in landing.refusal()


def test_parquet_of_other_types_is_refused(landing: Landing) -> None:
    """A Parquet column of another type, one that is gone and a value that does not fit are refused by field."""
    landing.put("a.parquet", parquet([{"origin": "EWR", "temp": "1.5", "hour": 1}]))
    assert "a.parquet, field temp: it is string, not double" in landing.refusal()

    landing.put("a.parquet", parquet([{"origin": "EWR", "temps": 1.5, "hour": 1}]))
    assert "a.parquet: field temp is gone. Did you mean temps?" in landing.refusal()

    landing.put("a.parquet", parquet([{"origin": "EWR", "temp": 1.5, "hour": 2**40}]))
    assert f"field hour: column hour is int64 and cannot become int without loss, such as {2**40}" in landing.refusal()


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.csv.zst", "a.jsonl.gz", "a.parquet"])
def test_a_file_that_is_cut_anywhere_is_refused(landing: Landing, name: str) -> None:
    """A file cut short at any byte is refused, or has nothing but whole lines, where lines alone are all it is."""
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    text = (lines if "jsonl" in name else GOOD).encode()
    whole = {"gz": lambda: compressed("gz", text), "zst": lambda: compressed("zst", text), "csv": lambda: text}
    data = whole.get(name.rsplit(".", 1)[1], lambda: parquet(ROWS))()
    for cut in range(len(data)):
        landing.put(name, data[:cut])
        if name == "a.csv" and data[:cut].endswith(b"\n"):
            assert landing.rows() == ROWS[: data[:cut].count(b"\n") - 1]
        else:
            assert f"2013-01-05/{name}" in landing.refusal()
            [fault] = landing.source().precheck(DAY).faults
            assert fault.startswith(f"2013-01-05/{name}")
    landing.put(name, data)
    assert landing.rows() == ROWS


def test_a_header_alone_is_a_day_without_rows(landing: Landing) -> None:
    """A file with a header and no row is an empty day; a file without a byte is refused."""
    landing.put("a.csv", "origin,temp,hour\n")
    assert landing.rows() == []

    landing.put("a.csv", "")
    assert "a.csv: the file is empty: not even a header is in it" in landing.refusal()


def test_a_missing_newline_can_be_declared(landing: Landing) -> None:
    """Where a source writes its last line without a newline, the declaration says so."""
    landing.put("a.csv", GOOD.removesuffix("\n"))

    assert landing.rows(unterminated=True) == ROWS


def test_a_renamed_column_is_named_with_the_new_one(landing: Landing) -> None:
    """A file that lost a column is refused before it is read; the nearest new name is suggested."""
    landing.put("a.csv", "origin,temps,hour,wind\nEWR,1.5,0,3\n")

    found = landing.source().precheck(DAY)

    assert found.faults == ("2013-01-05/a.csv: field temp is gone. Did you mean temps?",)
    assert found.learned == ("field temps is new", "field wind is new")
    assert "field temp is gone" in landing.refusal()


def test_a_precheck_shows_items_and_learns(landing: Landing) -> None:
    """What is new is learned and loses nothing; the first rows are shown."""
    landing.put("a.csv", "origin,temp,hour,wind\nEWR,1.5,0,3\n")

    found = landing.source().precheck(DAY)

    assert found.faults == ()
    assert found.learned == ("field wind is new",)
    assert found.items == (ROWS[0],)


def test_complete_by_marker(landing: Landing) -> None:
    """With a marker, a day is complete when it is there, and the reason says so; files are then not waited for."""
    source = landing.source(marker="_SUCCESS")
    landing.put("a.csv", GOOD, seconds_ago=0)
    [(day, before)] = source.complete(DAY).items()
    assert day == date(2013, 1, 5)
    assert (before.complete, "_SUCCESS is not there" in before.reason) == (False, True)

    landing.put("_SUCCESS", "")
    assert source.complete(DAY)[day].complete
    assert "_SUCCESS is there" in source.complete(DAY)[day].reason
    assert source.read(DAY).rows.read_all().num_rows == 2


def test_complete_by_manifest(landing: Landing) -> None:
    """With a manifest, a day is complete when each listed file is there with its size, and no other one."""
    source = landing.source(manifest="manifest.json")
    entry = {"name": "a.csv", "bytes": len(GOOD), "rows": 2, "sha256": hashlib.sha256(GOOD.encode()).hexdigest()}

    def said() -> tuple[bool, str]:
        [found] = source.complete(DAY).values()
        return found.complete, found.reason.split(": ", 1)[1]

    assert said() == (False, "manifest.json is not there")
    landing.put("manifest.json", '{"files": [{"name"')
    assert "it is no manifest, or not all of one" in said()[1]
    landing.put("manifest.json", json.dumps({"files": [entry]}))
    assert said() == (False, "2013-01-05/a.csv, which the manifest lists, is not there")
    landing.put("a.csv", GOOD[:-3])
    assert said() == (False, "2013-01-05/a.csv has 31 bytes, where the manifest says 34")
    landing.put("a.csv", GOOD)
    assert said() == (True, "every file that manifest.json lists is there")
    assert source.count(DAY) == {date(2013, 1, 5): 2}
    assert source.read(DAY).rows.read_all().to_pylist() == ROWS

    landing.put("b.csv", GOOD)
    assert said() == (False, "2013-01-05/b.csv is there, which the manifest does not list")
    (landing.root / "2013-01-05" / "b.csv").unlink()
    landing.put("a.csv", GOOD.replace("1.5", "2.5"))
    assert "a.csv: its SHA-256 is not the one that the manifest says" in landing.refusal(manifest="manifest.json")
    landing.put("manifest.json", json.dumps({"files": [{**entry, "rows": 3}]}))
    assert "a.csv: it has 2 rows, where the manifest says 3" in landing.refusal(manifest="manifest.json")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_float_is_what_was_written(landing: Landing, name: str) -> None:
    """What 32 bits hold is taken, though the double of the same digits is another."""
    landing.put(name, "v\n0.1\n-16777216\n1e-3\n" if name == "a.csv" else '{"v":0.1}\n{"v":-16777216}\n{"v":1e-3}\n')

    found = landing.source(fields=[Column("v", "float")]).read(DAY).rows.read_all()

    assert [str(value) for value in found["v"]] == [str(pa.scalar(v, pa.float32())) for v in (0.1, -16777216, 1e-3)]


def test_the_digest_of_parquet_is_checked(landing: Landing) -> None:
    """A Parquet file of the size that the manifest says, and of other bytes, is refused; the digest is told."""
    schema = pa.schema([("v", pa.int32())])
    made = landing.put("a.parquet", parquet([{"v": 1}, {"v": 2}], schema))
    data = made.read_bytes()
    entry = {"name": "a.parquet", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    landing.put("manifest.json", json.dumps({"files": [entry]}))
    wanted = {"fields": [Column("v", "int")], "manifest": "manifest.json"}
    delivery = landing.source(**wanted).read(DAY)

    assert delivery.rows.read_all().num_rows == 2
    assert delivery.told["files"][0]["sha256"] == entry["sha256"]

    landing.put("a.parquet", parquet([{"v": 1}, {"v": 3}], schema))
    assert "a.parquet: its SHA-256 is not the one that the manifest says" in landing.refusal(**wanted)


def test_complete_when_files_held_still(landing: Landing) -> None:
    """With neither, a day needs a file, and all of them must have held still."""
    source = landing.source(settle=timedelta(minutes=5))

    def said() -> tuple[bool, str]:
        [found] = source.complete(DAY).values()
        return found.complete, found.reason

    assert said()[1].endswith("no file is there")
    landing.put("a.csv", GOOD, seconds_ago=600)
    assert said()[0]
    assert said()[1].endswith("all files held still for 0:05:00")
    landing.put("b.csv", GOOD, seconds_ago=10)
    assert not said()[0]
    assert "2013-01-05/b.csv changed 1" in said()[1]
    landing.put("b.csv", "", seconds_ago=600)
    assert said() == (False, f"{source.name}, 2013-01-05: 2013-01-05/b.csv is empty")


def test_a_file_that_changes_while_the_day_is_read_is_refused(landing: Landing) -> None:
    """Files that changed, appeared or went between the beginning and the end of a read are named."""
    landing.put("a.csv", GOOD)
    reader = landing.source().read(DAY).rows
    reader.read_next_batch()
    landing.put("b.csv", GOOD)

    with pytest.raises(SourceError, match=r"2013-01-05/b\.csv changed while the day was read"):
        reader.read_all()


def test_only_the_days_of_the_window_are_read(landing: Landing) -> None:
    """Each day has its own files; those of other days are not touched."""
    for day in range(4, 8):
        landing.put("a.csv", f"origin,temp,hour\nEWR,1,{day}\n", day=f"2013-01-0{day}")
    landing.put(".hidden.csv", "x")
    window = Window.of("2013-01-05", "2013-01-06")

    assert landing.source().read(window).rows.read_all().column("hour").to_pylist() == [5, 6]
    assert list(landing.source().version(window)) == ["2013-01-05/a.csv", "2013-01-06/a.csv"]
    with pytest.raises(SourceError, match="a table without days cannot read it"):
        landing.source().read(None).rows.read_all()


def test_a_version_changes_with_the_file(landing: Landing) -> None:
    """Another size or another time is another state."""
    landing.put("a.csv", GOOD)
    before = landing.source().version(DAY)
    landing.put("a.csv", GOOD, seconds_ago=60)

    assert before != landing.source().version(DAY)
    assert before == {"2013-01-05/a.csv": before["2013-01-05/a.csv"]}


def test_a_count_needs_footers(landing: Landing) -> None:
    """Parquet's footers are counted without reading a row; CSV cannot be."""
    landing.put("a.parquet", parquet(ROWS))
    landing.put("b.parquet", parquet(ROWS))
    assert landing.source().count(DAY) == {date(2013, 1, 5): 4}

    landing.put("c.csv", GOOD)
    assert landing.source().count(DAY) is None


def test_no_path_leads_out_of_the_root(landing: Landing, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither a path with .. nor a link, of a file or a folder, is followed out of the root."""
    for path in ("../{ds}/*.csv", "/etc/{ds}.csv", "{ds}/../../x.csv"):
        with pytest.raises(ContractError, match="leads out of the root"):
            landing.source(path)
    outside = tmp_path_factory.mktemp("outside")
    (outside / "a.csv").write_text(GOOD)
    landing.put("b.csv", GOOD)
    (landing.root / "2013-01-05" / "a.csv").symlink_to(outside / "a.csv")
    with pytest.raises(SourceError, match="is a link that leads out of the folder"):
        landing.rows()
    (landing.root / "2013-01-06").symlink_to(outside)
    with pytest.raises(SourceError, match="is a link that leads out of the folder"):
        landing.source().read(Window.of("2013-01-06")).rows.read_all()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"path": "{ds}/*.xls"}, "its name ends as none of"),
        ({"path": "{day_}/*.csv"}, "placeholder"),
        ({"path": "*.csv_{ds}.csv", "marker": "_SUCCESS"}, "one file for all days"),
        ({"delimiter": ";;"}, "not one character"),
        ({"names": {"tmep": "t"}}, "tmep, which is no field"),
        ({"root": "s3://key:secret@bucket"}, "seems to hold a credential"),
        ({"root_env": "ROOT"}, "one of them"),
    ],
)
def test_a_wrong_declaration_is_refused_at_once(changes: dict[str, Any], why: str) -> None:
    """What can be known without a look at any file is."""
    with pytest.raises(ContractError, match=why):
        LandingSource(**{"path": "{ds}/*.csv", "fields": FIELDS, "root": "landing", **changes})


def test_the_root_can_come_from_the_environment(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    """The declaration names a variable; without it the day is not complete, and says why."""
    source = LandingSource("{ds}/*.csv", FIELDS, root_env="LANDING_ROOT")
    monkeypatch.delenv("LANDING_ROOT", raising=False)
    assert "LANDING_ROOT is not set" in source.complete(DAY)[date(2013, 1, 5)].reason

    landing.put("a.csv", GOOD)
    monkeypatch.setenv("LANDING_ROOT", str(landing.root))
    assert source.name == "$LANDING_ROOT/{ds}/*.csv"
    assert source.read(DAY).rows.read_all().to_pylist() == ROWS


def test_a_refused_file_publishes_nothing(lab: Any, landing: Landing) -> None:
    """A day whose second file is broken stages and publishes nothing, and the error names the file and line."""
    table = Table(
        "lab.weather",
        columns=[Column("day", "date"), *FIELDS],
        partition="day",
        start="2013-01-01",
        layer="collection",
        key=["origin", "hour"],
        owner="team:lab",
        audits=[audit.not_null("origin")],
    )
    landing.put("a.csv", GOOD)
    landing.put("b.csv", GOOD[:-3])
    reader = SourceReader(landing.source(), DAY)

    def collect(window: Window) -> pa.RecordBatchReader:
        rows = reader.source.read(window).rows
        schema = pa.schema([("day", pa.date32()), *rows.schema])
        made = (
            pa.RecordBatch.from_arrays([pa.array([window.day] * b.num_rows, pa.date32()), *b.columns], schema=schema)
            for b in rows
        )
        return pa.RecordBatchReader.from_batches(schema, made)

    with pytest.raises(LakeproofError, match=r"b\.csv, line 3: the file ends within this line"):
        lab.run(table, collect, base={date(2013, 1, 5): frozenset()}, days=[date(2013, 1, 5)])
    assert not list(landing.root.glob("**/*.parquet"))


def test_a_large_file_is_read_in_blocks(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows come in the file's order, whatever the blocks; a fault in a later one has its line in the file."""
    monkeypatch.setattr("lakeproof.source.formats.BLOCK_BYTES", 100)
    names = ['"a\nb"' if n % 7 == 0 else f"o{n}" for n in range(500)]
    text = "origin,temp,hour\n" + "".join(f"{name},{n}.5,{n}\n" for n, name in enumerate(names))
    landing.put("a.csv", text)
    assert [row["hour"] for row in landing.rows()] == list(range(500))

    line = 1 + text[: text.index("o400,")].count("\n")
    landing.put("a.csv", text.replace("400.5", "4oo.5"))
    assert f"a.csv, line {line}, field temp: '4oo.5' is no double" in landing.refusal()


@pytest.mark.parametrize("piece", range(1, 9))
def test_what_is_at_an_edge_is_seen(landing: Landing, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    """Lines are looked at a piece at a time: wherever one ends, nothing wrong passes, and nothing right is refused."""
    monkeypatch.setattr("lakeproof.source.delimited.PIECE", piece)
    good = '"a ""b""",1.5,0\nb,,1\n"","2.5","2"\n"c\n\n0x",3,3\r\n'
    landing.put("a.csv", f"origin,temp,hour\n{good}{GOOD.partition(chr(10))[2]}")
    assert [row["origin"] for row in landing.rows()] == ['a "b"', "b", "", "c\n\n0x", "EWR", "JFK"]

    for bad, why in (
        ('a"b",1,1\n', "stray quote"),
        ('"a"b,1,1\n', "stray quote"),
        ('b,"1"1,"1"\n', "stray quote"),
        ("\n", "an empty line"),
        ("a,1,0x1F\n", "no int"),
    ):
        landing.put("a.csv", f"origin,temp,hour\n{good}{bad}{good}")
        said = landing.refusal()
        assert "a.csv, line 8" in said
        assert why in said


def test_the_files_state_has_a_zone(landing: Landing) -> None:
    """When a file was modified is told in UTC."""
    path = landing.put("a.csv", GOOD)
    at = datetime.fromtimestamp(path.stat().st_mtime_ns / 1e9, UTC).isoformat()

    assert landing.source().version(DAY) == {"2013-01-05/a.csv": f"34 bytes, modified {at}"}
