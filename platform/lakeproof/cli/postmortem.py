"""`lakeproof postmortem`: an incident as a page of Markdown, to be finished by those who know why."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from lakeproof.cli.execute import dagster_instance
from lakeproof.cli.incidents import known_tables
from lakeproof.cli.lake import open_workspace
from lakeproof.cli.options import workspace
from lakeproof.errors import UsageError, did_you_mean
from lakeproof.stewardship.postmortem import postmortem as written
from lakeproof.stewardship.reporting import background_of, incidents_of


@click.command()
@click.argument("incident", metavar="ID")
@click.option("--output", metavar="FILE", help="Write it there, if there is no such file yet.")
@workspace
def postmortem(incident: str, *, output: str | None, workspace: str) -> int:
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
    if output is None:
        click.echo(page, nl=False)
        return 0
    try:
        with Path(output).open("x", encoding="utf-8") as file:  # what somebody filled in is not written over
            file.write(page)
    except OSError as error:
        msg = f"{output} cannot be written: {error.strerror}."
        raise UsageError(msg, next_step="name another file, or leave --output out") from None
    click.echo(output)
    return 0
