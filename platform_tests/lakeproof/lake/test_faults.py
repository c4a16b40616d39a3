"""Every passing fault of a commit is tried again, and nothing else is."""

from __future__ import annotations

import sqlite3

import psycopg2
import pytest
import requests
from pyiceberg import exceptions as iceberg
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from lakeproof.errors import LakeError
from lakeproof.lake.faults import is_conflict, lake_faults


def sqlite(code: int) -> sqlite3.OperationalError:
    """Return an error as SQLite raises it."""
    error = sqlite3.OperationalError("said by SQLite")
    error.sqlite_errorcode = code
    return error


def postgres(code: str) -> psycopg2.Error:
    """Return an error as Postgres' driver raises it; one that is made by hand has no code of its own."""
    return type("Coded", (psycopg2.Error,), {"pgcode": code})("said by Postgres")


def sql(kind: type, original: Exception, *, lost: bool = False) -> Exception:
    """Return an error as SQLAlchemy hands it on."""
    error: Exception = kind("UPDATE iceberg_tables", {}, original, connection_invalidated=lost)
    return error


PASSING = {
    "another commit": iceberg.CommitFailedException("Requirement failed: branch main has changed"),
    "another snapshot": iceberg.ValidationException("Added data files were found"),
    "no known state": iceberg.CommitStateUnknownException("502"),
    "busy server": iceberg.ServiceUnavailableError("503"),
    "too many requests": iceberg.TooManyRequestsError("429"),
    "another 5xx": iceberg.ServerError("507"),
    "sequence in PyIceberg": ValueError("Cannot add snapshot with sequence number 3 older than last sequence number 3"),
    "sequence on a server": iceberg.BadRequestError("can't add snapshot with sequence number 3"),
    "reset": requests.ConnectionError("Connection reset by peer"),
    "no answer in time": requests.Timeout("read timed out"),
    "half an answer": requests.exceptions.ChunkedEncodingError("Connection broken"),
    "SQLite is busy": sql(OperationalError, sqlite(sqlite3.SQLITE_BUSY)),
    "SQLite recovers": sql(OperationalError, sqlite(sqlite3.SQLITE_BUSY_RECOVERY)),
    "SQLite is locked": sql(OperationalError, sqlite(sqlite3.SQLITE_LOCKED_SHAREDCACHE)),
    "Postgres serializes": sql(OperationalError, postgres("40001")),
    "Postgres deadlock": sql(OperationalError, postgres("40P01")),
    "Postgres starts": sql(OperationalError, postgres("57P03")),
    "Postgres is down": sql(OperationalError, psycopg2.OperationalError("connection refused")),
    "Postgres hung up": sql(OperationalError, psycopg2.OperationalError("server closed the connection"), lost=True),
}
FINAL = {
    "another 400": iceberg.BadRequestError("malformed request"),
    "not allowed": iceberg.ForbiddenError("403"),
    "no table": iceberg.NoSuchTableError("lab.readings"),
    "another ValueError": ValueError("Unknown partition field"),
    "storage": PermissionError(13, "Permission denied"),
    "SQLite disk": sql(OperationalError, sqlite(sqlite3.SQLITE_FULL)),
    "taken name": sql(IntegrityError, sqlite3.IntegrityError("UNIQUE constraint failed")),
    "no such relation": sql(ProgrammingError, sqlite3.ProgrammingError("no such table")),
    "Postgres disk": sql(OperationalError, postgres("53100")),
    "no such Postgres relation": sql(ProgrammingError, postgres("42P01")),
    "a bug": KeyError("x"),
}


@pytest.mark.parametrize("error", PASSING.values(), ids=PASSING)
def test_a_passing_fault_is_tried_again(error: Exception) -> None:
    """What each catalog raises when another commit came first, a lock was held or an answer was lost."""
    assert is_conflict(error)


@pytest.mark.parametrize("error", FINAL.values(), ids=FINAL)
def test_any_other_fault_is_told_at_once(error: Exception) -> None:
    """A refusal that trying again does not mend is not tried again."""
    assert not is_conflict(error)


@pytest.mark.parametrize(
    "name",
    ["another commit", "no known state", "reset", "SQLite is busy", "Postgres is down", "not allowed", "storage"],
)
def test_what_a_catalog_raises_is_told_as_one_refusal(name: str) -> None:
    """Whatever it was, a person reads what was being done, what readers see, and what to do."""
    with pytest.raises(LakeError, match=r"publishing lab\.readings") as refusal, lake_faults("publishing lab.readings"):
        raise (PASSING | FINAL)[name]
    assert refusal.value.readers
    assert refusal.value.next_step
