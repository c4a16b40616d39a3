"""`lakeproof doctor`: whether this machine, lake and workspace are in order."""

from __future__ import annotations

import os
import platform
import shutil
import uuid
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING

import click

from lakeproof.cli.execute import dagster_instance
from lakeproof.cli.locations import load_locations
from lakeproof.cli.options import as_json, workspace
from lakeproof.cli.sources import EVERY, as_markdown, as_record, examine, print_examined, references, sources_of
from lakeproof.cli.terminal import console, echo, grid, print_json
from lakeproof.errors import LakeproofError, UsageError
from lakeproof.lake.catalog import Lake, default_home
from lakeproof.lint import lint
from lakeproof.outcome import EXIT_CODES
from lakeproof.stewardship.ends import ends_of
from lakeproof.stewardship.valuing import assets_downstream, declared

if TYPE_CHECKING:
    from collections.abc import Callable

ENOUGH_BYTES = 1 * 2**30
"""Less free space than this is worth a warning."""


@dataclass(frozen=True)
class Finding:
    """What was found of one thing.

    Args:
        what: The thing.
        good: Whether it is in order.
        detail: What it is, or what is wrong and what to do.
        warns: Whether it is in order, and yet something is to be looked at.
    """

    what: str
    good: bool
    detail: str
    warns: bool = False


@click.command()
@click.option("--source", metavar="TABLE", help="Look at what TABLE collects from, or at all sources: `all`.")
@click.option("--markdown", is_flag=True, help="With --source: as a page to talk about with the source's owners.")
@workspace
@as_json
def doctor(*, source: str | None, markdown: bool, workspace: str, as_json: bool) -> int:
    """Check the installation, the lake, Dagster's record and the code locations; exits 1 when something is wrong.

    A table that no other reads, and that nobody says is worth something, is told as a warning.

    With --source: a source as it is now against its contract, what its fields hold, which keys and foreign keys hold in
    a sample, and which columns repeat as if they belonged to another table; exits 3 when it is not what its contract
    says.
    """
    if source is not None:
        return _sources(workspace, source, markdown=markdown, as_json=as_json)
    if markdown:
        msg = "--markdown is for --source."
        raise UsageError(msg, next_step="lakeproof doctor --source all --markdown")
    findings = [
        _look("python", lambda: f"{platform.python_version()} on {platform.system()}"),
        _look("packages", _packages),
        _look("home", _home),
        _look("lake", _lake),
        _look("dagster", _dagster),
        _look("workspace", lambda: _workspace(workspace)),
        _look("code", lambda: _code(workspace)),
        _value(workspace),
    ]
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        rows = [["✗" if not f.good else "!" if f.warns else "✓", f.what, f.detail] for f in findings]
        console().print(grid("", ["", "what", "found"], rows))
    return 0 if all(finding.good for finding in findings) else 1


def _sources(workspace: str, name: str, *, markdown: bool, as_json: bool) -> int:
    """Look at sources, and tell what was found."""
    locations = load_locations(workspace)
    examined = [examine(table, source) for table, source in sources_of(locations, name)]
    # What refers to what is found by looking at all of them.
    others = [] if name == EVERY else [(t, s) for t, s in sources_of(locations, EVERY) if t.name != name]
    keys = references([*examined, *(examine(table, source) for table, source in others)])
    if as_json:
        print_json([as_record(one, keys) for one in examined])
    elif markdown:
        echo(as_markdown(examined, keys), nl=False)
    else:
        for one in examined:
            print_examined(one, keys)
    if any(one.error is not None for one in examined):
        return 1
    return 0 if all(one.good for one in examined) else EXIT_CODES["blocked"]


def _look(what: str, find: Callable[[], str]) -> Finding:
    try:
        return Finding(what, good=True, detail=find())
    except LakeproofError as error:
        return Finding(what, good=False, detail=str(error))
    except Exception as error:  # noqa: BLE001 - a doctor reports what it finds, whatever it is
        return Finding(what, good=False, detail=f"{type(error).__name__}: {error}")


def _packages() -> str:
    return ", ".join(f"{name} {version(name)}" for name in ("lakeproof", "dagster", "pyiceberg", "duckdb", "polars"))


def _home() -> str:
    home = default_home()
    home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(home).free
    if free < ENOUGH_BYTES:
        msg = f"{home} has {free / 2**20:,.0f} MiB free"
        raise LakeproofError(msg, next_step="free some space, or move it with LAKEPROOF_HOME")
    return f"{home}, {free / 2**30:,.0f} GiB free"


def _lake() -> str:
    """Open the catalog, and write and remove a file where a local warehouse is."""
    lake = Lake.default()
    tables = sum(len(lake.catalog.list_tables(namespace)) for namespace in lake.catalog.list_namespaces())
    warehouse = default_home() / "warehouse"
    if warehouse.exists():
        probe = warehouse / f".probe-{uuid.uuid4().hex}"
        probe.write_bytes(os.urandom(16))
        probe.unlink()
    return f"{lake.where}, {tables} tables"


def _dagster() -> str:
    with dagster_instance() as instance:
        return f"{instance.root_directory}, {instance.get_runs_count()} runs recorded"


def _code(workspace: str) -> str:
    """Read the code of every table for what lets more than its inputs decide."""
    tables = [made for location in load_locations(workspace) for made in location.tables]
    if found := lint(tables):
        raise LakeproofError("\n".join(map(str, found)), next_step="mend each line, or say on it why it is fine")
    return f"{len(tables)} tables, no finding"


def _value(workspace: str) -> Finding:
    """Look for ends that nobody declared a need for; that is worth a warning, and no fault."""
    undeclared: list[str] = []

    def find() -> str:
        locations = load_locations(workspace)
        made = [one for location in locations for one in location.tables]
        assets = assets_downstream((each.definitions for each in locations), {one.table.name for one in made})
        known = declared(made, assets)
        ends = ends_of({table.name: table.upstream for table in known}, [t.name for t in known if t.values or t.assets])
        undeclared.extend(table.name for table in known if table.name in ends and not (table.values or table.assets))
        if not undeclared:
            return f"{len(ends)} tables that no other reads or that are worth something: each says to whom"
        return f"nobody declares a need for {', '.join(undeclared)}; say it in the contract, value=Value(…), or stop it"

    return replace(_look("value", find), warns=bool(undeclared))


def _workspace(workspace: str) -> str:
    locations = load_locations(workspace)
    return ", ".join(f"{location.name}: {len(location.tables)} tables" for location in locations)
