"""The record of a run, immutable beside the table: what was read, made, judged, and by which code.

A live day always leads to it: the run's id is in the day's file names, and the evidence lies at
`<table>/evidence/<run>.json`. While the publishing snapshot lives, its summary holds the file's path and SHA-256.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import math
import os
import socket
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pyiceberg.io import load_file_io

from lakeproof.lake.days import Day, day_key
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.files import read_file, records_of
from lakeproof.lake.stage import sha256_of
from lakeproof.verdict import Content

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.lake.live import LiveDay

PATH_KEY = "lakeproof.evidence"
SHA256_KEY = "lakeproof.evidence-sha256"


def write_evidence(table: IcebergTable, run: str, record: dict[str, Any]) -> dict[str, str]:
    """Write a run's evidence, and return what the snapshot's summary holds of it.

    Raises:
        LakeError: The storage refused, or the run already has evidence: it is never overwritten.
    """
    data = json.dumps(_strict(record), default=_plain, indent=1, ensure_ascii=False, allow_nan=False).encode()
    location = evidence_location(table, run)
    with lake_faults(f"writing the evidence {location}"), table.io.new_output(location).create() as out:
        out.write(data)
    return {PATH_KEY: location, SHA256_KEY: hashlib.sha256(data).hexdigest()}


def evidence_location(table: IcebergTable, run: str) -> str:
    """Return where a run's evidence lies."""
    return f"{records_of(table)}/evidence/{run}.json"


def read_evidence(table: IcebergTable, run: str) -> dict[str, Any] | None:
    """Return a run's evidence as it is now, or None when the run left none, or none that can be read."""
    data = evidence_bytes(table, run)
    return None if data is None else _parsed(data)


def sound_evidence(table: IcebergTable, run: str) -> dict[str, Any] | None:
    """Return a run's evidence; None when it is gone, damaged, or not the file that its snapshot names."""
    data, named = evidence_bytes(table, run) or b"", snapshot_summary_of(table, run)
    if named is not None and named[SHA256_KEY] != hashlib.sha256(data).hexdigest():
        return None
    return _parsed(data)


def evidence_of(table: IcebergTable, run: str, sha256: str) -> dict[str, Any] | None:
    """Return a run's evidence; None when it is gone, or not the file of that SHA-256."""
    data = evidence_bytes(table, run) or b""
    return _parsed(data) if hashlib.sha256(data).hexdigest() == sha256 else None


def sha256_if_there(table: IcebergTable, location: str) -> str | None:
    """Return the SHA-256 of a file's bytes, or None when there is no such file."""
    with lake_faults(f"reading {location}"):
        try:
            return sha256_of(table, location)
        except FileNotFoundError:
            return None


def publisher() -> str:
    """Return who runs this process, and where, as `user@host`; nothing else of a machine is evidence."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def day_evidence(record: dict[str, Any] | None, day: Day) -> dict[str, Any] | None:
    """Return what a run's evidence says of a day; None when it says nothing, or not all of it."""
    entry = record["days"].get(day_key(day)) if record else None
    return entry if isinstance(entry, dict) and entry.keys() >= {"content", "audits", "files"} else None


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(data)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("days"), dict) else None


def evidence_bytes(table: IcebergTable, run: str) -> bytes | None:
    """Return the bytes of a run's evidence as they are now, or None when the run left none."""
    with lake_faults(f"reading the evidence of run {run}"):
        return read_file(table.io, evidence_location(table, run))


def live_content(table: IcebergTable, day: LiveDay) -> Content | None:
    """Return the content digest that the evidence has for a published day.

    None when another engine published it, or when the evidence is gone, damaged, or not the one that its snapshot
    names: then the digest must be computed from the files.
    """
    return None if day.run is None else recorded_content(table, day.run, day.day)


def recorded_content(table: IcebergTable, run: str, day: Day) -> Content | None:
    """Return the content digest that the evidence of a run has for a day; None as for `live_content`."""
    with lake_faults(f"reading the evidence of run {run}"):
        digest, contents = _contents(evidence_location(table, run), tuple(sorted(table.io.properties.items())))
    named = snapshot_summary_of(table, run)
    return contents.get(day_key(day)) if named is None or named[SHA256_KEY] == digest else None


@lru_cache(maxsize=4096)
def _contents(location: str, properties: tuple[tuple[str, Any], ...]) -> tuple[str, dict[str, Content]]:
    """Return a run's evidence digest, and its content digest of each day; kept, for evidence never changes."""
    data = read_file(load_file_io(dict(properties), location), location) or b""
    record = _parsed(data) or {"days": {}}
    try:
        contents = {day: Content(**entry["content"]) for day, entry in record["days"].items()}
    except (KeyError, TypeError):
        contents = {}
    return hashlib.sha256(data).hexdigest(), contents


def snapshot_summary_of(table: IcebergTable, run: str) -> dict[str, str] | None:
    """Return the evidence path and SHA-256 in the snapshot that a run published, while that snapshot lives."""
    location = evidence_location(table, run)
    for snapshot in reversed(table.metadata.snapshots):
        summary = snapshot.summary
        if summary is not None and summary.additional_properties.get(PATH_KEY) == location:
            return {key: summary.additional_properties[key] for key in (PATH_KEY, SHA256_KEY)}
    return None


def _strict(value: Any) -> Any:
    """Return the same values with what JSON has no word for (NaN, infinity) as text."""
    if isinstance(value, dict):
        return {str(name): _strict(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(entry) for entry in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: object) -> object:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
