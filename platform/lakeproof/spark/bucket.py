"""A bucket between the platform and Spark in AWS: the script goes there by its content, order and report by Pipes."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from dagster_aws.pipes import PipesS3ContextInjector, PipesS3MessageReader

from lakeproof.errors import MakeError, UsageError
from lakeproof.spark.launcher import HELPER, Job
from lakeproof.spark.piped import piped

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dagster as dg

MESSAGES_SECONDS = 1.0
"""How often messages are looked for; dagster-aws would every ten seconds."""


@dataclass(frozen=True)
class Bucket:
    """A place in a bucket that the platform and its jobs share; region, credentials and endpoint are boto3's.

    Args:
        location: `s3://bucket/prefix`.

    Raises:
        UsageError: It is no such place.
    """

    location: str

    def __post_init__(self) -> None:
        """Refuse what is no place in a bucket."""
        if not self.location.startswith("s3://") or not self.name:
            msg = f"{self.location!r} is no place in a bucket."
            raise UsageError(msg, next_step="name it as s3://bucket/prefix")

    @property
    def name(self) -> str:
        """The bucket's name."""
        return self.location.removeprefix("s3://").partition("/")[0]

    def key(self, path: str) -> str:
        """Return the key of a path below the location."""
        prefix = self.location.removeprefix("s3://").partition("/")[2].strip("/")
        return f"{prefix}/{path}" if prefix else path

    @cached_property
    def client(self) -> Any:
        """The client of S3, which tries again what may pass."""
        return boto3.client("s3", config=Config(retries={"mode": "standard", "total_max_attempts": 8}))

    def upload(self, job: Job) -> tuple[str, str]:
        """Put a job's script, and what goes with it, under a name that is made of their content.

        Returns:
            The locations of the script and of the helper.

        Raises:
            MakeError: The bucket does not take them.
        """
        files = {path.name: path.read_bytes() for path in (job.script, HELPER)}
        digest = hashlib.sha256(b"\0".join(files.values())).hexdigest()[:32]
        keys = [self.key(f"code/{digest}/{name}") for name in files]
        try:
            for key, content in zip(keys, files.values(), strict=True):
                self.client.put_object(Bucket=self.name, Key=key, Body=content)
        except (BotoCoreError, ClientError) as error:
            msg = f"{job.table}: {job.script.name} cannot be put into {self.location}: {error}"
            raise MakeError(msg, next_step="see that the bucket is there and may be written, then run again") from error
        return f"s3://{self.name}/{keys[0]}", f"s3://{self.name}/{keys[1]}"

    @contextmanager
    def session(self, context: Any, job: Job) -> Iterator[dg.PipesSession]:
        """Open a session of Dagster Pipes over the bucket; what it left there goes when it ends."""
        folder = self.key(f"runs/{job.run}")
        injector = PipesS3ContextInjector(bucket=self.name, client=self.client, key_prefix=f"{folder}/")
        reader = _Messages(folder, bucket=self.name, client=self.client, interval=MESSAGES_SECONDS)
        try:
            with piped(context, job, injector, reader) as session:
                yield session
        finally:
            with suppress(BotoCoreError, ClientError):
                self._remove(folder)

    def _remove(self, folder: str) -> None:
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=f"{folder}/"):
            if keys := [{"Key": found["Key"]} for found in page.get("Contents", ())]:
                self.client.delete_objects(Bucket=self.name, Delete={"Objects": keys, "Quiet": True})


class _Messages(PipesS3MessageReader):
    """Reads messages below a folder of the run's own: dagster-aws has them at the top of the bucket."""

    def __init__(self, folder: str, **options: Any) -> None:
        super().__init__(**options)
        self._folder = folder

    @contextmanager
    def get_params(self) -> Iterator[dict[str, Any]]:
        with super().get_params() as params:
            yield {**params, "key_prefix": f"{self._folder}/{params['key_prefix']}"}
