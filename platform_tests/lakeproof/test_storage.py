"""What engines say of a bucket's refusal is told in a few words, and without what must not be told."""

from __future__ import annotations

import pytest

from lakeproof.errors import LakeError
from lakeproof.storage import Refusal, bucket_faults

ARROW = (
    "When uploading part for key 'a/b.parquet' in bucket 'lake': AWS Error ACCESS_DENIED during UploadPart operation: x"
)
DUCKDB = (
    'Traceback (most recent call last):\n  File "pyarrow/error.pxi", line 92\n'
    "OSError: AWS Error SLOW_DOWN during GetObject operation: Please reduce your request rate."
)
UNKNOWN = "AWS Error UNKNOWN (HTTP status 507) during PutObject operation: nothing more"
POLARS = (
    "object-store error: Error performing GET http://127.0.0.1:9/lake/a.parquet?X-Amz-Signature=abc in 1ms - Server "
    "returned non-2xx status code: 403 Forbidden: <Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIA1"
    "</AWSAccessKeyId><StringToSign>AWS4-HMAC-SHA256</StringToSign></Error> (path: s3://lake/a.parquet)"
)
LOST = "object-store error: Generic S3 error: HTTP error: request or response body error (path: s3://lake/a.parquet)"


@pytest.mark.parametrize(
    ("text", "told", "remedy"),
    [
        (ARROW, "ACCESS_DENIED in UploadPart of s3://lake/a/b.parquet", "see that the lake's key is right"),
        (DUCKDB, "SLOW_DOWN in GetObject", "run the same command again later"),
        (UNKNOWN, "507 in PutObject", "mend what it says"),
        (POLARS, "SignatureDoesNotMatch in GET of s3://lake/a.parquet", "see that the lake's key is right"),
        (LOST, "NETWORK_CONNECTION of s3://lake/a.parquet", "see whether the bucket's endpoint is up"),
    ],
)
def test_a_refusal_is_told_by_code_operation_and_file(text: str, told: str, remedy: str) -> None:
    """Nothing else of an engine's text is kept, nor is it the error's cause, which Dagster would record."""
    with pytest.raises(LakeError) as refusal, bucket_faults("reading lab.readings"):
        raise OSError(text)

    assert refusal.value.what == f"Storage refused reading lab.readings: {told}."
    assert (refusal.value.next_step or "").startswith(remedy)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


def test_what_is_no_bucket_is_let_through() -> None:
    """A disk's error, or a function's own, stays what it is."""
    assert Refusal.in_(ValueError("the sensor's calibration is unknown")) is None
    with pytest.raises(PermissionError), bucket_faults("reading lab.readings"):
        raise PermissionError(13, "Permission denied")
