"""`lakeproof postmortem`: an incident as a page of Markdown, to be finished by those who know why."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from lakeproof.cli.execute import dagster_instance
from lakeproof.cli.incidents import as_record, known_tables
from lakeproof.cli.lake import open_workspace
from lakeproof.cli.options import as_json, workspace, writing
from lakeproof.cli.terminal import echo, print_json
from lakeproof.errors import UsageError, did_you_mean
from lakeproof.stewardship.postmortem import postmortem as written
from lakeproof.stewardship.reporting import background_of, incidents_of


@click.command()
@click.argument("incident", metavar="ID")
@click.option("--output", metavar="FILE", help="Write it there, if there is no such file yet.")
@workspace
@as_json
def postmortem(incident: str, *, output: str | None, workspace: str, as_json: bool) -> int:
    """Write a post-mortem of the incident ID, as far as the record knows: what, when, who waited, what readers saw.

    Why it happened, and what is to be done, is left to fill in. It names tables and teams, and no person.
    """
    lake, locations = open_workspace(workspace)
    made = {one.table.name: one for location in locations for one in location.tables}
    now = datetime.now(UTC)
    with dagster_instance() as instance:
        found = {one.id: one for one in incidents_of(instance, lake, known_tables(lake, locations), now)}
        if incident not in found:
            hint = did_you_mean(incident, found) if found else "There never was one."
            msg = f"There is no incident {incident!r}. {hint}"
            raise UsageError(msg, next_step="lakeproof incidents --all lists every incident")
        background = background_of(instance, lake, found[incident], made, now)
    page = written(found[incident], background)
    if output is not None:
        _write(output, page)
    if as_json:
        print_json(as_record(found[incident]) | {"page": page})
    else:
        echo(page if output is None else f"Written to {output}.", nl=output is not None)
    return 0


def _write(output: str, page: str) -> None:
    """Write the page to a new file: what somebody filled in is not written over."""
    with writing(output, "--output"), Path(output).open("x", encoding="utf-8") as file:
        file.write(page)
