"""Files that ship inside an installed package: data that is always there, for examples and tests."""

from __future__ import annotations

import hashlib
import zipfile
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
from pyarrow import csv

from lakeproof.engine.cast import arrow_schema
from lakeproof.engine.duck import connect
from lakeproof.errors import SourceError
from lakeproof.forms import BATCH_ROWS
from lakeproof.source.drift import compare_names
from lakeproof.source.protocol import Completeness, Delivery, Precheck

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeproof.parts import Column
    from lakeproof.source.protocol import Day
    from lakeproof.window import Window


@dataclass(frozen=True)
class PackageSource:
    """A CSV file, plain or alone in a ZIP, inside an installed package that is not imported.

    Args:
        package: The package's import name.
        file: The file's path inside it.
        fields: The columns to read, as delivered.
        day: SQL over the fields that gives the day a row belongs to; None for a file without days.
        null: How the file writes a missing value.
    """

    package: str
    file: str
    fields: Sequence[Column]
    day: str | None = None
    null: str = "NA"

    @property
    def name(self) -> str:
        """The package and file."""
        return f"{self.package}/{self.file}"

    def precheck(self, window: Window | None) -> Precheck:
        """Compare the file's header with the fields."""
        del window
        with _open(self._path()) as stream:
            header = stream.readline().decode().strip().split(",")
        return Precheck(*compare_names([f.name for f in self.fields], [name.strip('"') for name in header]))

    def complete(self, window: Window | None) -> dict[Day, Completeness]:
        """Say whether the file has any row of each day: it is published whole, so a day in it is all there."""
        return {
            day: Completeness(rows > 0, f"{self.name} has {rows:,} rows of {day or 'it'}")
            for day, rows in self.count(window).items()
        }

    def count(self, window: Window | None) -> dict[Day, int]:
        """Count the rows of each day."""
        counts = _days(self)
        return {day: counts[day] for day in ([None] if window is None or self.day is None else window.days)}

    def version(self, window: Window | None) -> dict[str, str]:
        """Return the package's version and the file's digest."""
        del window
        return {"package": version(self.package), "sha256": _sha256(self._path())}

    def read(self, window: Window | None) -> Delivery:
        """Read exactly the rows of a window."""
        rows = connect().from_arrow(_rows(self))
        if window is not None and self.day is not None:
            rows = rows.filter(f"{self.day} >= DATE '{window.first}' AND {self.day} < DATE '{window.until}'")
        return Delivery(rows.to_arrow_reader(BATCH_ROWS))

    def _path(self) -> Path:
        spec = find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            msg = f"{self.name}: package {self.package} is not installed."
            raise SourceError(msg, next_step=f"install it: pip install {self.package}")
        path = Path(spec.submodule_search_locations[0]) / self.file
        if not path.is_file():
            msg = f"{self.name}: the installed package has no such file."
            raise SourceError(msg, next_step="install the version that pyproject.toml names")
        return path

    def __hash__(self) -> int:
        """Hash by identity of what is read, so that a process reads a file once."""
        return hash((self.package, self.file, self.day))


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".zip":
        archive = zipfile.ZipFile(path)
        return archive.open(archive.namelist()[0])  # type: ignore[return-value]  # reads like a binary file
    return path.open("rb")


@lru_cache(maxsize=8)
def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@lru_cache(maxsize=8)
def _rows(source: PackageSource) -> pa.Table:
    schema = arrow_schema(source.fields)
    options = csv.ConvertOptions(
        column_types=schema, include_columns=schema.names, null_values=[source.null], strings_can_be_null=True
    )
    try:
        with _open(source._path()) as stream:  # noqa: SLF001 - of this module
            return csv.read_csv(stream, convert_options=options)
    except (pa.ArrowInvalid, KeyError, zipfile.BadZipFile) as error:
        msg = f"{source.name} cannot be read as its contract says: {error}"
        raise SourceError(msg, next_step="mend the fields, or install the version that pyproject.toml names") from error


@lru_cache(maxsize=8)
def _days(source: PackageSource) -> Mapping[Day, int]:
    if source.day is None:
        return Counter({None: _rows(source).num_rows})
    days = connect().from_arrow(_rows(source)).aggregate(f"{source.day} AS day, count(*)", source.day)
    return Counter(dict(days.fetchall()))
