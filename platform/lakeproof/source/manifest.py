"""A list of the files of a day, made by whoever delivers them: with it, nothing is missing and nothing is too much."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakeproof.source.fault import DeliveryFault, shown

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Listed:
    """A file as a manifest lists it.

    Args:
        bytes: Its size.
        rows: How many rows it has; None where the manifest does not tell.
        sha256: The digest of its bytes, as hexadecimal digits; None likewise.
    """

    bytes: int
    rows: int | None = None
    sha256: str | None = None


def parse_manifest(text: bytes) -> Mapping[str, Listed]:
    """Return the files that a manifest lists, by name.

    A manifest is `{"files": [{"name": "a.csv", "bytes": 120, "rows": 7, "sha256": "…"}]}`, the last two if it knows.

    Raises:
        DeliveryFault: It is no manifest.
    """
    try:
        entries = json.loads(text)["files"]
        return dict(map(_listed, entries))
    except (ValueError, KeyError, TypeError) as error:
        msg = f"it is no manifest, or not all of one: {type(error).__name__}: {error}"
        raise DeliveryFault(msg) from None


def _listed(entry: Mapping[str, Any]) -> tuple[str, Listed]:
    name, size, rows, sha256 = entry["name"], entry["bytes"], entry.get("rows"), entry.get("sha256")
    if type(name) is not str or type(size) is not int or type(rows) not in {int, type(None)}:
        msg = f"{shown(entry)} names no file and size"
        raise TypeError(msg)
    return name, Listed(size, rows, None if sha256 is None else str(sha256).lower())
