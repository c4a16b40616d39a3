"""How long a bucket is asked again while it is busy or does not answer."""

from __future__ import annotations

from pyarrow.fs import AwsStandardS3RetryStrategy

RETRY_KEY = "s3.retry-strategy-impl"
"""PyIceberg's property for it, which a catalog's configuration may have set to something else."""

ATTEMPTS = 7
"""How often a request is made: with the SDK's own pauses, which double up to 20 s, 25 s in the mean and 51 at most."""


class Patient(AwsStandardS3RetryStrategy):  # type: ignore[misc]  # pyarrow ships no types
    """The standard strategy of AWS' SDK, for longer than the second or two that Arrow gives it.

    It asks again after 5xx, a slow-down, a connection that broke or was refused; and not after 403, nor once its budget
    of repetitions for all requests together is spent.
    """

    def __init__(self) -> None:
        super().__init__(max_attempts=ATTEMPTS)
