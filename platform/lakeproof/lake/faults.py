"""What a catalog, a disk or a bucket can raise: a conflict to try again after, or one clear refusal."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    RESTError,
    ServerError,
    ServiceUnavailableError,
    TooManyRequestsError,
    ValidationException,
)
from requests.exceptions import ChunkedEncodingError, RequestException, Timeout
from requests.exceptions import ConnectionError as LostConnectionError
from sqlalchemy.exc import DatabaseError, DBAPIError

from lakeproof.errors import LakeError, LakeproofError
from lakeproof.storage import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFLICTS = (
    # Any catalog: the table's head or pointer is no longer the one that was planned on (REST: 409; Glue: its version;
    # Hive: its lock). Raised before anything changed.
    CommitFailedException,
    # PyIceberg's own look at the snapshots that came between. Raised before anything changed.
    ValidationException,
    # REST 500, 502, 504: the commit may have landed.
    CommitStateUnknownException,
    # REST 503, 429, and any other 5xx: the server is busy or restarting; the commit may have landed.
    ServiceUnavailableError,
    TooManyRequestsError,
    ServerError,
    # REST: the connection broke, or no answer came in time; the commit may have landed.
    LostConnectionError,
    ChunkedEncodingError,
    Timeout,
)
"""What tells by its class alone that a commit is to be planned anew and tried again."""

OVERTAKEN = ("sequence number", "Snapshot with snapshot id")
"""What a plain `ValueError` of PyIceberg, and a 400 of some REST servers (apache/iceberg#15001), say when a commit to
any ref of the table came first, or when a snapshot that was to expire has expired already."""

SQLITE_WAITS = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

POSTGRES_WAITS = {
    "40001",  # serialization failure
    "40P01",  # deadlock
    "55P03",  # lock not available
    "53300",  # too many connections
    "57P01",  # the server shuts down
    "57P02",  # another session crashed the server
    "57P03",  # the server starts
    None,  # no server answered: psycopg2 has no code for a connection that was refused or reset
}

DAMAGED = ("file is not a database", "malformed")
"""What SQLite says of a file that is no longer one of its own."""

READERS = "see each day as it was, or as a finished run made it, never a mix"
"""What readers see whenever storage fails: a publish is one commit."""

BEFORE = "see what they saw before this run"
"""What readers see when no commit was sent, or each that was sent was refused."""

UNANSWERED = "see each day as it was, or as this run made it, if its last commit landed without an answer"
"""What readers see when a commit was sent and nobody knows what became of it."""

DOWN = "can read nothing while the catalog cannot be used"
"""What readers see who ask a catalog that does not answer."""

REMEDIES = {
    errno.ENOSPC: "free some space, then run the same command again",
    errno.EDQUOT: "free some space, then run the same command again",
    errno.EFBIG: "raise the limit on file sizes, then run the same command again",
    errno.EROFS: "mount the warehouse writable, then run the same command again",
    errno.EACCES: "give this user write access to the warehouse, then run the same command again",
    errno.EPERM: "give this user write access to the warehouse, then run the same command again",
}

TRY_AGAIN = "see whether the catalog is up and reachable, then run the same command again"


def is_conflict(error: Exception) -> bool:
    """Whether an attempt to commit failed for a passing reason: plan anew, and try again.

    Another commit came first, a lock was held, or an answer was lost. Whether the commit landed after all is for the
    next attempt to find out, by the run's id.
    """
    if isinstance(error, CONFLICTS):
        return True
    if isinstance(error, ValueError | RESTError):
        return any(words in str(error) for words in OVERTAKEN)
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or is_locked(error) or _code(error) in POSTGRES_WAITS
    return False


def may_have_landed(error: Exception) -> bool:
    """Whether a commit that failed so may be there all the same: it was sent, and its answer did not come."""
    if isinstance(error, LostConnectionError):
        return not (_was_a_question(error) or "NewConnectionError" in str(error))  # the latter: nobody was there
    if isinstance(error, ChunkedEncodingError | Timeout):
        return not _was_a_question(error)
    if isinstance(error, DBAPIError):
        return error.connection_invalidated and not str(error.statement or "").lstrip().upper().startswith("SELECT")
    return isinstance(error, CommitStateUnknownException | ServiceUnavailableError | TooManyRequestsError | ServerError)


def _was_a_question(error: RequestException) -> bool:
    """Whether a request only asked for something, so that nothing can have come of it."""
    return error.request is not None and error.request.method in {"GET", "HEAD"}


def is_locked(error: DBAPIError) -> bool:
    """Whether SQLite gave up waiting for another connection."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in SQLITE_WAITS  # the low byte; the rest says which kind of wait


def _code(error: DBAPIError) -> str | None:
    """Return Postgres' code for an error, or a word that is none when another database raised it."""
    code: str | None = getattr(error.orig, "pgcode", "not Postgres")
    return code


@contextmanager
def lake_faults(doing: str) -> Iterator[None]:
    """Turn what a catalog or storage raises while `doing` something into a `LakeError` that says so and what to do."""
    try:
        yield
    except DatabaseError as error:
        if is_locked(error):
            msg = f"The catalog is locked by another process: {doing} gave up waiting."
            remedy = "see who holds it, or wait, then run the same command again"
            raise LakeError(msg, readers=READERS, next_step=remedy) from error
        raise _catalog_fault(doing, error) from error
    except (CommitFailedException, ValidationException) as error:
        msg = f"Other commits came first each time: {doing} gave up after {error}."
        raise LakeError(msg, readers=READERS, next_step="run the same command again") from error
    except RequestException as error:
        msg = f"The catalog did not answer {doing}: {_unanswered(error)}."
        raise LakeError(msg, readers=DOWN, next_step=TRY_AGAIN) from error
    except RESTError as error:
        msg = f"The catalog refused {doing}: {error}."
        raise LakeError(msg, readers=READERS, next_step=TRY_AGAIN) from error
    except LakeproofError:
        raise
    except Exception as error:
        if (refusal := Refusal.in_(error)) is not None:
            msg = f"Storage refused {doing}: {refusal}."
            raise LakeError(msg, readers=READERS, next_step=refusal.remedy) from None
        if not isinstance(error, OSError):
            raise
        msg = f"Storage refused {doing}: {error.strerror or error}."
        remedy = REMEDIES.get(error.errno or 0, "mend what it says, then run the same command again")
        raise LakeError(msg, readers=READERS, next_step=remedy) from error


def _unanswered(error: RequestException) -> str:
    """Return what came in place of an answer; the rest of what requests says is of its own parts."""
    where = "" if error.request is None else f" from {urlsplit(str(error.request.url)).netloc}"
    what = (
        "no answer in time" if isinstance(error, Timeout) else "no connection" if _nobody(error) else "a broken answer"
    )
    return f"{what}{where}"


def _nobody(error: RequestException) -> bool:
    return isinstance(error, LostConnectionError) and not isinstance(error, ChunkedEncodingError)


def _catalog_fault(doing: str, error: DatabaseError) -> LakeError:
    reason = str(error.orig or error).splitlines()[0]
    msg = f"The catalog cannot be used for {doing}: {reason}."
    damaged = any(word in reason for word in DAMAGED)
    remedy = "restore the catalog from a backup: only it knows what is published" if damaged else TRY_AGAIN
    return LakeError(msg, readers=DOWN, next_step=remedy)
