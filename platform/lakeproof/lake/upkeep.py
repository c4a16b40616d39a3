"""Removes what nobody needs any more, and nothing else: what killed runs left, what was replaced long ago, orphans.

A file stays when anything leads to it: a snapshot, a branch or tag, a held stage, a run at work. What nothing leads to
goes at once when it is known to be a killed run's; else after a time, because someone may be about to need it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lakeproof.lake.confirmed import CONFIRMED, last_confirmed
from lakeproof.lake.evidence import PATH_KEY
from lakeproof.lake.faults import is_conflict, lake_faults
from lakeproof.lake.files import StoredFile, key_of, list_files, records_of, run_began, run_of
from lakeproof.lake.held import CANDIDATE, Ledger, read_ledgers, waiting_days
from lakeproof.lake.live import View
from lakeproof.lake.output import COMPARED, MAIN, OutputTable, outputs_of, summary_of
from lakeproof.lake.promotion import PROMOTIONS, forget_promotions
from lakeproof.lake.reach import Reach
from lakeproof.lake.replace import expire_snapshots
from lakeproof.lake.retention import Retention
from lakeproof.lake.running import SUFFIX, RunningStage, running_stages
from lakeproof.lake.used import KEPT, USED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyiceberg.table import Table as IcebergTable

GRACE = timedelta(hours=1)
"""How long a file that nothing leads to is left alone at least: its writer may be about to commit it."""

SETTLE_SECONDS = 1.0
"""How long a commit that a process sent as it was killed may take to land."""

KILLED = "left by a killed run"
REPLACED = "replaced"
ORPHAN = "orphaned"
SUPERSEDED = "a held stage that was made good"
NEW = "too new to judge"
AT_WORK = "a run at work"
HELD = "held"
SPENT = "evidence of files that are gone"
LONG_AGO = "a use that is long ago"


@dataclass(frozen=True)
class Gone:
    """A file that was removed.

    Args:
        location: Where it was.
        bytes: Its size.
        reason: Why nobody needs it.
    """

    location: str
    bytes: int
    reason: str


@dataclass
class Kept:
    """Files that stay for one reason."""

    files: int = 0
    bytes: int = 0


@dataclass
class Upkeep:
    """What was found in a table, and what was done about it.

    Args:
        table: The table's name.
        removed: The files that were removed; in a dry run, that would be.
        kept: How many files stay, by why.
        expired: How many snapshots were let go.
        killed: The runs that were found dead, and whether each had published.
        running: The runs at work.
    """

    table: str
    removed: list[Gone] = field(default_factory=list)
    kept: dict[str, Kept] = field(default_factory=lambda: defaultdict(Kept))
    expired: int = 0
    killed: dict[str, bool] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)


def upkeep(table: IcebergTable, *, now: datetime | None = None, dry_run: bool = False) -> Upkeep:
    """Settle what killed runs left, let old snapshots go, and remove files that nobody needs.

    Safe beside any number of publishes and other upkeeps, and killed at any instant it leaves nothing that the next one
    does not find. Readers see what they saw before.

    Args:
        table: The Iceberg table.
        now: The time to judge ages by; by default what the clock says.
        dry_run: Whether to only say what would be done.

    Raises:
        LakeError: The storage or the catalog refused; what was removed until then, nobody needed.
    """
    with ExitStack() as stack, lake_faults(f"the upkeep of {'.'.join(table.name())}"):
        # Who is at work is asked before what is reachable: who starts later writes files too new to be removed.
        instant = now or datetime.now(UTC)
        claims = running_stages(table)
        dead = [claim for claim in claims if stack.enter_context(claim.dead(instant))]
        if dead:
            time.sleep(SETTLE_SECONDS)
        return _Pass(table.refresh(), instant, claims, dead, dry_run=dry_run).run()


class _Pass:
    """One pass over a table: what is known of it, then one folder after the other."""

    def __init__(
        self, table: IcebergTable, now: datetime, claims: list[RunningStage], dead: list[RunningStage], *, dry_run: bool
    ) -> None:
        self._table, self._now, self._dry_run = table, now, dry_run
        self._began = datetime.now(UTC)
        self._retention = Retention.of(table.metadata.properties)
        self._live = View.of(table).days
        self._reach = Reach(table, self._live)
        self._report = Upkeep(".".join(table.name()))
        self._claims = dead
        self._dead = {claim.run for claim in dead}
        self._alive = {claim.run for claim in claims} - self._dead
        # A run that was suspended between its manifests and its commit is at work all the same.
        commits = [since for claim in claims if claim.run in self._alive and (since := claim.publishing)]
        self._oldest_commit = min([now - GRACE, *commits])
        self._published = {
            run for snapshot in table.metadata.snapshots if (run := run_of(summary_of(snapshot).get(PATH_KEY, "")))
        }
        self._reached = {run for key in self._reach.reasons if (run := run_of(key))}
        self._replaced_by = {
            _folder(location): day.run for day in self._live.values() if day.run for location in day.locations
        }
        self._remaining: set[str] = set()
        self._lines = set(outputs_of(table))
        self._ledgers = read_ledgers(table)
        self._superseded = self._find_superseded()
        kept = [ledger for ledger in self._ledgers if ledger not in self._superseded]
        self._held = {key_of(file) for ledger in kept for day in ledger.held.values() for file in day.locations}
        self._waiting = {ledger.file.location for ledger in kept}
        self._held_runs = {ledger.run for ledger in kept}
        self._confirming = {run for output in (MAIN, *self._lines) for run in self._confirming_for(output)}
        for ledger in kept:
            for candidate in {day.candidate for day in ledger.held.values()}:
                self._reach.add_candidate(candidate)

    def run(self) -> Upkeep:
        """Do it. Claims go last, so that an upkeep that is killed is taken up by the next."""
        self._report.running = sorted(self._alive)
        self._report.killed = {run: run in self._published | self._reached for run in sorted(self._dead)}
        self._expire()
        self._remove_superseded()
        data, records = self._table.location(), records_of(self._table)
        for folder, sweep in (
            (f"{data}/data", self._sweep_data),
            (f"{data}/metadata", self._sweep_metadata),
            (f"{records}/staging", self._sweep_staging),
            (f"{records}/evidence", self._sweep_evidence),
            (f"{records}/{CONFIRMED}", self._sweep_confirmed),
            (f"{records}/outputs", self._sweep_outputs),
            (f"{records}/{PROMOTIONS}", self._sweep_promotions),
            (f"{records}/{USED}", self._sweep_used),
        ):
            for file in list_files(self._table.io, folder):
                if file.modified > self._began:
                    self._keep(file, NEW)
                else:
                    sweep(file)
        for claim in self._claims:
            self._remove(claim.file, KILLED)
        return self._report

    def _expire(self) -> None:
        """Let snapshots go; their files stay until the next pass, which no longer finds them reachable."""
        forget_promotions(self._table, self._now - max(self._retention.replaced, GRACE), dry_run=self._dry_run)
        self._report.expired = len(self._retention.expired(self._table.metadata, self._now))
        if self._report.expired and not self._dry_run:
            try:
                expire_snapshots(self._table, self._now)
            except Exception as error:
                if not is_conflict(error):
                    raise
                self._report.expired = 0  # a publish came first, and lets them go as well

    def _find_superseded(self) -> list[Ledger]:
        """Return the ledgers that no longer say anything, and have not for the declared time; oldest first."""
        gone = [
            ledger
            for output in {ledger.output for ledger in self._ledgers}
            for ledger in self._superseded_of([held for held in self._ledgers if held.output == output], output)
        ]
        return sorted(gone, key=lambda ledger: ledger.run)

    def _confirming_for(self, output: str) -> set[str]:
        """Return the runs that were the last to confirm a published day of an output."""
        at = self._table if output == MAIN else OutputTable.of(self._table, output)
        live = self._live if output == MAIN else View.of(at).days
        return {told.run for told in last_confirmed(at, {day: of_day.run for day, of_day in live.items()}).values()}

    def _superseded_of(self, ledgers: Sequence[Ledger], output: str) -> Iterator[Ledger]:
        """Yield those of one output; one that a remaining older ledger still needs, to be made good, stays with it."""
        if output == MAIN:
            live = self._live
        elif output in self._lines:
            at = OutputTable.of(self._table, output)
            live = {day: of_day for day, of_day in View.of(at).days.items() if day in at.owned}
        else:
            yield from (ledger for ledger in ledgers if self._is_over(ledger.file.modified))
            return
        waiting = {stage.run for stage in waiting_days(ledgers, live).values()}
        newest = {day: ledger.run for ledger in ledgers for day in ledger.days}
        needed: set[object] = set()
        for ledger in ledgers:
            runs = {newest[day] for day in ledger.days}
            runs |= {found.run for day in ledger.days if (found := live.get(day)) and found.run}
            since = max(ledger.file.modified, *map(run_began, runs)) if runs else ledger.file.modified
            keep = ledger.run in waiting | self._alive or ledger.days & needed
            if keep or not self._is_over(since):
                needed |= ledger.days
            else:
                yield ledger

    def _remove_superseded(self) -> None:
        """Remove held stages that were made good: their files first, so that the ledger leads to what remains."""
        inside = f"{key_of(self._table.location())}/data/"
        for ledger in self._superseded:
            for location in (file for day in ledger.held.values() for file in day.locations):
                if key_of(location).startswith(inside) and ".." not in location and location not in self._reach:
                    source = self._table.io.new_input(location)
                    if key_of(location) not in self._held and source.exists():
                        self._remove(StoredFile(location, len(source), self._now), SUPERSEDED)
            self._remove(ledger.file, SUPERSEDED)

    def _sweep_data(self, file: StoredFile) -> None:
        run = run_of(file.location)
        if (reason := self._reach.reason(file.location)) is None:
            if key_of(file.location) in self._held:
                reason = HELD
            elif run in self._alive:
                reason = AT_WORK
            elif run in self._dead and (run in self._published or run not in self._reached):
                self._remove(file, KILLED)
                return
            elif not self._is_over(self._replaced(file)):
                reason = f"replaced, kept for {self._retention.replaced.days} days"
            else:
                self._remove(file, REPLACED)
                return
        if run:
            self._remaining.add(run)
        self._keep(file, reason)

    def _replaced(self, file: StoredFile) -> datetime:
        """Return when a file that nothing leads to was replaced at the latest."""
        run = self._replaced_by.get(_folder(file.location))
        return max(file.modified, run_began(run)) if run else file.modified

    def _sweep_metadata(self, file: StoredFile) -> None:
        if (reason := self._reach.reason(file.location)) is not None:
            self._keep(file, reason)
        elif file.modified >= self._oldest_commit:
            self._keep(file, NEW)
        else:
            self._remove(file, ORPHAN)

    def _sweep_staging(self, file: StoredFile) -> None:
        run = run_of(file.location)
        if run in self._alive:
            self._keep(file, AT_WORK)
        elif file.name.endswith(SUFFIX) or any(file.location == ledger.file.location for ledger in self._superseded):
            return  # a claim goes last, and a ledger went with its files
        elif file.location in self._waiting or file.location in self._reach:
            self._keep(file, HELD)
        elif run in self._dead:
            self._remove(file, KILLED)
        elif self._now - file.modified < GRACE:
            self._keep(file, NEW)
        else:
            self._remove(file, SUPERSEDED if file.name.endswith(CANDIDATE) else ORPHAN)

    def _sweep_outputs(self, file: StoredFile) -> None:
        """Keep the ledgers that lead to days, and what was compared of an output that is there."""
        output = _folder(file.location).rpartition("/")[2]
        if file.location in self._reach:
            self._keep(file, f"output {output}")
        elif file.modified >= self._oldest_commit:
            self._keep(file, NEW)
        elif file.name.endswith(COMPARED) and output in self._lines:
            self._keep(file, f"output {output}")
        else:
            self._remove(file, ORPHAN)

    def _sweep_promotions(self, file: StoredFile) -> None:
        """Keep the plans of promotions for as long as what they replaced is kept."""
        if self._is_over(file.modified):
            self._remove(file, SPENT)
        else:
            self._keep(file, "a promotion")

    def _sweep_evidence(self, file: StoredFile) -> None:
        run = run_of(file.location)
        known = (self._reached, self._published, self._remaining, self._held_runs, self._confirming)
        if any(run in runs for runs in known):
            self._keep(file, "evidence")
        elif run in self._alive:
            self._keep(file, AT_WORK)
        elif run in self._dead:
            self._remove(file, KILLED)
        elif not self._is_over(file.modified):
            self._keep(file, "evidence")
        else:
            self._remove(file, SPENT)

    def _sweep_confirmed(self, file: StoredFile) -> None:
        """Keep what was last confirmed of a published day: what it was made from before that, nobody asks."""
        run = run_of(file.location)
        if run in self._confirming:
            self._keep(file, "evidence")
        elif run in self._alive:
            self._keep(file, "a run at work")
        elif self._now - file.modified < GRACE:
            self._keep(file, NEW)
        else:
            self._remove(file, SPENT)

    def _sweep_used(self, file: StoredFile) -> None:
        """Let uses go that are older than anyone asks for."""
        if self._now - file.modified < KEPT:
            self._keep(file, "a use")
        else:
            self._remove(file, LONG_AGO)

    def _is_over(self, since: datetime) -> bool:
        return self._now - since >= max(self._retention.replaced, GRACE)

    def _keep(self, file: StoredFile, reason: str) -> None:
        kept = self._report.kept[reason]
        kept.files += 1
        kept.bytes += file.bytes

    def _remove(self, file: StoredFile, reason: str) -> None:
        if not self._dry_run:
            with suppress(FileNotFoundError):
                self._table.io.delete(file.location)
        self._report.removed.append(Gone(file.location, file.bytes, reason))


def _folder(location: str) -> str:
    return key_of(location).rpartition("/")[0]
