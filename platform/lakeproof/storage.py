"""What a bucket refused, in a few words and without a secret, whatever an engine made of it.

Arrow, and DuckDB that reads through it, write `AWS Error CODE during OPERATION operation: …`; Polars writes the whole
answer of S3, in which AWS repeats the key's id and what was signed. So of a text of theirs only the code, the operation
and the file are told.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeproof.errors import LakeError, LakeproofError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ARROW = re.compile(
    r"AWS Error (?P<code>[A-Z_]+)(?: \(HTTP status (?P<status>\d+)\))?(?: \[[^\]]*\])?"
    r" during (?P<operation>\w+) operation"
)
_ARROW_FILE = re.compile(r"key '(?P<key>[^']*)' in bucket '(?P<bucket>[^']*)'")
_POLARS = re.compile(r"object-store error|Generic S3 error")
_POLARS_CODE = re.compile(r"<Code>(?P<code>\w+)</Code>")
_POLARS_STATUS = re.compile(r"status code: (?P<status>\d{3})")
_POLARS_OPERATION = re.compile(r"Error performing (?P<operation>[A-Z]+) ")
_POLARS_FILE = re.compile(r"path: (?P<file>s3a?://[^\s)?]+)\)")

NO_ANSWER = "NETWORK_CONNECTION"
"""What Arrow calls a connection that broke, or was never there; Polars has no code for it."""

FORBIDDEN = {
    "accessdenied",
    "forbidden",
    "invalidaccesskeyid",
    "invalidclienttokenid",
    "signaturedoesnotmatch",
    "invalidsignature",
    "invalidtoken",
    "expiredtoken",
    "unrecognizedclient",
    "accountproblem",
    "401",
    "403",
}
BUSY = {
    "slowdown",
    "serviceunavailable",
    "throttling",
    "requesttimeout",
    "internalfailure",
    "internalerror",
    "429",
    "500",
    "502",
    "503",
    "504",
}
ABSENT = {"nosuchbucket"}
"""Codes of S3, as AWS lists them, and statuses where there is no code; lower case and without underscores."""

REMEDIES = (
    (FORBIDDEN, "see that the lake's key is right and may do that in the bucket, then run the same command again"),
    (BUSY, "run the same command again later: it was asked several times already"),
    (ABSENT, "see that the bucket is there, then run the same command again"),
    ({"networkconnection"}, "see whether the bucket's endpoint is up and reachable, then run the same command again"),
)
OTHERWISE = "mend what it says, then run the same command again"


@dataclass(frozen=True)
class Refusal:
    """What a bucket refused.

    Args:
        code: S3's code, or the status of its answer.
        operation: What was asked for; empty where the engine does not say.
        file: Which file, as Iceberg names it; empty where the engine does not say.
    """

    code: str
    operation: str = ""
    file: str = ""

    @classmethod
    def in_(cls, error: BaseException) -> Refusal | None:
        """Return what a bucket refused, found in an engine's error; None when that is of something else."""
        text = str(error)
        if found := _ARROW.search(text):
            file = _ARROW_FILE.search(text)
            code = found["status"] or found["code"] if found["code"] == "UNKNOWN" else found["code"]
            return cls(code, found["operation"], f"s3://{file['bucket']}/{file['key']}" if file else "")
        if _POLARS.search(text):
            code = _POLARS_CODE.search(text) or _POLARS_STATUS.search(text)
            operation, file = _POLARS_OPERATION.search(text), _POLARS_FILE.search(text)
            return cls(code[1] if code else NO_ANSWER, operation[1] if operation else "", file[1] if file else "")
        return None

    def __str__(self) -> str:
        """Return it in a few words."""
        return (
            f"{self.code}{f' in {self.operation}' if self.operation else ''}{f' of {self.file}' if self.file else ''}"
        )

    @property
    def remedy(self) -> str:
        """What to do about it."""
        kind = self.code.lower().replace("_", "")
        return next((remedy for codes, remedy in REMEDIES if kind in codes), OTHERWISE)


def refuse(doing: str, error: BaseException) -> None:
    """Raise what a bucket refused, if an engine's error is of that.

    The error itself is not kept as the cause: its text may hold what must not be told.

    Raises:
        LakeError: It is.
    """
    if (refusal := Refusal.in_(error)) is not None:
        msg = f"Storage refused {doing}: {refusal}."
        raise LakeError(msg, next_step=refusal.remedy) from None


@contextmanager
def bucket_faults(doing: str) -> Iterator[None]:
    """Turn what an engine makes of a bucket's refusal while `doing` something into a `LakeError`; let the rest through.

    Raises:
        LakeError: A bucket refused.
    """
    try:
        yield
    except LakeproofError:
        raise
    except Exception as error:
        refuse(doing, error)
        raise
