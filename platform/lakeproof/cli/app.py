"""The command and its nouns; each is imported when it is called, so that `lakeproof --help` answers at once."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from lakeproof.cli.terminal import echo
from lakeproof.errors import LakeproofError, UsageError, did_you_mean
from lakeproof.storage import bucket_faults

COMMANDS = {
    "run": "make days: gate, stage, audit, publish",
    "status": "which days of each table are published, held or missing",
    "show": "a published day, a held one, or its evidence",
    "compare": "what differs between an output and main, or any two sides",
    "promote": "make an output's days those of main, or take that back",
    "discard": "let an output go",
    "held": "the days that audits refused, and why",
    "sla": "whether days come when they were promised",
    "incidents": "what keeps days from readers, or did",
    "postmortem": "an incident as a page, to be finished by those who know why",
    "verify": "whether published days are what their recorded inputs make",
    "lint": "what in the code of tables lets more than their inputs decide",
    "value": "what pipelines are worth, cost and are used for, and what to do about each",
    "duplicates": "metrics and tables that are there twice, or under one name for two things",
    "maintain": "remove what nobody needs, and record what was published",
    "doctor": "whether this machine, lake and workspace are in order",
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order a person meets them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            ctx.fail(f"No such command {cmd_name!r}. {did_you_mean(cmd_name, COMMANDS)}")
        command: click.Command = getattr(import_module(f"lakeproof.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="lakeproof")
def lakeproof() -> None:
    """Publish days of tables that no reader sees before every audit passed.

    Exit codes: 0 done · 1 error · 2 usage · 3 held · 4 not ready · 5 the base moved · 130 interrupted
    """


def main() -> None:
    """Run the command; a refusal is printed as it is and never exits 0."""
    try:
        with bucket_faults("what the command asked of it"):
            sys.exit(lakeproof.main(standalone_mode=False))
    except LakeproofError as error:
        fail(str(error.with_traceback(None)), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        echo(error.format_message())
        sys.exit(UsageError.exit_code)
    except click.UsageError as error:
        hint = f"Next: {error.ctx.command_path} --help" if error.ctx else "Next: lakeproof --help"
        fail(f"{error.format_message()}\n{hint}", UsageError.exit_code)
    except click.ClickException as error:
        fail(error.format_message(), 1)
    except (click.Abort, KeyboardInterrupt):
        fail("Interrupted before anything ran. Readers see what they saw before.", 130)
    except BrokenPipeError:
        sys.exit(1)


def fail(message: str, code: int) -> None:
    """Print a refusal on the error stream and leave."""
    echo(message, label="lakeproof: ", err=True)
    sys.exit(code)
