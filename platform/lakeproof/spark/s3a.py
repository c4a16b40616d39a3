"""Hadoop's S3A, by which Spark reaches a bucket: what PyIceberg's configuration says of it, in S3A's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLES = {
    "s3.access-key-id": "AWS_ACCESS_KEY_ID",
    "s3.secret-access-key": "AWS_SECRET_ACCESS_KEY",
    "s3.session-token": "AWS_SESSION_TOKEN",
}
"""PyIceberg's names of what opens a bucket, and the variables in which S3A looks for it: who lists processes sees
arguments, and not these. Executors on other machines have roles of their own."""

KEYS = {"s3.access-key-id": "access.key", "s3.secret-access-key": "secret.key", "s3.session-token": "session.token"}
"""The same, and S3A's names of it in the settings of a session."""


PATIENCE = {"retry.throttle.limit": "5"}
"""How often S3A asks again while a bucket says that it is busy, beside the SDK's own five repetitions of each: for two
minutes in all. The pauses double from half a second; with Hadoop's own 20 times they would take days."""


def s3a(location: str) -> str:
    """Return a location in a bucket as Hadoop's own file system names it."""
    return f"s3a://{location.removeprefix('s3://')}" if location.startswith("s3://") else location


def reached(storage: Mapping[str, str]) -> dict[str, str]:
    """Return the settings by which S3A finds a bucket and waits for it, by their names after `fs.s3a.`; without keys.

    Args:
        storage: What PyIceberg's configuration says of the bucket, by PyIceberg's names.
    """
    settings = dict(PATIENCE)
    if endpoint := storage.get("s3.endpoint"):
        is_virtual = storage.get("s3.force-virtual-addressing", "false").lower() == "true"
        settings |= {
            "endpoint": endpoint,
            "path.style.access": str(not is_virtual).lower(),
            "connection.ssl.enabled": str(endpoint.startswith("https://")).lower(),
        }
    if region := storage.get("s3.region"):
        settings["endpoint.region"] = region
    return settings


def submitted(storage: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return what a job that is submitted needs to reach a bucket: settings of Spark, and variables of its process."""
    settings = {f"spark.hadoop.fs.s3a.{name}": value for name, value in reached(storage).items()}
    return settings, {theirs: storage[ours] for ours, theirs in VARIABLES.items() if ours in storage}


def of_session(storage: Mapping[str, str], bucket: str) -> dict[str, str]:
    """Return what a session of this process needs to reach a bucket, keys included: no other process sees its settings.

    They are of that bucket alone, so that one session serves several lakes.

    Args:
        storage: What PyIceberg's configuration says of the bucket, by PyIceberg's names.
        bucket: The bucket's name.
    """
    settings = reached(storage) | {theirs: storage[ours] for ours, theirs in KEYS.items() if ours in storage}
    return {f"fs.s3a.bucket.{bucket}.{name}": value for name, value in settings.items()}


def buckets(order: object) -> set[str]:
    """Return the buckets that an order names anywhere in it."""
    if isinstance(order, str):
        return {order.removeprefix("s3a://").partition("/")[0]} if order.startswith("s3a://") else set()
    if isinstance(order, dict):
        return {bucket for value in order.values() for bucket in buckets(value)}
    return {bucket for value in order for bucket in buckets(value)} if isinstance(order, list | tuple) else set()
