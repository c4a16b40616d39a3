"""A folder or bucket prefix, out of which no path leads: which files lie in it, and how large and how old they are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pyarrow.fs import FileSelector, FileType

from lakeproof.errors import ContractError, SourceError

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo

WILD = frozenset("*?[")
AWS = {"s3.endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), "s3.region": ("AWS_REGION", "AWS_DEFAULT_REGION")}
"""What PyIceberg asks the network for, or leaves at its default, where it could look into AWS's environment."""


@dataclass(frozen=True)
class Landed:
    """A file as it lies there.

    Args:
        name: Its path below the folder.
        path: Its path as the file system takes it.
        bytes: Its size.
        modified: When it last changed, in nanoseconds since 1970.
    """

    name: str
    path: str
    bytes: int
    modified: int

    @property
    def state(self) -> str:
        """Its size and age in words: what tells this state of it from another."""
        at = datetime.fromtimestamp(self.modified / 1e9, UTC)
        return f"{self.bytes} bytes, modified {at.isoformat()}"


@dataclass(frozen=True)
class Folder:
    """A local folder, or a prefix of a bucket as `s3://bucket/prefix`.

    A bucket is reached as AWS's own environment says: region, endpoint and credentials.

    Args:
        root: Where it is.
        shown: How a message names it.
    """

    root: str
    shown: str

    def find(self, pattern: str) -> list[Landed]:
        """Return the files that a pattern matches, by name; as in a shell, no wildcard matches a leading dot.

        Raises:
            SourceError: The folder is not there or cannot be listed, or a link leads out of it.
        """
        parts = PurePosixPath(pattern).parts
        fixed = next((n for n, part in enumerate(parts) if WILD & set(part)), len(parts) - 1)
        base = "/".join((self._base, *parts[:fixed]))
        selector = FileSelector(base, allow_not_found=True, recursive=fixed < len(parts) - 1)
        try:
            infos: list[FileInfo] = self._system.get_file_info(selector)
        except OSError as error:
            msg = f"{self.shown} cannot be listed: {error}"
            raise SourceError(msg, next_step="see that it is there and may be read") from None
        found = [self._landed(info) for info in infos if info.type == FileType.File]
        return sorted((one for one in found if _matches(one.name, parts)), key=lambda one: one.name)

    def open(self, file: Landed) -> Any:
        """Return a stream of a file's bytes."""
        return self._system.open_input_stream(file.path, compression=None)

    def open_file(self, file: Landed) -> Any:
        """Return a file to be read at any place."""
        return self._system.open_input_file(file.path)

    def _landed(self, info: FileInfo) -> Landed:
        name = info.path.removeprefix(self._base).lstrip("/")
        if self._local is not None and not Path(info.path).resolve().is_relative_to(self._local):
            msg = f"{self.shown}: {name} is a link that leads out of the folder."
            raise SourceError(msg, next_step="deliver the file itself")
        return Landed(name, info.path, info.size, info.mtime_ns or 0)

    @cached_property
    def _local(self) -> Path | None:
        return None if "://" in self.root else Path(self.root).resolve()

    @cached_property
    def _base(self) -> str:
        return str(self._local) if self._local is not None else self.root.split("://", 1)[1].rstrip("/")

    @cached_property
    def _system(self) -> Any:
        # Only where a source is used, and it takes long to load.
        from pyiceberg.io.pyarrow import PyArrowFileIO  # noqa: PLC0415

        if self._local is not None:
            return PyArrowFileIO({}).fs_by_scheme("file", "")
        scheme, bucket, _ = PyArrowFileIO.parse_location(self.root)
        told = {name: next(filter(None, map(os.environ.get, variables)), None) for name, variables in AWS.items()}
        properties = {name: value for name, value in told.items() if value}
        return PyArrowFileIO(properties).fs_by_scheme(scheme, bucket)


def check_pattern(where: str, pattern: str) -> None:
    """Refuse a pattern that could lead out of its folder.

    Raises:
        ContractError: It could.
    """
    path = PurePosixPath(pattern)
    if path.is_absolute() or ".." in path.parts or "\\" in pattern or "://" in pattern or not path.parts:
        msg = f"{where}: path {pattern!r} leads out of the root, or names nothing in it."
        raise ContractError(msg, next_step="give a path below the root, without ..")


def _matches(name: str, parts: tuple[str, ...]) -> bool:
    own = PurePosixPath(name).parts
    return len(own) == len(parts) and all(
        fnmatchcase(one, part) and (not one.startswith(".") or part.startswith("."))
        for one, part in zip(own, parts, strict=True)
    )
