"""What a catalog, a disk or a bucket can raise, told as one clear refusal."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException, RESTError, ValidationException
from sqlalchemy.exc import DatabaseError, OperationalError

from lakeproof.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCKED = "database is locked"
"""What SQLite says when another connection holds its lock."""

OVERTAKEN = ("sequence number", "Snapshot with snapshot id")
"""What catalogs say of a commit that was planned on metadata that has moved on."""

DAMAGED = ("file is not a database", "malformed")
"""What SQLite says of a file that is no longer one of its own."""

READERS = "see each day as it was, or as a finished run made it, never a mix"
"""What readers see whenever storage fails: a publish is one commit."""

REMEDIES = {
    errno.ENOSPC: "free some space, then run the same command again",
    errno.EDQUOT: "free some space, then run the same command again",
    errno.EFBIG: "raise the limit on file sizes, then run the same command again",
    errno.EROFS: "mount the warehouse writable, then run the same command again",
    errno.EACCES: "give this user write access to the warehouse, then run the same command again",
    errno.EPERM: "give this user write access to the warehouse, then run the same command again",
}


def is_conflict(error: Exception) -> bool:
    """Whether a commit failed only because another one came first, or a lock was held: plan anew and try again.

    PyIceberg raises plain `ValueError` from its SQL catalog, and some REST catalogs answer 400, when the table-wide
    sequence number has moved on (apache/iceberg#15001), or a snapshot that was to expire has expired already.
    """
    if isinstance(error, CommitFailedException | ValidationException | CommitStateUnknownException):
        return True
    if isinstance(error, OperationalError):
        return LOCKED in str(error)
    return isinstance(error, ValueError | RESTError) and any(words in str(error) for words in OVERTAKEN)


@contextmanager
def lake_faults(doing: str) -> Iterator[None]:
    """Turn what storage raises while `doing` something into a `LakeError` that says so and what to do."""
    try:
        yield
    except OperationalError as error:
        if LOCKED in str(error):
            msg = f"The catalog is locked by another process: {doing} gave up waiting."
            remedy = "see who holds it, or wait, then run the same command again"
            raise LakeError(msg, readers=READERS, next_step=remedy) from error
        raise _catalog_fault(doing, error) from error
    except DatabaseError as error:
        raise _catalog_fault(doing, error) from error
    except OSError as error:
        msg = f"Storage refused {doing}: {error.strerror or error}."
        remedy = REMEDIES.get(error.errno or 0, "mend what it says, then run the same command again")
        raise LakeError(msg, readers=READERS, next_step=remedy) from error


def _catalog_fault(doing: str, error: DatabaseError) -> LakeError:
    reason = str(error.orig or error).splitlines()[0]
    msg = f"The catalog cannot be used for {doing}: {reason}."
    damaged = any(word in reason for word in DAMAGED)
    remedy = (
        "restore the catalog from a backup: only it knows what is published"
        if damaged
        else "see whether the catalog's database is up and reachable, then run the same command again"
    )
    return LakeError(msg, readers="can read nothing while the catalog cannot be used", next_step=remedy)
