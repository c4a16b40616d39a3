"""A table's files where they are: whatever engine reads them, by the file IO, and so the credentials, of PyIceberg."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyiceberg.io.pyarrow import PyArrowFileIO

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    from pyiceberg.io import FileIO

S3_OPTIONS = {
    "s3.endpoint": "aws_endpoint_url",
    "s3.access-key-id": "aws_access_key_id",
    "s3.secret-access-key": "aws_secret_access_key",
    "s3.session-token": "aws_session_token",
    "s3.region": "aws_region",
}
"""PyIceberg's names of what Polars needs to know; where they are not set, both look in the same places of AWS."""


def reach(connection: duckdb.DuckDBPyConnection, io: FileIO | None, paths: Sequence[str]) -> None:
    """Let a DuckDB connection read a table's files: local ones by itself, others through PyIceberg's file system.

    Args:
        connection: The connection. The first table of a scheme that it reads decides on the credentials.
        io: The table's file IO; None when it has no files.
        paths: The files.
    """
    if not paths or not isinstance(io, PyArrowFileIO) or paths[0].startswith("/"):
        return
    scheme, bucket, _ = PyArrowFileIO.parse_location(paths[0])
    if scheme not in connection.list_filesystems():
        connection.register_filesystem(_file_system(scheme, io.fs_by_scheme(scheme, bucket)))


def polars_options(io: FileIO | None, paths: Sequence[str]) -> dict[str, str] | None:
    """Return what Polars needs to read a table's files by itself, or None when it cannot.

    Args:
        io: The table's file IO; None when it has no files.
        paths: The files.
    """
    if io is None or not paths:
        return None
    if paths[0].startswith("/"):
        return {}
    if not paths[0].startswith(("s3://", "s3a://")):
        return None
    options = {theirs: str(io.properties[ours]) for ours, theirs in S3_OPTIONS.items() if io.properties.get(ours)}
    return options | {"aws_allow_http": str(options.get("aws_endpoint_url", "").startswith("http://")).lower()}


def _file_system(scheme: str, arrow: Any) -> Any:
    # Only where files are not local, and it ships no types.
    from fsspec.implementations.arrow import ArrowFSWrapper  # type: ignore[import-untyped]  # noqa: PLC0415

    class Files(ArrowFSWrapper):  # type: ignore[misc]  # as above
        protocol = scheme

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return path.removeprefix(f"{scheme}://")

    return Files(arrow, skip_instance_cache=True)
